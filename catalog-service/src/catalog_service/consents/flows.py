"""Giving a consent, showing it, taking it back; and using it, which gateways do, at most once.

Everything that happens to a consent is an event in the log, in the transaction in which it happens.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from catalog_service.consents import store
from catalog_service.consents.model import (
    KEPT_DAYS,
    Consent,
    Held,
    LookUp,
    Use,
    acts_for,
    in_force,
    may_see,
    mistakes_in_consent,
)
from catalog_service.consents.tokens import Signer
from catalog_service.directory import store as directory
from catalog_service.directory.contract import invalid, require
from catalog_service.directory.model import check_active
from catalog_service.feed.flows import Change, Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.grants.model import check_usable
from catalog_service.grants.store import page_of_grants
from runtime.errors import Code, Refusal
from runtime.ids import uuid7
from wire import codes
from wire.catalog import Grant
from wire.subjects import SubjectKey
from wire.tokens import LONGEST_TOKEN

MOST_GRANTS = 1000
MOST_FORGOTTEN = 1000


@dataclass(frozen=True, slots=True)
class Office:
    """What it takes to give consents: the key of the pseudonyms, and the keys that sign."""

    subjects: SubjectKey
    signer: Signer

    def pseudonym(self, number: str) -> str:
        """Of the person with this number, which is kept nowhere; raises Refusal(INVALID_REQUEST)."""
        found = self.subjects.pseudonym(number)
        if not found:
            raise invalid(("subject", "names nobody"))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person consents to. subject: a pseudonym"""

    subject: str
    system: str
    interface: str
    purpose: str
    fields: list[str]
    minutes: int


async def give(change: Change, signer: Signer, wish: Wish) -> tuple[Held, str]:
    """The consent and its token, which is shown this once. Raises Refusal naming what is possible."""
    department = await _department_of(change, wish)
    expires_at = change.at + timedelta(minutes=wish.minutes)
    consent = Consent(
        id=str(uuid7(int(change.at.timestamp() * 1000))), subject=wish.subject, system=wish.system,
        department=department, interface=wish.interface, purpose=wish.purpose, fields=wish.fields,
        office=change.actor.department, given_by=change.actor.client,
        given=int(change.at.timestamp()), expires=int(expires_at.timestamp()),
    )  # fmt: skip
    token = signer.token(consent)
    if len(token) > LONGEST_TOKEN:
        raise invalid(("fields", f"a token has room for {LONGEST_TOKEN} characters; consent to fewer fields"))
    await store.keep(change.tx, consent, expires_at.replace(microsecond=0))
    await _tell(change, "given", consent, fields=",".join(consent.fields), expires=str(consent.expires))
    return Held(consent), token


async def _department_of(change: Change, wish: Wish) -> str:
    """Whose system may use it, once it is sure that a call could."""
    system = await directory.find_system(change.tx, wish.system)
    interface_id, _, version = wish.interface.partition("/")
    interface = await directory.find_interface(change.tx, interface_id, version)
    if system is None:
        raise invalid(("system", f"there is no system {wish.system}"))
    resource = await directory.find_resource(change.tx, interface.resource) if interface else None
    if interface is None or resource is None:
        raise invalid(("interface", f"there is no interface {wish.interface}"))
    check_active(system, f"system {system.id}")
    check_usable(interface, resource)
    granted = in_force(await _grants(change, wish), change.at)
    require(mistakes_in_consent(interface, granted, wish.purpose, wish.fields))
    return system.department


async def _grants(change: Change, wish: Wish) -> list[Grant]:
    return await page_of_grants(change.tx, wish.system, wish.interface, "", MOST_GRANTS)


async def show(change: Change, consent_id: str) -> Held:
    """Raises Refusal(NOT_FOUND), also for whom it does not concern."""
    held = await store.find(change.tx, consent_id)
    if held is None or not may_see(change.actor, held.consent):
        raise Refusal(codes.NOT_FOUND, f"consent {consent_id}")
    return held


async def of_person(change: Change, subject: str, after: str, limit: int) -> list[Held]:
    """All that a person gave, wherever: their identity is verified here and now. That somebody looked is recorded."""
    found = await store.page_of_person(change.tx, subject, after, limit)
    looked = LookUp(subject, [held.consent.id for held in found])
    await change.tell("consent.looked-up", looked, subject=subject, found=str(len(found)))
    return found


async def revoke(change: Change, consent_id: str, subject: str) -> Held:
    """Taken back by the person, here or at another office: there the number shows whose consent it is.

    subject  pseudonym of the person who asks for it, "" at the office where it was given
    Raises Refusal(NOT_FOUND). A second time changes nothing. Source: 个人信息保护法 15.
    """
    held = await store.find(change.tx, consent_id)
    if held is None or (subject != held.consent.subject if subject else not acts_for(change.actor, held.consent)):
        raise Refusal(codes.NOT_FOUND, f"consent {consent_id}")
    if await store.revoke(change.tx, consent_id, change.at):
        await _tell(change, "revoked", held.consent)
    after = await store.find(change.tx, consent_id)
    return after or held


# --- for gateways ---------------------------------------------------------------------------------------------------
async def use(change: Change, consent_id: str, asked: Use) -> None:
    """The call has the consent, and no other call ever will. Raises Refusal saying why not."""
    taken = await store.take(change.tx, consent_id, asked, change.at)
    held = await store.find(change.tx, consent_id)
    if held is None:
        raise Refusal(codes.CONSENT_INVALID, f"consent {consent_id}")
    if not taken:
        raise _not_for(held, asked, change)
    by_system = replace(change, actor=Actor(asked.system, held.consent.department))
    await _tell(by_system, "used", held.consent, call=asked.call, grant=asked.grant)


def _not_for(held: Held, asked: Use, change: Change) -> Refusal:
    consent = held.consent
    if (asked.system, asked.interface) != (consent.system, consent.interface):
        return Refusal(codes.CONSENT_NOT_FOR_THIS, f"consent {consent.id}")
    why: dict[str, Code] = {"used": codes.CONSENT_USED, "revoked": codes.CONSENT_REVOKED}
    return Refusal(why.get(held.state(change.at), codes.CONSENT_EXPIRED), f"consent {consent.id}")


async def release(change: Change, consent_id: str, call: str) -> None:
    """The call gives it back: nobody was asked. Raises Refusal(CONFLICT) where it does not have it."""
    freed = await store.give_back(change.tx, consent_id, call)
    held = await store.find(change.tx, consent_id)
    if held is None or not freed:
        raise Refusal(codes.CONFLICT, f"consent {consent_id} is not in use by this call")
    by_system = replace(change, actor=Actor(held.consent.system, held.consent.department))
    await _tell(by_system, "released", held.consent, call=call)


async def _tell(change: Change, verb: str, consent: Consent, **facts: str) -> None:
    interface_id, _, _ = consent.interface.partition("/")
    provider = await directory.provider_of_interface(change.tx, interface_id) or ""
    about = {
        "consent": consent.id, "provider": provider, "subject": consent.subject, "system": consent.system,
        "interface": consent.interface, "purpose": consent.purpose,
    }  # fmt: skip
    await change.tell(f"consent.{verb}", consent, **about, **facts)


# --- how long it is kept --------------------------------------------------------------------------------------------
async def prune(journal: Journal) -> int:
    """Forget what ended more than KEPT_DAYS ago, a piece at a time; the log keeps what it says of it. Call it often."""
    async with journal.change(Actor("catalog", PLATFORM)) as change:
        return await store.forget(change.tx, change.at - timedelta(days=KEPT_DAYS), MOST_FORGOTTEN)
