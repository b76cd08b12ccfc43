"""Requests of the person concerned: the whole table, proof by right, reasons."""

from typing import Any

import pytest

from catalog_service.cases.effects import checking, limits
from catalog_service.cases.model import Evidence, Opening
from catalog_service.cases.procedures.subject_rights import KIND, MACHINE
from catalog_service.directory.entry import Resource, Share
from catalog_service.feed.model import Actor
from catalog_service.machine import START, Role, step
from harness.machines import (
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

SUBJECT = {"subject": ["withdraw"]}
EXPECTED = {
    START: {"provider": ["ask"], "subject": ["ask"]},
    "received": {"provider": ["verify_identity", "refuse"], **SUBJECT},
    "identity_verified": {"provider": ["assess", "refuse"], **SUBJECT},
    "assessing": {"provider": ["grant", "refuse"], **SUBJECT},
    "granted": {"provider": ["carry_out"], **SUBJECT},
    "refused": {"provider": ["close"], "subject": ["close"]},
}
DETAILS: dict[str, Any] = {"right": "read", "claim": "查阅本人参保记录", "items": [], "identity": "XZSPJ-2026-17"}
NUMBER = "11010519491231002X"
ENTRY = Resource(code="2039900100003/000001", name="参保", provider="rsj", summary="", share=Share(type="conditional"))


@pytest.mark.requirement("CMP-06")
@pytest.mark.requirement("B-06")
def test_every_state_meets_every_role() -> None:
    assert walk(MACHINE) == EXPECTED
    assert walk(MACHINE, ()) == EXPECTED


@pytest.mark.requirement("CMP-06")
def test_the_table_is_sound() -> None:
    check_sound(KIND, {**limits.EFFECTS, **checking.EFFECTS})
    check_every_row_is_taken(MACHINE)
    check_four_eyes(MACHINE, set())
    assert guards_of(KIND) == ["digests_differ", "form_names_nobody", "names_nobody"]


@pytest.mark.requirement("CMP-07")
@pytest.mark.requirement("YN-24")
@pytest.mark.parametrize(
    ("right", "needed", "spread"),
    [
        ("read", ["note"], False),
        ("copy", ["note"], False),
        ("correct", ["before_digest", "after_digest"], True),
        ("delete", ["before_digest"], True),
    ],
)
def test_what_proves_that_it_was_carried_out(right: str, needed: list[str], spread: bool) -> None:
    details = {**DETAILS, "right": right}
    with pytest.raises(Refusal) as refused:
        step(MACHINE, KIND.rules, attempt("carry_out", _at("granted", details, Evidence()), [Role.PROVIDER]))
    assert _paths(refused.value) == [f"/body/{name}" for name in needed]
    proved = Evidence(note="窗口提供", before_digest="a" * 64, after_digest="b" * 64)
    row = step(MACHINE, KIND.rules, attempt("carry_out", _at("granted", details, proved), [Role.PROVIDER]))
    assert ("spread_correction" in row.effects) is spread


@pytest.mark.requirement("CMP-07")
@pytest.mark.parametrize("state", ["received", "identity_verified", "assessing"])
def test_a_refusal_has_a_reason(state: str) -> None:
    with pytest.raises(Refusal) as refused:
        step(MACHINE, KIND.rules, attempt("refuse", _at(state, DETAILS, Evidence()), [Role.PROVIDER]))
    assert _paths(refused.value) == ["/body/reason"]
    assert refused.value.facts["article"] == "个人信息保护法 50"


@pytest.mark.requirement("COR-05")
def test_a_correction_changes_something() -> None:
    details = {**DETAILS, "right": "correct"}
    same = Evidence(before_digest="a" * 64, after_digest="a" * 64)
    wanted = attempt("carry_out", _at("granted", details, same), [Role.PROVIDER])
    assert _paths(check_guard(KIND, "digests_differ", wanted)) == ["/body/after_digest"]


@pytest.mark.requirement("COR-03")
def test_no_identity_number_in_the_form() -> None:
    details = {**DETAILS, "claim": f"本人 {NUMBER}", "items": [NUMBER]}
    wanted = attempt("ask", situation(details=details), [Role.SUBJECT], details=details)
    paths = _paths(check_guard(KIND, "form_names_nobody", wanted))
    assert paths == ["/body/details/claim", "/body/details/items"]


@pytest.mark.requirement("COR-03")
@pytest.mark.parametrize(
    ("event", "state"), [("verify_identity", "received"), ("refuse", "assessing"), ("carry_out", "granted")]
)
def test_no_identity_number_in_what_is_said(event: str, state: str) -> None:
    said = Evidence(note=NUMBER, reason=NUMBER)
    wanted = attempt(event, _at(state, DETAILS, said), [Role.PROVIDER])
    assert _paths(check_guard(KIND, "names_nobody", wanted)) == ["/body/reason", "/body/note"]


def test_the_institution_is_named_or_follows_from_the_entry() -> None:
    actor = Actor("portal", "xzspj")
    named = Opening(kind="subject_rights", actor=actor, details=DETAILS, provider="gaj")
    assert KIND.sides(named) == ("", "gaj")
    entry = Opening(kind="subject_rights", actor=actor, details=DETAILS, provider="gaj", resource=ENTRY)
    assert KIND.sides(entry) == ("", "rsj")
    with pytest.raises(Refusal) as refused:
        KIND.sides(Opening(kind="subject_rights", actor=actor, details=DETAILS))
    assert _paths(refused.value) == ["/body/provider"]


def _at(state: str, details: dict[str, Any], evidence: Evidence) -> Any:
    return situation(state=state, details=details, evidence=evidence)


def _paths(refusal: Refusal) -> list[str]:
    assert refusal.code is INVALID_REQUEST
    errors: Any = refusal.facts["errors"]
    return [error["path"] for error in errors]
