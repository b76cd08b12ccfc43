"""Correction (疑义、错误信息校核): somebody doubts what the data say; the department they come from checks. Pure.

One table for the four who may start it: a department that uses the data (常德 14, 国务院令第809号 26), the person whom
they concern, at the institution (云南 22 ¶1) or at the authority, which forwards it (¶2), and the authority itself,
which sets a date (¶3). They differ in the limit and in who is told; the check is the same. A finding and its notice are
one transaction, so a limit that includes the feedback (国务院令第809号 26) ends with the finding.

Neither keys nor values stand in a case: a key comes masked; what was found and what stands now come as digests, best
taken over the value together with the case's id, for short values are easily guessed.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from catalog_service.cases.forms import Day, Line, Text
from catalog_service.cases.model import Case, Document, Kind, Opening, Situation
from catalog_service.cases.privacy import shows_too_much, texts_with_identity_numbers
from catalog_service.cases.procedures.deadline import today
from catalog_service.directory.contract import invalid, require
from catalog_service.machine import START, Machine, Role, Row, Rules
from wire import scopes


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is doubted.

    item        name of the information item    record_key  which record, masked ("末四位 0X21")
    claim       what is wrong with it           call        id of the call in which it was seen
    identity    reference under which the person's identity was verified, for requests of a person
    until       the date that the authority sets, for its orders
    """

    item: Line = ""
    claim: Text = ""
    record_key: Line = ""
    call: Line = ""
    identity: Line = ""
    until: Day = ""
    documents: Annotated[list[Document], Meta(max_length=20)] = []


BY_REQUESTER, BY_SUBJECT = "correction.by_requester", "correction.by_subject"
FORWARD, ORDERED = "correction.authority_forward", "ordered_check"
LAST_DAY = date(2999, 12, 31)
CHECKS = (BY_REQUESTER, BY_SUBJECT, ORDERED)
FINDINGS = ("confirmed_corrected", "confirmed_correct", "cannot_determine")
ASKERS = (Role.REQUESTER, Role.SUBJECT)
DOUBT = ("item_of_entry", "key_masked", "form_names_nobody")


def _finding(
    event: str, target: str, *needs: str, guards: tuple[str, ...] = (), effects: tuple[str, ...] = ()
) -> list[Row]:
    """What the check found; where the authority forwarded or ordered, it is told as well (云南 22 ¶2: 督促)."""
    told: Mapping[str, tuple[Role, ...]] = {"supervised": (*ASKERS, Role.AUTHORITY), "": ASKERS}
    return [
        Row(event=event, sources=("checking",), target=target, by=(Role.PROVIDER,), when=when,
            cite="常德 14; 国务院令第809号 26; 云南 22", needs=needs, guards=(*guards, "names_nobody"), effects=effects,
            stops=CHECKS, tells=tells)
        for when, tells in told.items()
    ]  # fmt: skip


MACHINE = Machine(
    name="correction",
    title=("疑义、错误信息校核", "Check of doubtful data"),
    cite="常德 14; 国务院令第809号 26; 云南 22",
    labels={
        "received": ("主管部门已受理，待转交", "Received by the authority"),
        "checking": ("校核中", "Being checked"),
        "confirmed_corrected": ("有误，已更正", "Found wrong, corrected"),
        "confirmed_correct": ("核实无误", "Found correct"),
        "cannot_determine": ("无法核实", "Cannot be determined"),
        "appealed": ("当事人不服，主管部门复核中", "Appealed to the authority"),
        "closed": ("已办结", "Closed"),
        "withdrawn": ("已撤回", "Withdrawn"),
    },
    finals=frozenset({"closed", "withdrawn"}),
    rows=(
        Row(event="raise", sources=(START,), target="checking", by=(Role.REQUESTER,),
            cite="常德 14; 国务院令第809号 26", needs=("item", "claim", "record_key"), guards=DOUBT,
            starts=(BY_REQUESTER,), tells=(Role.PROVIDER,)),
        Row(event="request", sources=(START,), target="checking", by=(Role.SUBJECT,), cite="云南 22 ¶1",
            needs=("item", "claim", "record_key", "identity"), guards=DOUBT, starts=(BY_SUBJECT,),
            tells=(Role.PROVIDER,)),
        Row(event="receive", sources=(START,), target="received", by=(Role.AUTHORITY, Role.SUBJECT), cite="云南 22 ¶2",
            needs=("item", "claim", "record_key", "identity"), guards=DOUBT, starts=(FORWARD,),
            tells=(Role.AUTHORITY,)),
        Row(event="order", sources=(START,), target="checking", by=(Role.AUTHORITY,), cite="云南 22 ¶3",
            needs=("item", "claim", "until"), guards=(*DOUBT, "date_ahead"), effects=("start_ordered",),
            tells=(Role.PROVIDER,)),
        Row(event="forward", sources=("received",), target="checking", by=(Role.AUTHORITY,), cite="云南 22 ¶2",
            stops=(FORWARD,), starts=(BY_SUBJECT,), tells=(Role.PROVIDER, Role.SUBJECT)),
        Row(event="extend", sources=("checking",), target="checking", by=(Role.PROVIDER_HEAD,),
            cite="常德 14; 云南 22 ¶1", needs=("days", "reason"), guards=("names_nobody",),
            effects=("extend_check",), tells=ASKERS),
        *_finding("confirm_corrected", "confirmed_corrected", "before_digest", "after_digest",
                  guards=("digests_differ",), effects=("spread_correction",)),
        *_finding("confirm_correct", "confirmed_correct", "note"),
        *_finding("leave_undetermined", "cannot_determine", "reason"),
        Row(event="appeal", sources=FINDINGS, target="appealed", by=(Role.SUBJECT,), cite="云南 22 ¶2",
            needs=("reason",), guards=("names_nobody",), tells=(Role.AUTHORITY, Role.PROVIDER)),
        Row(event="recheck", sources=("appealed", *FINDINGS), target="checking", by=(Role.AUTHORITY,),
            cite="云南 22 ¶3", needs=("until", "reason"), starts=(ORDERED,), tells=(Role.PROVIDER, *ASKERS)),
        Row(event="dismiss", sources=("appealed",), target="closed", by=(Role.AUTHORITY,), cite="云南 22 ¶2",
            needs=("reason",), tells=(Role.SUBJECT, Role.PROVIDER)),
        Row(event="close", sources=FINDINGS, target="closed", by=ASKERS, cite="常德 14", when="was_asked",
            tells=(Role.PROVIDER,)),
        Row(event="close", sources=FINDINGS, target="closed", by=(Role.AUTHORITY,), cite="云南 22 ¶1-2",
            needs=("note",), tells=(Role.PROVIDER, *ASKERS)),
        Row(event="withdraw", sources=("received", "checking"), target="withdrawn", by=ASKERS, cite="常德 14",
            when="was_asked", tells=(Role.PROVIDER, Role.AUTHORITY)),
    ),
)  # fmt: skip


def limit_of(case: Case) -> str:
    """Key of the limit that the check runs under, known from how the case came about."""
    if "order" in case.counts or "recheck" in case.counts:
        return ORDERED
    return BY_REQUESTER if "raise" in case.counts else BY_SUBJECT


def _supervised(situation: Situation) -> bool:
    """The authority forwarded it, or ordered it."""
    counts = situation.case.counts
    return "forward" in counts or limit_of(situation.case) == ORDERED


def _was_asked(situation: Situation) -> bool:
    """Somebody asked for the check, and may let go of it; what the authority ordered stands until it closes it."""
    return "order" not in situation.case.counts


def _item_of_entry(situation: Situation) -> None:
    items = [item.name for item in situation.resource.items] if situation.resource else []
    if (item := situation.case.details["item"]) not in items:
        raise invalid(
            ("details/item", f"{item} is not among the items of {situation.case.resource}: {', '.join(items)}")
        )


def _key_masked(situation: Situation) -> None:
    if shows_too_much(situation.case.details["record_key"]):
        raise invalid(("details/record_key", "mask it: of a run of six or more show at most four letters or digits"))


def form_names_nobody(situation: Situation) -> None:
    """No identity number in a form; other forms of persons are held to the same (个人信息保护法 6)."""
    found = texts_with_identity_numbers(situation.case.details)
    require((f"details/{name}", "an identity number stands in it") for name in found)


def names_nobody(situation: Situation) -> None:
    """No identity number in what is said in a step."""
    found = texts_with_identity_numbers(msgspec.structs.asdict(situation.evidence))
    require((name, "an identity number stands in it") for name in found)


def digests_differ(situation: Situation) -> None:
    """What was corrected is not as it was."""
    if situation.evidence.before_digest == situation.evidence.after_digest:
        raise invalid(("after_digest", "is that of the old value: nothing was corrected"))


def _date_ahead(situation: Situation) -> None:
    """The day that an order sets is a day, and not over (民法典 203: it counts until 24:00)."""
    try:
        day = date.fromisoformat(situation.case.details["until"])
    except ValueError:
        raise invalid(("details/until", "a date such as 2026-10-31")) from None
    if not today(situation) <= day <= LAST_DAY:
        raise invalid(("details/until", f"from today to {LAST_DAY}"))


def sides(opening: Opening) -> tuple[str, str]:
    """The department that uses the data, if it is one that asks, and the one they come from."""
    if opening.resource is None:
        raise invalid(("resource", "the entry whose data are doubted"))
    offices, provider = opening.actor.offices, opening.resource.provider
    asking = opening.actor.department if scopes.OFFICER in offices else ""
    if offices & {scopes.OFFICER, scopes.AUTHORITY}:
        asking = opening.requester or asking
    return ("" if asking == provider else asking), provider


KIND = Kind(
    machine=MACHINE,
    rules=Rules(
        conditions={"supervised": _supervised, "was_asked": _was_asked},
        guards={
            "item_of_entry": _item_of_entry,
            "key_masked": _key_masked,
            "form_names_nobody": form_names_nobody,
            "names_nobody": names_nobody,
            "digests_differ": digests_differ,
            "date_ahead": _date_ahead,
        },
    ),
    letters="JH",
    form=Form,
    sides=sides,
    responsible={
        BY_REQUESTER: Role.PROVIDER,
        BY_SUBJECT: Role.PROVIDER,
        FORWARD: Role.AUTHORITY,
        ORDERED: Role.PROVIDER,
    },
)
