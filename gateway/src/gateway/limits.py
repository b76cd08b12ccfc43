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


def fields_of(limits: Sequence[Limit]) -> dict[str, str]:
    """Both header fields."""
    return {
        "ratelimit-policy": ", ".join([f'"{one.name}";q={one.quota};w={one.window_s}' for one in limits]),
        "ratelimit": ", ".join([f'"{one.name}";r={one.remaining};t={one.reset_s}' for one in limits]),
    }


def limited(refused: Refusal, limit: Limit) -> Refusal:
    """A refusal that names the limit that it is about."""
    refused.headers.update(fields_of([limit]))
    return refused
