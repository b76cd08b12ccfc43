"""RateLimit fields: what is left of a rate or a quota, as a client reads it.

Source: draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4.
"""

from collections.abc import Sequence
from typing import NamedTuple

from runtime.errors import Refusal


class Limit(NamedTuple):
    """One item of both fields: `quota` calls in `window_s`, of which `remaining` are left for `reset_s`."""

    name: str
    quota: int
    window_s: int
    remaining: int
    reset_s: int

    @property
    def policy(self) -> str:
        """What it is, as an item of RateLimit-Policy."""
        return f'"{self.name}";q={self.quota};w={self.window_s}'

    @property
    def state(self) -> str:
        """How it stands, as an item of RateLimit."""
        return f'"{self.name}";r={self.remaining};t={self.reset_s}'


def lines_of(first: Limit, others: Sequence[Limit]) -> str:
    """Both header fields, as lines."""
    policies, states = first.policy, first.state
    for limit in others:
        policies, states = f"{policies}, {limit.policy}", f"{states}, {limit.state}"
    return f"ratelimit-policy: {policies}\r\nratelimit: {states}\r\n"


def limited(refused: Refusal, limit: Limit) -> Refusal:
    """A refusal that names the limit that it is about."""
    refused.headers.update({"ratelimit-policy": limit.policy, "ratelimit": limit.state})
    return refused
