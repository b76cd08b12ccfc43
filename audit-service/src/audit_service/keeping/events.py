"""What keeping says of itself in the log."""

from datetime import datetime

from wire.audit import Event, new_event
from wire.tokens import AccessToken


def told(event: str, at: datetime, token: AccessToken, facts: dict[str, str], number: str = "") -> Event:
    """An act of somebody. `number` is the event's id, a new one by default."""
    return new_event(event, at, token.client, token.department, facts, number)


def told_by_us(event: str, at: datetime, facts: dict[str, str], number: str = "") -> Event:
    """An act of the log itself. `number` as above."""
    return new_event(event, at, "keeping", "", facts, number)
