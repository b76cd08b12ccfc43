"""People, their sessions, and what they may choose as a password. Pure."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from runtime.errors import Refusal
from wire import codes

LOGIN_PATTERN = r"^[a-z0-9][a-z0-9._-]{1,63}$"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 128
KINDS_WANTED = 3
INVITATION_LIFE = timedelta(days=7)
CODE_LIFE = timedelta(seconds=60)
STAGES = ("second", "change", "full")
"""How far somebody has come: password was right, password has to be changed, signed in."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a place in a department. Fields with secrets are kept out of `repr`.

    standing   `invited` until the link was used, `active`, `suspended`
    totp       the sealed secret of the second factor, None for those who sign in elsewhere
    totp_step  the last time step (of 30 s) whose code was used (RFC 6238 section 5.2)
    outside    (issuer, sub) at the external provider, None for those who have a password here
    """

    id: UUID
    login: str
    name: str
    department: str
    standing: str
    created_at: datetime
    roles: frozenset[str] = frozenset()
    password: str | None = field(default=None, repr=False)
    totp: bytes | None = field(default=None, repr=False)
    totp_step: int = 0
    must_change: bool = False
    outside: tuple[str, str] | None = None

    @property
    def subject(self) -> str:
        """`sub` of their tokens, and their name in the log: it tells nobody who they are."""
        return f"person:{self.id}"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody at a browser. `number` may be shown; the cookie is known to the browser alone.

    means  `password` or `external`; what `amr` says is made of it
    """

    number: UUID
    person: UUID
    stage: str
    means: str
    created_at: datetime
    signed_in_at: datetime
    seen_at: datetime
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lasts: without use, and altogether."""

    idle: timedelta
    absolute: timedelta

    def begun_after(self, now: datetime) -> datetime:
        return now - self.absolute

    def seen_after(self, now: datetime) -> datetime:
        return now - self.idle


def digest(secret: str) -> bytes:
    """What is kept of a random secret of 128 bits or more: a plain hash will do."""
    return hashlib.sha256(secret.encode()).digest()


def check_password(password: str, login: str) -> None:
    """Raise Refusal(PASSWORD_WEAK) for one that will not do; the code's remedy says the rule."""
    kinds = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum() or not c.isascii())
    fits = SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD
    varied = sum(any(map(kind, password)) for kind in kinds) >= KINDS_WANTED and len(set(password)) >= KINDS_WANTED * 2
    if not (fits and varied and password.isprintable()) or login in password.lower():
        raise Refusal(codes.PASSWORD_WEAK)
