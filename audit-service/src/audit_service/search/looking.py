"""That somebody looked is itself on record: who, for what, how much was shown. Never somebody's identity number."""

from collections.abc import Mapping

import msgspec

from audit_service.summary import Filter
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from wire.audit import new_event
from wire.subjects import holds_a_number
from wire.tokens import AccessToken


class LookUps:
    """Records look-ups."""

    def __init__(self, writer: Writer, clock: Clock | None = None) -> None:
        self._writer = writer
        self._clock = clock or SystemClock()

    async def record(self, event: str, token: AccessToken, wanted: Filter, facts: Mapping[str, str]) -> None:
        """A look-up with a filter: commit the event; raises Refusal(AUDIT_UNAVAILABLE)."""
        await self.note(event, token, {"filter": described(wanted), **facts})

    async def note(self, event: str, token: AccessToken, facts: dict[str, str]) -> None:
        """Commit an event with these facts; raises Refusal(AUDIT_UNAVAILABLE)."""
        await self._writer.write([new_event(event, self._clock.now(), token.client, token.department, facts)])


def described(wanted: Filter) -> str:
    """A filter as one line, see `one_line`."""
    return one_line({name: value for name, value in msgspec.to_builtins(wanted).items() if value and name != "party"})


def one_line(asked: Mapping[str, str]) -> str:
    """What was asked as `name=value&…`: one fact, so that no part of it is taken for a fact of the event. A value that
    holds somebody's identity number is `*`."""
    return "&".join(f"{name}={'*' if holds_a_number(value) else value}" for name, value in asked.items())
