"""Signing in: password, second factor, new password, and the one-time link by which somebody comes in at all.

What strangers are told and how long it takes is the same for a person who exists and for one who does not.
"""

import hmac
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from identity.people import events, sessions, store
from identity.people.lockout import Devices, Lockout, Place, forget_attempts
from identity.people.model import Limits, Person, Session, check_password, digest
from identity.people.passwords import Passwords
from identity.people.tables import outside_visit
from identity.people.totp import Secrets, recovery_codes, spelled, step_of
from identity.revoking import of_person, revoke
from runtime.clock import Clock
from runtime.errors import Refusal
from runtime.outbox import Outbox
from wire import codes

log = structlog.get_logger()
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One step further. `cookie` replaces the one before; `device` is a device cookie once everything was right."""

    cookie: str
    stage: str
    device: str = ""
    recovery_codes: tuple[str, ...] = ()


class SignIn:
    """How people prove who they are."""

    def __init__(
        self, database: AsyncEngine, outbox: Outbox, passwords: Passwords, secrets: Secrets, devices: Devices,
        limits: Limits, clock: Clock,
    ) -> None:  # fmt: skip
        self._database = database
        self._outbox = outbox
        self._passwords = passwords
        self._secrets = secrets
        self._devices = devices
        self._lockout = Lockout(database, devices)
        self.limits = limits
        self._clock = clock
        self._failures: Counter[tuple[str, str]] = Counter()

    async def who(self, cookie: str) -> tuple[Session, Person] | None:
        """Whose cookie this is; None for one that has ended, or whose owner may not be here any more."""
        if not cookie:
            return None
        async with self._database.begin() as transaction:
            found = await sessions.find(transaction, cookie, self.limits, self._clock.now())
            person = await store.load_person(transaction, found.person) if found else None
        return (found, person) if found and person and person.standing == "active" else None

    async def with_password(self, login: str, password: str, place: Place) -> SignedIn:
        """The first step. Raises Refusal(SIGN_IN_FAILED, TOO_MANY_ATTEMPTS or SIGN_IN_BUSY)."""
        at = self._clock.now()
        await self._lockout.attempt("password", login, place, at)
        async with self._database.connect() as connection:
            person = await store.find_by_login(connection, login)
        may = person is not None and person.standing == "active"
        right = await self._passwords.is_right(person.password if person and may else None, password, place.address)
        if person is None or not right:
            raise self._failed(person)
        await self._lockout.succeeded("password", login, place)
        async with self._database.begin() as transaction:
            cookie = await sessions.begin(transaction, person.id, "second", "password", place, at)
        return SignedIn(cookie, "second")

    def _failed(self, person: Person | None, **facts: str) -> Refusal:
        """Counted for the log; written by `tick`, so that it takes the same time for everybody."""
        self._failures[(person.subject, person.department) if person else (UNKNOWN, UNKNOWN)] += 1
        return Refusal(codes.SIGN_IN_FAILED, **facts)

    async def with_code(self, session: Session, code: str, place: Place) -> SignedIn:
        """The second step: six digits, or a recovery code. Raises Refusal(SIGN_IN_FAILED or TOO_MANY_ATTEMPTS)."""
        at = self._clock.now()
        async with self._database.connect() as connection:
            person = await store.load_person(connection, session.person)
        if person is None or person.totp is None:
            raise Refusal(codes.SIGN_IN_FAILED)
        await self._lockout.attempt("code", person.login, place, at)
        async with self._database.begin() as transaction:
            person = await store.load_person(transaction, person.id, for_update=True) or person
            means = await self._use_code(transaction, person, code)
            if means and await sessions.end(transaction, [session.number], at) and person.standing == "active":
                stage = "change" if person.must_change else "full"
                cookie = await sessions.begin(transaction, person.id, stage, "password", place, at)
                event = events.of_person("person.signed_in", person, at, means=means)
                await self._outbox.write(transaction, event, at)
            else:
                cookie = ""
        if not cookie:
            raise self._failed(person)
        await self._lockout.succeeded("code", person.login, place)
        return SignedIn(cookie, stage, self._devices.new(person.login))

    async def _use_code(self, transaction: AsyncConnection, person: Person, code: str) -> str:
        """By what it was right, "" if it was not; no code is right twice."""
        if len(code) == 6 and code.isascii() and code.isdigit() and person.totp is not None:
            secret = self._secrets.opened(person.id, person.totp)
            step = step_of(secret, code, self._clock.now(), person.totp_step)
            right = step is not None and (await transaction.execute(store.use_step(person.id, step))).first()
            return "password totp" if right else ""
        if (await transaction.execute(store.use_recovery_code(person.id, spelled(code)))).first():
            return "password recovery-code"
        return ""

    async def change_password(self, session: Session, old: str, new: str, place: Place) -> SignedIn:
        """A new password; all other sessions end. Raises Refusal(SIGN_IN_FAILED, PASSWORD_WEAK, TOO_MANY_ATTEMPTS)."""
        at = self._clock.now()
        async with self._database.connect() as connection:
            person = await store.load_person(connection, session.person)
        if person is None:
            raise Refusal(codes.SIGN_IN_FAILED)
        await self._lockout.attempt("password", person.login, place, at)
        if not await self._passwords.is_right(person.password, old, place.address):
            raise self._failed(person, why="old_wrong")
        await self._lockout.succeeded("password", person.login, place)
        check_password(new, person.login)
        if hmac.compare_digest(old.encode(), new.encode()):
            raise Refusal(codes.PASSWORD_WEAK)
        kept = await self._passwords.hashed(new, place.address)
        async with self._database.begin() as transaction:
            person = await store.load_person(transaction, person.id, for_update=True)
            if person is None or person.standing != "active":
                raise Refusal(codes.SIGN_IN_FAILED)
            await transaction.execute(store.change(person.id, password=kept, must_change=False))
            if not await sessions.end_all(transaction, person.id, at):
                raise Refusal(codes.SIGN_IN_FAILED)
            # not of this second: the client that waits for the new password gets its token in it
            await revoke(transaction, of_person(person.subject, at - timedelta(seconds=1)), at=at)
            cookie = await sessions.begin(transaction, person.id, "full", "password", place, at)
            await self._outbox.write(transaction, events.of_person("person.password_changed", person, at), at)
        return SignedIn(cookie, "full", self._devices.new(person.login))

    async def count_visit(self, place: Place) -> None:
        """Somebody leaves for the provider elsewhere. Raises Refusal(TOO_MANY_ATTEMPTS)."""
        await self._lockout.visit(place, self._clock.now())

    # --- by a one-time link ---
    async def invited(self, token: str) -> tuple[Person, str]:
        """Whom a link is for, and the secret that it offers for the second factor. Raises Refusal(LINK_INVALID)."""
        async with self._database.connect() as connection:
            person = await store.find_invited(connection, digest(token), self._clock.now())
        if person is None:
            raise Refusal(codes.LINK_INVALID)
        return person, self._secrets.offered(token)

    async def enrol(self, token: str, password: str, code: str, place: Place) -> SignedIn:
        """Take the link: password and second factor are set, and the link is used up.

        Raises Refusal(LINK_INVALID, PASSWORD_WEAK or SIGN_IN_FAILED).
        """
        person, secret = await self.invited(token)
        check_password(password, person.login)
        at = self._clock.now()
        step = step_of(secret, code.strip(), at, 0)
        if step is None:
            raise Refusal(codes.SIGN_IN_FAILED, why="clock_wrong")
        kept = await self._passwords.hashed(password, place.address)
        sealed, once = self._secrets.sealed(person.id, secret), recovery_codes()
        async with self._database.begin() as transaction:
            if await store.find_invited(transaction, digest(token), at, for_update=True) is None:
                raise Refusal(codes.LINK_INVALID)
            values = {"password": kept, "totp": sealed, "totp_step": step, "must_change": False}
            await transaction.execute(store.change(person.id, **values))
            await store.set_recovery_codes(transaction, person.id, once)
            cookie = await self.come_in(transaction, person, "password", place)
        return SignedIn(cookie, "full", self._devices.new(person.login), tuple(once))

    async def come_in(self, transaction: AsyncConnection, person: Person, means: str, place: Place) -> str:
        """Whoever was invited is here, by whatever means; the cookie of their first session."""
        at = self._clock.now()
        await transaction.execute(store.drop_invitation(person.id))
        await transaction.execute(store.change(person.id, standing="active"))
        await self._outbox.write(transaction, events.of_person("person.enrolled", person, at, means=means), at)
        return await sessions.begin(transaction, person.id, "full", means, place, at)

    # --- ending ---
    async def end(self, owner: Session, numbers: list[UUID]) -> None:
        """End some of the owner's own sessions."""
        at = self._clock.now()
        async with self._database.begin() as transaction:
            own = {one.number for one in await sessions.list_of(transaction, owner.person, self.limits, at)}
            ended = sorted({number for number in numbers if number in own})
            await sessions.end(transaction, ended, at)
            person = await store.load_person(transaction, owner.person)
            if person and ended:
                event = events.of_person("session.ended", person, at, count=str(len(ended)))
                await self._outbox.write(transaction, event, at)

    async def sessions_of(self, person: Person) -> list[Session]:
        """The sessions that somebody has open."""
        async with self._database.connect() as connection:
            return list(await sessions.list_of(connection, person.id, self.limits, self._clock.now()))

    def close(self) -> None:
        """Let the threads go in which passwords are checked."""
        self._passwords.close()

    async def tick(self) -> None:
        """Write counted failures into the log; called every second."""
        taken, self._failures = self._failures, Counter()
        if not taken:
            return
        at = self._clock.now()
        try:
            async with self._database.begin() as transaction:
                for (subject, department), count in taken.items():
                    event = events.sign_ins_failed(subject, department, count, at)
                    await self._outbox.write(transaction, event, at)
        except Exception:
            self._failures.update(taken)
            raise

    async def forget(self) -> None:
        """Drop what has run out; called every minute."""
        at = self._clock.now()
        async with self._database.begin() as transaction:
            await transaction.execute(forget_attempts(at))
            await transaction.execute(sessions.forget_sessions(self.limits, at))
            await transaction.execute(delete(outside_visit).where(outside_visit.c.until <= at))
