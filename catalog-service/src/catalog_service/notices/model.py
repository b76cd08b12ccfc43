"""Notices: who is told what about what. Pure."""

from datetime import datetime

import msgspec

from catalog_service.feed.model import Actor


class Subject(msgspec.Struct, frozen=True):
    """What a clock or a notice is about: "case", "filing", "resource", "interface", "policy" … and its id."""

    kind: str
    id: str


class Address(msgspec.Struct, frozen=True):
    """An inbox: that of an office (`wire.scopes`, such as "office:head") of a department.

    department ""  whoever holds that office, wherever (the authority)
    office ""      everybody in the department
    client         one person alone, who shares department and office with strangers (当事人)
    """

    department: str
    office: str
    client: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message in one inbox. facts: what its text is made of, see `words`."""

    id: str
    to: Address
    word: str
    about: Subject
    facts: dict[str, str]
    at: datetime


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as it lies in the inbox; whoever of the office reads it reads it for all."""

    notice: Notice
    read_at: datetime | None


def may_read(actor: Actor, to: Address) -> bool:
    """Its department's notices, of these the ones to an office that it holds, and no other person's."""
    return (
        to.department in (actor.department, "")
        and (to.office in actor.offices or not to.office)
        and to.client in (actor.client, "")
    )
