"""Complaint or report (投诉举报): anybody tells of a breach, by name or without one. Pure.

It goes to the authority or to the department whose data were misused (常德 22), which does not judge itself. Whoever
complains stays unknown to those concerned: name and address are kept apart from the case (effects/complaints.py), who
opened it shows to overseers alone. No text gives days for it; the platform's own limits run and are shown as such.

Source: 常德 22; 国务院令第809号 37; 淄博 9 (conditions that were added).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from catalog_service.cases.forms import Line, Text
from catalog_service.cases.model import Document, Kind, Opening, Situation
from catalog_service.cases.procedures.correction import form_names_nobody, names_nobody
from catalog_service.directory.contract import invalid
from catalog_service.machine import START, Machine, Role, Row, Rules
from wire import scopes

About = Literal[
    "", "misuse", "added_conditions", "unanswered", "data_quality", "security", "personal_rights", "other"
]  # fmt: skip


class Complainant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who complains, as far as they say."""

    name: Line = ""
    contact: Line = ""


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is complained of.

    to          who deals with it: the authority, or the `provider` of the case
    respondent  department that is complained of, "" if it is not known
    complainant None: anonymous
    """

    about: About = ""
    claim: Text = ""
    to: Literal["authority", "provider"] = "authority"
    respondent: Line = ""
    complainant: Complainant | None = None
    documents: Annotated[list[Document], Meta(max_length=20)] = []


ACCEPT, RESOLVE = "complaint.accept", "complaint.resolve"
SOURCE = "常德 22; 国务院令第809号 37"
ANYBODY = (Role.SUBJECT, Role.REQUESTER, Role.AUTHORITY)
LOOKED_INTO = ("investigating", "measures")


def _handled(
    event: str, sources: tuple[str, ...], target: str, *needs: str, effects: tuple[str, ...] = ()
) -> list[Row]:
    """A step of whoever received it: the authority may always, the providing department if it went there."""
    return [
        Row(event=event, sources=sources, target=target, by=(by,), when=when, cite=SOURCE, needs=needs,
            guards=("names_nobody",), effects=effects)
        for by, when in ((Role.PROVIDER, "went_to_provider"), (Role.AUTHORITY, ""))
    ]  # fmt: skip


MACHINE = Machine(
    name="complaint",
    title=("投诉举报", "Complaint or report"),
    cite="常德 22; 国务院令第809号 37; 淄博 9",
    labels={
        "received": ("已收到", "Received"),
        "accepted": ("已受理", "Accepted"),
        "not_accepted": ("不予受理", "Not accepted"),
        "investigating": ("调查中", "Being investigated"),
        "measures": ("已采取措施", "Measures taken"),
        "answered": ("已答复", "Answered"),
        "closed": ("已办结", "Closed"),
    },
    finals=frozenset({"not_accepted", "closed"}),
    rows=(
        Row(event="file", sources=(START,), target="received", by=ANYBODY, cite="常德 22; 淄博 9",
            when="went_to_provider", needs=("about", "claim"), guards=("form_names_nobody", "not_its_own_judge"),
            effects=("keep_apart", "limit_acceptance"), tells=(Role.PROVIDER,)),
        Row(event="file", sources=(START,), target="received", by=ANYBODY, cite="常德 22; 国务院令第809号 37; 淄博 9",
            needs=("about", "claim"), guards=("form_names_nobody",), effects=("keep_apart", "limit_acceptance"),
            tells=(Role.AUTHORITY,)),
        *_handled("accept", ("received",), "accepted", effects=("limit_resolution", "tell_complainant")),
        *_handled("reject", ("received",), "not_accepted", "reason", effects=("end_limits", "tell_complainant")),
        *_handled("investigate", ("accepted",), "investigating"),
        Row(event="hear", sources=("investigating",), target="investigating", by=(Role.AUTHORITY,), cite=SOURCE,
            when="went_to_authority", needs=("department", "note"), guards=("names_nobody",),
            effects=("name_respondent",), tells=(Role.PROVIDER,)),
        Row(event="respond", sources=("investigating",), target="investigating", by=(Role.PROVIDER,), cite=SOURCE,
            when="went_to_authority", needs=("note",), guards=("names_nobody",), tells=(Role.AUTHORITY,)),
        *_handled("suspend_grant", LOOKED_INTO, "measures", "reason", effects=("suspend_grant",)),
        Row(event="order_correction", sources=LOOKED_INTO, target="measures", by=(Role.AUTHORITY,), cite="云南 22 ¶3",
            needs=("until", "details"), effects=("order_correction",)),
        *_handled("transfer", LOOKED_INTO, "measures", "note"),
        *_handled("answer", LOOKED_INTO, "answered", "note", effects=("end_limits", "tell_complainant")),
        *_handled("close", ("answered",), "closed"),
        Row(event="close", sources=("answered",), target="closed", by=(Role.SUBJECT,), cite=SOURCE),
    ),
)  # fmt: skip


def _went_to_provider(situation: Situation) -> bool:
    return bool(situation.case.details["to"] == "provider")


def _went_to_authority(situation: Situation) -> bool:
    return not _went_to_provider(situation)


def _not_its_own_judge(situation: Situation) -> None:
    """No department deals with what is said against itself."""
    if situation.case.details["respondent"] == situation.case.provider:
        raise invalid(("details/to", f"{situation.case.provider} is complained of: the authority deals with it"))


def _sides(opening: Opening) -> tuple[str, str]:
    """An officer complains for a department, which is then kept apart; the other side deals with it, if it is told."""
    requester = opening.actor.department if scopes.OFFICER in opening.actor.offices else ""
    if opening.details["to"] == "authority":
        return requester, ""
    provider = opening.provider or (opening.resource.provider if opening.resource else "")
    if not provider:
        raise invalid(("provider", "the department that is to deal with it"))
    return requester, provider


KIND = Kind(
    machine=MACHINE,
    rules=Rules(
        conditions={"went_to_provider": _went_to_provider, "went_to_authority": _went_to_authority},
        guards={
            "form_names_nobody": form_names_nobody,
            "names_nobody": names_nobody,
            "not_its_own_judge": _not_its_own_judge,
        },
    ),
    letters="TS",
    form=Form,
    sides=_sides,
    responsible={},
    hides_maker=True,
)
