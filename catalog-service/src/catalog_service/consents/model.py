"""Consents (当事人授权): what one person lets one system ask of one interface, once and for a short time. Pure.

A consent goes no further than a grant: its purpose is the grant's, its fields are some of the grant's. The person
stands in it as a pseudonym (`wire.subjects`); no number is kept.

Source: 德清 14 ¶2; 个人信息保护法 14 (for a purpose, told before), 15 (taken back at any time).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from catalog_service.directory.contract import Mistake
from catalog_service.directory.model import Interface
from catalog_service.feed.model import Actor
from wire import scopes
from wire.catalog import Grant

KEPT_DAYS = 3 * 366
"""After its end a consent is the ground of a call that somebody may ask about for three years."""
MOST_NAMED = 50
State = Literal["given", "used", "revoked", "expired"]


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """A consent as it was given; none of this ever changes. Times are Unix seconds.

    subject     pseudonym of the person        interface  "id/v1"
    department  whose system it is             office     the department through which the person gave it
    given_by    the client that acted for the person
    """

    id: str
    subject: str
    system: str
    department: str
    interface: str
    purpose: str
    fields: list[str]
    office: str
    given_by: str
    given: int
    expires: int


class Held(msgspec.Struct, frozen=True):
    """A consent and what became of it. call: record of the one that used it, or ""; times as above, 0 for never"""

    consent: Consent
    call: str = ""
    used: int = 0
    revoked: int = 0

    def state(self, at: datetime) -> State:
        """Taken back goes before used: what was made before stands, and nothing comes after."""
        if self.revoked:
            return "revoked"
        if self.call:
            return "used"
        return "given" if at.timestamp() < self.consent.expires else "expired"

    def shown(self, at: datetime) -> dict[str, object]:
        """For everybody who may see it; nobody needs the pseudonym, and nobody gets the token again."""
        members = msgspec.structs.asdict(self.consent)
        del members["subject"]
        return {**members, "state": self.state(at), "call": self.call, "used": self.used, "revoked": self.revoked}


Word = Annotated[str, Meta(pattern=r"^[0-9A-Za-z._/-]{1,128}$")]


class Use(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a gateway says of the call for which it takes a consent. call: its record"""

    call: Word
    system: Word
    interface: Word
    grant: Word


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The call that gives a consent back: its provider was never asked."""

    call: Word


class LookUp(msgspec.Struct, frozen=True):
    """Somebody looked for what a person consented to: pseudonym, ids of what was found."""

    subject: str
    consents: list[str]


# --- what can be consented to ---------------------------------------------------------------------------------------
def in_force(grants: Iterable[Grant], at: datetime) -> list[Grant]:
    now = at.timestamp()
    standing = (grant for grant in grants if grant.state.standing == "active")
    return [grant for grant in standing if grant.not_before <= now and not 0 < grant.not_after <= now]


def mistakes_in_consent(
    interface: Interface, grants: Sequence[Grant], purpose: str, fields: Sequence[str]
) -> Iterator[Mistake]:
    """What keeps a consent from being of use, with what would be possible. grants: of the system, in force"""
    if not (interface.consent_required and interface.subject):
        yield "interface", f"{interface.key} is called without a consent"
        return
    if not grants:
        yield "interface", f"the system holds no grant in force for {interface.key}"
        return
    allowed = [set(_releasable(grant, interface)) for grant in grants if grant.purpose == purpose]
    if not allowed:
        yield "purpose", f"one of: {_named(dict.fromkeys(grant.purpose for grant in grants))}"
        return
    most = max(allowed, key=lambda names: len(names.intersection(fields)))
    for n, name in enumerate(fields):
        if name not in most:
            yield f"fields/{n}", f"not within the grant; possible: {_named(sorted(most))}"
        elif name in fields[:n]:
            yield f"fields/{n}", "is there more than once"


def _releasable(grant: Grant, interface: Interface) -> list[str]:
    """What is granted, and fields of the interface that lie below it; a file is released whole."""
    if interface.format == "binary":
        return grant.fields
    fields = [field.name for field in interface.fields]
    within = tuple(f"{name}." for name in grant.fields)
    return [*grant.fields, *(name for name in fields if grant.fields == ["*"] or name.startswith(within))]


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    return "、".join(listed[:MOST_NAMED]) + ("…" if len(listed) > MOST_NAMED else "")


# --- who sees and ends it -------------------------------------------------------------------------------------------
def acts_for(actor: Actor, consent: Consent) -> bool:
    """Whether this is the office to which the person came to give it."""
    return scopes.SUBJECT in actor.offices and actor.department == consent.office


def may_see(actor: Actor, consent: Consent) -> bool:
    """The person's office, the department whose system may use it, and those who oversee."""
    return acts_for(actor, consent) or actor.department == consent.department or actor.oversees
