"""Statements about people, named after what they mean."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Delete, Select, Update
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from identity.people.model import Person, digest
from identity.people.tables import invitation, person, person_role, recovery_code

_ROLES = (
    select(func.array_agg(person_role.c.role)).where(person_role.c.person == person.c.id).correlate(person)
).scalar_subquery()
LIST_AT_MOST = 200


def people_where(*conditions: ColumnElement[bool]) -> Select[Any]:
    """People with their roles; for `person_of`."""
    return select(person, _ROLES.label("roles")).where(*conditions)


def person_of(row: Row[Any]) -> Person:
    outside = (row.outside_issuer, row.outside_subject) if row.outside_issuer else None
    return Person(
        row.id, row.login, row.name, row.department, row.standing, row.created_at, frozenset(row.roles or ()),
        row.password, row.totp, row.totp_step, row.must_change, outside,
    )  # fmt: skip


async def load_person(transaction: AsyncConnection, number: UUID, *, for_update: bool = False) -> Person | None:
    """The person, or None."""
    statement = people_where(person.c.id == number)
    if for_update:
        statement = statement.with_for_update(of=person)
    row = (await transaction.execute(statement)).one_or_none()
    return person_of(row) if row else None


async def find_by_login(transaction: AsyncConnection, login: str) -> Person | None:
    row = (await transaction.execute(people_where(person.c.login == login))).one_or_none()
    return person_of(row) if row else None


async def find_by_outside(transaction: AsyncConnection, outside: tuple[str, str]) -> Person | None:
    """Whoever is linked to this (issuer, sub)."""
    conditions = (person.c.outside_issuer == outside[0], person.c.outside_subject == outside[1])
    row = (await transaction.execute(people_where(*conditions))).one_or_none()
    return person_of(row) if row else None


async def list_people(
    transaction: AsyncConnection, department: str = "", after: str = "", login: str = ""
) -> Sequence[Person]:
    """At most LIST_AT_MOST by login name; `department` and `login` "" for all, `after` the last name before these."""
    wanted = {person.c.department: department, person.c.login: login}
    conditions = [person.c.login > after, *(column == value for column, value in wanted.items() if value)]
    statement = people_where(*conditions).order_by(person.c.login).limit(LIST_AT_MOST)
    return [person_of(row) for row in await transaction.execute(statement)]


async def add_person(transaction: AsyncConnection, new: Person) -> bool:
    """False where the login name is taken."""
    values = {
        "id": new.id, "login": new.login, "name": new.name, "department": new.department, "standing": new.standing,
        "created_at": new.created_at,
    }  # fmt: skip
    statement = upsert(person).values(values).on_conflict_do_nothing(index_elements=["login"])
    return (await transaction.execute(statement)).rowcount == 1


async def set_roles(transaction: AsyncConnection, number: UUID, roles: Iterable[str]) -> None:
    """These roles and no others."""
    await transaction.execute(delete(person_role).where(person_role.c.person == number))
    rows = [{"person": number, "role": role} for role in sorted(roles)]
    if rows:
        await transaction.execute(insert(person_role), rows)


async def count_active(transaction: AsyncConnection, role: str) -> int:
    """How many who may come in have this role."""
    found = select(func.count()).select_from(person).join(person_role, person_role.c.person == person.c.id)
    active = (person.c.standing == "active") & (person_role.c.role == role)
    return int((await transaction.execute(found.where(active))).scalar_one())


def one_at_a_time() -> Select[Any]:
    """Wait until nobody else takes a security administrator away (a lock of the transaction)."""
    return select(func.pg_advisory_xact_lock(func.hashtext("identity.last security administrator")))


def change(number: UUID, **values: Any) -> Update:
    """Set columns of one person."""
    return update(person).where(person.c.id == number).values(values)


def use_step(number: UUID, step: int) -> ReturningUpdate[Any]:
    """One row if no code of this step or a later one was used before (RFC 6238 section 5.2)."""
    return (
        update(person)
        .where(person.c.id == number, person.c.totp_step < step)
        .values(totp_step=step)
        .returning(person.c.id)
    )


def use_recovery_code(number: UUID, code: str) -> ReturningDelete[Any]:
    """One row if it was there: each is good once."""
    found = (recovery_code.c.person == number, recovery_code.c.digest == digest(code))
    return delete(recovery_code).where(*found).returning(recovery_code.c.person)


async def set_recovery_codes(transaction: AsyncConnection, number: UUID, codes: Iterable[str]) -> None:
    """These and no others."""
    await transaction.execute(delete(recovery_code).where(recovery_code.c.person == number))
    rows = [{"person": number, "digest": digest(code)} for code in codes]
    if rows:
        await transaction.execute(insert(recovery_code), rows)


# --- invitations ---
async def put_invitation(transaction: AsyncConnection, number: UUID, token: str, until: datetime) -> None:
    """The only link that is good for this person; one that was there is no longer."""
    values = {"digest": digest(token), "until": until}
    statement = upsert(invitation).values(person=number, **values)
    await transaction.execute(statement.on_conflict_do_update(index_elements=["person"], set_=values))


async def find_invited(
    transaction: AsyncConnection, link: bytes, now: datetime, *, for_update: bool = False
) -> Person | None:
    """Whoever the link with this digest is for, None for one that is not good."""
    found = select(invitation.c.person).where(invitation.c.digest == link, invitation.c.until > now)
    row = (await transaction.execute(found)).one_or_none()
    if row is None:
        return None
    invited = await load_person(transaction, row.person, for_update=for_update)  # before the link, as everywhere
    if for_update and (await transaction.execute(found.with_for_update())).one_or_none() is None:
        return None
    return invited if invited and invited.standing == "invited" else None


def drop_invitation(number: UUID) -> Delete:
    return delete(invitation).where(invitation.c.person == number)
