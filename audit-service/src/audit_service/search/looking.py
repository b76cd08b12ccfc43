"""That somebody looked is itself on record: who, for what, how much was shown. Never the pseudonym of a person."""

from collections.abc import Mapping

import msgspec

from audit_service.summary import Filter
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.ids import uuid7
from wire.audit import Event
from wire.tokens import AccessToken


class LookUps:
    """Records look-ups."""

    def __init__(self, writer: Writer, clock: Clock | None = None) -> None:
        self._writer = writer
        self._clock = clock or SystemClock()

    async def record(self, event: str, token: AccessToken, wanted: Filter, facts: Mapping[str, str]) -> None:
        """Commit the event; raises Refusal(AUDIT_UNAVAILABLE)."""
        at = int(self._clock.now().timestamp() * 1000)
        told = Event(id=str(uuid7(at)), at=at, event=event, actor=token.client, department=token.department,
                     facts={"filter": described(wanted), **facts})  # fmt: skip
        await self._writer.write([told])


def described(wanted: Filter) -> str:
    """A filter as one line: `name=value&…`. One fact, so that no part of it is taken for a fact of the event."""
    members = {name: value for name, value in msgspec.to_builtins(wanted).items() if value and name != "party"}
    if wanted.subject:
        members["subject"] = "*"
    return "&".join(f"{name}={value}" for name, value in members.items())
