"""Who is here and with which roles: what security administration does. Nobody decides on their own rights.

Whoever makes links could take them too, and be the person. So a link for somebody who was here brings no administration
but security administration, unless the operator makes it: others have to be given anew, which is in the log. Of clients
the operator alone gives administrations. There is always somebody active in security administration once there was.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from identity.people import events, sessions, store
from identity.people.model import INVITATION_LIFE, Person
from identity.people.roles import ADMINISTRATIONS, PLATFORM, SECURITY, check_place, check_together
from identity.revoking import of_person, revoke
from runtime.clock import Clock
from runtime.errors import Refusal
from runtime.ids import uuid7
from runtime.outbox import Outbox
from wire import codes, scopes

log = structlog.get_logger()
ONE_ADMINISTRATION = "person_role_one_administration"


@dataclass(frozen=True, slots=True)
class By:
    """Who acts: `sub` and department of their token; of somebody, of a client, or of the operator."""

    subject: str
    department: str
    is_person: bool = False
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody who was invited. `token` is the end of the link; it is told this once."""

    person: Person
    token: str
    until: datetime


class Register:
    """The people of this platform. `knows` says whether there is such a department."""

    def __init__(self, database: AsyncEngine, outbox: Outbox, knows: Callable[[str], bool], clock: Clock) -> None:
        self._database = database
        self._outbox = outbox
        self._knows = knows
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
        """Somebody new. Raises Refusal(CONFLICT) for a login name that is taken, Refusal(ROLES_EXCLUDE).

        CONFLICT also where there is no such department, and for an administration outside the platform's own.
        """
        check_together(roles)
        check_place(roles, department)
        _check_giver(roles, by)
        if department != PLATFORM and not self._knows(department):
            raise Refusal(codes.CONFLICT, f"the catalog has no department {department}")
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
        """A new link for somebody who lost password or device: what they had counts no longer, and nobody is in.

        Whoever was here loses system or audit administration with it, unless the operator makes the link.
        """
        async with self._database.begin() as transaction:
            person, at = await self._held(transaction, number, by)
            if person.standing == "suspended":
                raise Refusal(codes.CONFLICT, "the person is suspended; let them back in first")
            emptied = {"password": None, "totp": None, "outside_issuer": None, "outside_subject": None}
            await transaction.execute(store.change(number, standing="invited", **emptied))
            await store.set_recovery_codes(transaction, number, ())
            await self._throw_out(transaction, person, at)
            await self._tell(transaction, "person.invited", person, by, at, again="yes")
            kept = person.roles - (ADMINISTRATIONS - {SECURITY})
            if kept != person.roles and person.standing != "invited" and not by.is_operator:
                person = await self._give(transaction, person, kept, by, at)
            return await _link(transaction, person, at)

    async def set_roles(self, number: UUID, roles: frozenset[str], by: By) -> Person:
        """These roles from now on; tokens from before count no longer. Raises Refusal(ROLES_EXCLUDE or CONFLICT)."""
        check_together(roles)
        async with self._database.begin() as transaction:
            person, at = await self._held(transaction, number, by)
            _check_giver(roles - person.roles, by)
            check_place(roles - person.roles, person.department)
            if SECURITY not in roles:
                await self._check_not_last(transaction, person)
            if roles != person.roles:
                await self._give(transaction, person, roles, by, at)
                await sessions.revoke_all(transaction, person.id, at)
                await revoke(transaction, of_person(person.subject, at), at=at)
        return await self.find(number)

    async def _give(
        self, transaction: AsyncConnection, person: Person, roles: frozenset[str], by: By, at: datetime
    ) -> Person:
        await self._set_roles(transaction, person, roles)
        facts = {"before": events.roles(person.roles), "roles": events.roles(roles)}
        await self._tell(transaction, "person.roles_changed", person, by, at, **facts)
        return replace(person, roles=roles)

    async def _check_not_last(self, transaction: AsyncConnection, person: Person) -> None:
        """Raise Refusal(CONFLICT) for the only one who is active in security administration."""
        if SECURITY not in person.roles or person.standing != "active":
            return
        await transaction.execute(store.one_at_a_time())
        if await store.count_active(transaction, SECURITY) < 2:
            raise Refusal(codes.CONFLICT, "the last active security administrator: have another one come in first")

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
            if suspended:
                await self._check_not_last(transaction, person)
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
        ended = await sessions.end_all(transaction, person.id, at)
        await revoke(transaction, of_person(person.subject, at), at=at)
        return ended

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


def _check_giver(given: frozenset[str], by: By) -> None:
    """Raise Refusal(SCOPE_MISSING) where a client other than the operator gives an administration."""
    if given & ADMINISTRATIONS and not by.is_person and not by.is_operator:
        raise Refusal(codes.SCOPE_MISSING, "people and the operator give administrations", scope=scopes.PEOPLE_WRITE)


def _there(person: Person | None, number: UUID) -> Person:
    if person is None:
        raise Refusal(codes.NOT_FOUND, f"no person {number}")
    return person


async def _link(transaction: AsyncConnection, person: Person, at: datetime) -> Invited:
    token, until = secrets.token_urlsafe(32), at + INVITATION_LIFE
    await store.put_invitation(transaction, person.id, token, until)
    return Invited(person, token, until)
