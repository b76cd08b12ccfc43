"""What keeping says of itself in the log."""

from datetime import datetime

from runtime.ids import uuid7
from wire.audit import Event
from wire.tokens import AccessToken


def told(event: str, at: datetime, token: AccessToken, facts: dict[str, str], number: str = "") -> Event:
    """An act of somebody. `number` is the event's id, a new one by default."""
    return _told(event, at, token.client, token.department, facts, number)


def told_by_us(event: str, at: datetime, facts: dict[str, str], number: str = "") -> Event:
    """An act of the log itself. `number` as above."""
    return _told(event, at, "keeping", "", facts, number)


def _told(event: str, at: datetime, actor: str, department: str, facts: dict[str, str], number: str) -> Event:
    ms = int(at.timestamp() * 1000)
    return Event(id=number or str(uuid7(ms)), at=ms, event=event, actor=actor, department=department, facts=facts)
