"""Complaints: the whole table for both who may deal with them, and that nobody judges itself."""

from typing import Any

import pytest

from catalog_service.cases.effects import complaints, limits
from catalog_service.cases.model import Evidence, Opening
from catalog_service.cases.procedures.complaint import KIND, MACHINE
from catalog_service.directory.entry import Resource, Share
from catalog_service.feed.model import Actor
from catalog_service.machine import START, Role, step
from harness.machines import (
    Matrix,
    attempt,
    check_every_row_is_taken,
    check_four_eyes,
    check_guard,
    check_sound,
    guards_of,
    situation,
    walk,
)
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, scopes

AUTHORITY = {
    "received": ["accept", "reject"],
    "accepted": ["investigate"],
    "investigating": ["suspend_grant", "order_correction", "transfer", "answer"],
    "measures": ["suspend_grant", "order_correction", "transfer", "answer"],
    "answered": ["close"],
}
PROVIDER = {
    "received": ["accept", "reject"],
    "accepted": ["investigate"],
    "investigating": ["suspend_grant", "transfer", "answer"],
    "measures": ["suspend_grant", "transfer", "answer"],
    "answered": ["close"],
}
DETAILS: dict[str, Any] = {
    "about": "misuse", "claim": "同一办件编号批量调用", "to": "authority", "respondent": "jtj", "complainant": None,
    "documents": [],
}  # fmt: skip
TO_PROVIDER = {**DETAILS, "to": "provider"}
NUMBER = "11010519491231002X"
ENTRY = Resource(code="2039900100003/000001", name="参保", provider="rsj", summary="", share=Share(type="conditional"))


def expected(*, at_provider: bool) -> Matrix:
    """Filing is for anybody; the steps are the authority's, and the provider's if it went there."""
    filing = {role: ["file"] for role in ("requester", "authority", "subject")}
    found: Matrix = {START: filing}
    for state, events in AUTHORITY.items():
        found[state] = {"authority": events, **({"provider": PROVIDER[state]} if at_provider else {})}
    found["answered"]["subject"] = ["close"]
    if not at_provider:
        found["investigating"] = {"authority": ["hear", *AUTHORITY["investigating"]], "provider": ["respond"]}
    return found


@pytest.mark.requirement("CMP-01")
@pytest.mark.requirement("B-09")
def test_every_state_meets_every_role() -> None:
    assert walk(MACHINE, ["went_to_authority"]) == expected(at_provider=False)
    assert walk(MACHINE, ["went_to_provider"]) == expected(at_provider=True)


@pytest.mark.requirement("CMP-01")
def test_the_table_is_sound() -> None:
    check_sound(KIND, {**limits.EFFECTS, **complaints.EFFECTS})
    check_every_row_is_taken(MACHINE)
    check_four_eyes(MACHINE, set())
    assert guards_of(KIND) == ["form_names_nobody", "names_nobody", "not_its_own_judge"]


@pytest.mark.requirement("CMP-01")
@pytest.mark.parametrize(("details", "told"), [(DETAILS, Role.AUTHORITY), (TO_PROVIDER, Role.PROVIDER)])
def test_who_is_told_of_it(details: dict[str, Any], told: Role) -> None:
    row = step(MACHINE, KIND.rules, attempt("file", situation(details=details), [Role.SUBJECT], details=details))
    assert row.tells == (told,)


@pytest.mark.requirement("CMP-01")
def test_the_provider_deals_only_with_what_went_to_it() -> None:
    mine = situation(state="received", details=TO_PROVIDER)
    assert step(MACHINE, KIND.rules, attempt("accept", mine, [Role.PROVIDER])).target == "accepted"
    with pytest.raises(Refusal) as refused:
        step(MACHINE, KIND.rules, attempt("accept", situation(state="received", details=DETAILS), [Role.PROVIDER]))
    assert refused.value.code is codes.NOT_YOUR_STEP


@pytest.mark.requirement("CMP-03")
def test_nobody_deals_with_a_complaint_against_itself() -> None:
    details = {**TO_PROVIDER, "respondent": "rsj"}
    wanted = attempt("file", situation(details=details), [Role.SUBJECT], details=details)
    assert _paths(check_guard(KIND, "not_its_own_judge", wanted)) == ["/body/details/to"]


@pytest.mark.requirement("CMP-03")
@pytest.mark.parametrize(
    ("to", "provider", "entry", "sides"),
    [
        ("authority", "gaj", ENTRY, ("", "")),
        ("provider", "gaj", None, ("", "gaj")),
        ("provider", "", ENTRY, ("", "rsj")),
    ],
)
def test_who_sees_it_from_the_start(to: str, provider: str, entry: Resource | None, sides: tuple[str, str]) -> None:
    details = {**DETAILS, "to": to}
    person = Actor("portal", "xzspj", frozenset({scopes.SUBJECT}))
    opening = Opening(kind="complaint", actor=person, details=details, provider=provider, resource=entry)
    assert KIND.sides(opening) == sides
    officer = Actor("zjj-client", "zjj", frozenset({scopes.OFFICER}))
    opening = Opening(kind="complaint", actor=officer, details=details, provider=provider, resource=entry)
    assert KIND.sides(opening) == ("zjj", sides[1])


def test_the_department_that_deals_with_it_is_named() -> None:
    with pytest.raises(Refusal) as refused:
        KIND.sides(Opening(kind="complaint", actor=Actor("portal", "xzspj"), details=TO_PROVIDER))
    assert _paths(refused.value) == ["/body/provider"]


@pytest.mark.requirement("COR-03")
def test_no_identity_number_in_what_is_complained_of() -> None:
    details = {**DETAILS, "claim": f"查了 {NUMBER}"}
    wanted = attempt("file", situation(details=details), [Role.SUBJECT], details=details)
    assert _paths(check_guard(KIND, "form_names_nobody", wanted)) == ["/body/details/claim"]


@pytest.mark.requirement("COR-03")
@pytest.mark.parametrize(
    ("event", "role", "state"),
    [
        (row.event, row.by[0], row.sources[0])
        for row in MACHINE.rows
        if "names_nobody" in row.guards and row.when != "went_to_provider"
    ],
)
def test_no_identity_number_in_what_is_said(event: str, role: Role, state: str) -> None:
    said = Evidence(note=NUMBER, reason=NUMBER, department="jtj")
    wanted = attempt(event, situation(state=state, details=DETAILS, evidence=said), [role])
    assert _paths(check_guard(KIND, "names_nobody", wanted)) == ["/body/reason", "/body/note"]


@pytest.mark.requirement("CMP-01")
@pytest.mark.parametrize(("event", "needed"), [("reject", "reason"), ("answer", "note"), ("transfer", "note")])
def test_what_a_step_has_to_say(event: str, needed: str) -> None:
    state = "received" if event == "reject" else "measures"
    with pytest.raises(Refusal) as refused:
        step(MACHINE, KIND.rules, attempt(event, situation(state=state, details=DETAILS), [Role.AUTHORITY]))
    assert _paths(refused.value) == [f"/body/{needed}"]


def _paths(refusal: Refusal) -> list[str]:
    assert refusal.code is INVALID_REQUEST
    errors: Any = refusal.facts["errors"]
    return [error["path"] for error in errors]
