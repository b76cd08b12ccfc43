"""Who is here and with which roles: what security administration does. Nobody decides on their own rights."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from identity.people import events, sessions, store
from identity.people.model import INVITATION_LIFE, Person
from identity.people.roles import check_together
from identity.revoking import of_person, revoke
from runtime.clock import Clock
from runtime.errors import Refusal
from runtime.ids import uuid7
from runtime.outbox import Outbox
from wire import codes

log = structlog.get_logger()
ONE_ADMINISTRATION = "person_role_one_administration"


@dataclass(frozen=True, slots=True)
class By:
    """Who acts: `sub` and department of their token."""

    subject: str
    department: str


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody who was invited. `token` is the end of the link; it is told this once."""

    person: Person
    token: str
    until: datetime


class Register:
    """The people of this platform."""

    def __init__(self, database: AsyncEngine, outbox: Outbox, clock: Clock) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock

    async def people(self, department: str, after: str, login: str) -> list[Person]:
        """A page of people, by login name."""
        async with self._database.connect() as connection:
            return list(await store.list_people(connection, department, after, login))

    async def find(self, number: UUID) -> Person:
        """Raises Refusal(NOT_FOUND)."""
        async with self._database.connect() as connection:
            return _there(await store.load_person(connection, number), number)

    async def invite(self, login: str, name: str, department: str, roles: frozenset[str], by: By) -> Invited:
        """Somebody new. Raises Refusal(CONFLICT) for a login name that is taken, Refusal(ROLES_EXCLUDE)."""
        check_together(roles)
        at = self._clock.now()
        number = uuid7(int(at.timestamp() * 1000))
        person = Person(number, login, name, department, "invited", at, roles)
        async with self._database.begin() as transaction:
            if not await store.add_person(transaction, person):
                raise Refusal(codes.CONFLICT, f"the login name {login} is taken")
            await self._set_roles(transaction, person, roles)
            await self._tell(transaction, "person.invited", person, by, at, roles=events.roles(roles))
            return await _link(transaction, person, at)

    async def invite_again(self, number: UUID, by: By) -> Invited:
        """A new link for somebody who lost password or device: what they had counts no longer, and nobody is in."""
        async with self._database.begin() as transaction:
            person, at = await self._held(transaction, number, by)
            if person.standing == "suspended":
                raise Refusal(codes.CONFLICT, "the person is suspended; let them back in first")
            emptied = {"password": None, "totp": None, "outside_issuer": None, "outside_subject": None}
            await transaction.execute(store.change(number, standing="invited", **emptied))
            await store.set_recovery_codes(transaction, number, ())
            await self._throw_out(transaction, person, at)
            await self._tell(transaction, "person.invited", person, by, at, again="yes")
            return await _link(transaction, person, at)

    async def set_roles(self, number: UUID, roles: frozenset[str], by: By) -> Person:
        """These roles from now on; tokens from before count no longer. Raises Refusal(ROLES_EXCLUDE)."""
        check_together(roles)
        async with self._database.begin() as transaction:
            person, at = await self._held(transaction, number, by)
            if roles != person.roles:
                await self._set_roles(transaction, person, roles)
                await revoke(transaction, of_person(person.subject, at), at=at)
                facts = {"before": events.roles(person.roles), "roles": events.roles(roles)}
                await self._tell(transaction, "person.roles_changed", person, by, at, **facts)
        return await self.find(number)

    async def _set_roles(self, transaction: AsyncConnection, person: Person, roles: frozenset[str]) -> None:
        try:
            await store.set_roles(transaction, person.id, roles)
        except IntegrityError as error:
            if ONE_ADMINISTRATION not in str(error.orig):
                raise
            raise Refusal(codes.ROLES_EXCLUDE) from None

    async def set_standing(self, number: UUID, *, suspended: bool, reason: str, by: By) -> Person:
        """Suspend somebody, which throws them out, or let them back in."""
        async with self._database.begin() as transaction:
            person, at = await self._held(transaction, number, by)
            enrolled = person.password is not None or person.outside is not None
            standing = "suspended" if suspended else "active" if enrolled else "invited"
            if standing != person.standing:
                await transaction.execute(store.change(number, standing=standing))
                if suspended:
                    await self._throw_out(transaction, person, at)
                name = "person.suspended" if suspended else "person.resumed"
                await self._tell(transaction, name, person, by, at, reason=reason)
        return await self.find(number)

    async def end_sessions(self, number: UUID, by: By, *, change_password: bool) -> None:
        """Throw somebody out; with `change_password` they need a new one the next time they come in."""
        async with self._database.begin() as transaction:
            person, at = await self._held(transaction, number, by, even_own=True)
            ended = await self._throw_out(transaction, person, at)
            if change_password:
                await transaction.execute(store.change(number, must_change=True))
            facts = {"count": str(ended), "change_password": "yes" if change_password else "no"}
            await self._tell(transaction, "session.ended", person, by, at, **facts)

    async def _throw_out(self, transaction: AsyncConnection, person: Person, at: datetime) -> int:
        await revoke(transaction, of_person(person.subject, at), at=at)
        return await sessions.end_all(transaction, person.id, at)

    async def _held(
        self, transaction: AsyncConnection, number: UUID, by: By, *, even_own: bool = False
    ) -> tuple[Person, datetime]:
        person = _there(await store.load_person(transaction, number, for_update=True), number)
        if person.subject == by.subject and not even_own:
            raise Refusal(codes.OWN_RIGHTS)
        return person, self._clock.now()

    async def _tell(
        self, transaction: AsyncConnection, name: str, person: Person, by: By, at: datetime, **facts: str
    ) -> None:
        event = events.of_person(name, person, at, actor=by.subject, department=by.department, **facts)
        await self._outbox.write(transaction, event, at)


def _there(person: Person | None, number: UUID) -> Person:
    if person is None:
        raise Refusal(codes.NOT_FOUND, f"no person {number}")
    return person


async def _link(transaction: AsyncConnection, person: Person, at: datetime) -> Invited:
    token, until = secrets.token_urlsafe(32), at + INVITATION_LIFE
    await store.put_invitation(transaction, person.id, token, until)
    return Invited(person, token, until)
