"""What identity puts into the log about people: no names, no login names, no addresses of pages."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from identity.people.model import Person
from wire.audit import new_event


def of_person(name: str, person: Person, at: datetime, *, actor: str = "", department: str = "", **facts: str) -> bytes:
    """Something about somebody, done by `actor`, themselves by default. `name` is noun.past_verb."""
    told = {"person": person.subject, **facts}
    return _event(name, actor or person.subject, department or person.department, told, at)


def sign_ins_failed(subject: str, department: str, count: int, at: datetime) -> bytes:
    """Somebody failed to be this person, `count` times since the last such event; `unknown` where there is nobody."""
    return _event("person.sign_in_failed", subject, department, {"count": str(count)}, at)


def roles(held: Iterable[str]) -> str:
    return " ".join(sorted(held))


def _event(name: str, actor: str, department: str, facts: dict[str, str], at: datetime) -> bytes:
    return msgspec.json.encode(new_event(name, at, actor, department, facts))
