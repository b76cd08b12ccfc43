"""The life of a catalog entry as a table (B.1): who may do what in which state, and where that leads."""

from collections.abc import Iterable
from typing import Any

import pytest

from catalog_service.directory.evidence import Evidence
from catalog_service.directory.filing import MACHINE, Situation
from catalog_service.directory.filing_effects import EFFECTS
from catalog_service.directory.filing_rules import CONDITIONS, GUARDS, RULES
from catalog_service.directory.filings import COMPARED, RESTING, SETTLED
from catalog_service.machine import START, Attempt, Role, Row, step
from harness.entries import TEXT, changed, situation
from harness.machines import Anything, check_every_row_is_taken, check_four_eyes, walk

PV, PVH, AU, UP = (role.value for role in (Role.PROVIDER, Role.PROVIDER_HEAD, Role.AUTHORITY, Role.UPPER_AUTHORITY))
REVIEW = {PV: ["suspend"], AU: ["return", "reject", "pass", "suspend"]}


@pytest.mark.requirement("DIR-01")
@pytest.mark.requirement("B-01")
def test_every_role_does_in_every_state_what_the_table_says_and_nothing_else() -> None:
    assert walk(MACHINE) == {
        START: {PV: ["create"]},
        "draft": {PV: ["edit", "send_up"]},
        "dept_review": {PV: ["suspend"], PVH: ["agree", "return"], AU: ["suspend"]},
        "submitted": {**REVIEW, AU: ["return", "take_up", "reject", "pass", "suspend"]},
        "authority_review": REVIEW,
        "upper_review": {PV: ["suspend"], AU: ["suspend"], UP: ["return", "approve"]},
        "returned": {PV: ["edit", "send_up", "resubmit", "downgrade", "suspend"], AU: ["suspend"]},
        "published": {
            PV: ["edit", "record_change", "downgrade", "suspend", "withdraw"], AU: ["record_change", "suspend"],
        },
        "changing": {
            PV: ["edit", "resubmit", "record_change", "downgrade", "suspend", "withdraw"],
            AU: ["record_change", "extend", "suspend"],
        },
        "suspended": {PV: ["withdraw"], AU: ["resume"]},
    }  # fmt: skip


@pytest.mark.requirement("DIR-01")
def test_an_entry_that_was_never_live_is_neither_suspended_nor_narrowed() -> None:
    first_time = walk(MACHINE, {"first_time"})
    for state in ("returned", "dept_review", "submitted", "authority_review", "upper_review"):
        events = {event for found in first_time[state].values() for event in found}
        assert not events & {"suspend", "resubmit", "downgrade", "withdraw"}


def test_the_table_says_nothing_without_a_meaning() -> None:
    rows = MACHINE.rows
    assert {row.target for row in rows} | {source for row in rows for source in row.sources} == {START, *MACHINE.states}
    assert {row.when for row in rows} - {""} == CONDITIONS.keys()
    assert {name for row in rows for name in row.guards} == GUARDS.keys()
    assert {name for row in rows for name in row.effects} == EFFECTS.keys()
    assert {name for row in rows for name in row.needs} <= set(Evidence.__struct_fields__)
    assert {*RESTING, *SETTLED} - {START} <= set(MACHINE.states)
    assert set(MACHINE.events) >= COMPARED
    assert all(row.cite for row in rows)
    check_every_row_is_taken(MACHINE)


@pytest.mark.requirement("DIR-02")
def test_nobody_decides_what_they_made_themselves() -> None:
    check_four_eyes(MACHINE, {"agree", "reject", "pass", "approve"})


def taken(event: str, state: str, role: Role, at: Situation) -> Row:
    """The row that applies; guards aside."""
    attempt = Attempt(
        event=event, state=state, roles=frozenset({role}), client="somebody", makers=frozenset(), evidence=Anything(),
        situation=at,
    )  # fmt: skip
    return step(MACHINE, without(*GUARDS), attempt)


def without(*guards: str) -> Any:
    kept = {name: (lambda _: None) if name in guards else guard for name, guard in GUARDS.items()}
    return type(RULES)(conditions=CONDITIONS, guards=kept)


@pytest.mark.requirement("DIR-03")
@pytest.mark.requirement("CD-04", "DQ-09", "DQ-41-43", "YN-12", "ZB-02", "ZB-10-2", "NAT-16")
@pytest.mark.parametrize(
    ("profile", "government", "published_by"),
    [
        ("national", True, "pass"),
        ("changde", False, "agree"),
        ("changde", True, "pass"),
        ("jingdezhen", False, "agree"),
        ("jingdezhen", True, "pass"),
        ("deqing", False, "pass"),
        ("deqing", True, "pass"),
        ("yunnan", False, "pass"),
        ("yunnan", True, "pass"),
        ("zibo", False, "pass"),
        ("zibo", True, "pass"),
    ],
)
def test_the_last_word_is_the_department_s_or_the_authority_s(
    profile: str, government: bool, published_by: str
) -> None:
    """常德 4 leaves it to the institution; where the decree binds, its authority reviews all the same (16)."""
    at = situation(profile, government=government)
    agreed = taken("agree", "dept_review", Role.PROVIDER_HEAD, at)
    assert agreed.target == ("published" if published_by == "agree" else "submitted")
    passed = taken("pass", "submitted", Role.AUTHORITY, at)
    assert (passed.target, "publish" in passed.effects) == ("published", True)
    again = taken("resubmit", "changing", Role.PROVIDER, situation(profile, government=government, live=TEXT))
    assert again.target == ("dept_review" if published_by == "agree" else "submitted")


@pytest.mark.requirement("DIR-03")
@pytest.mark.requirement("YN-12")
@pytest.mark.parametrize("profile", ["national", "changde", "zibo", "yunnan"])
def test_an_authority_s_own_catalog_goes_one_level_up_in_yunnan(profile: str) -> None:
    passed = taken("pass", "authority_review", Role.AUTHORITY, situation(profile, kind="data_authority"))
    assert passed.target == ("upper_review" if profile == "yunnan" else "published")
    assert taken("approve", "upper_review", Role.UPPER_AUTHORITY, situation(profile)).target == "published"


@pytest.mark.requirement("DIR-04")
def test_what_is_live_stays_live_whatever_becomes_of_its_change() -> None:
    fresh, known = situation(), situation(live=changed(summary="以前的摘要"))
    assert taken("reject", "submitted", Role.AUTHORITY, fresh).target == "rejected"
    rejected = taken("reject", "submitted", Role.AUTHORITY, known)
    assert (rejected.target, rejected.effects) == ("published", ("drop_change",))
    assert taken("resume", "suspended", Role.AUTHORITY, known).target == "changing"
    assert taken("resume", "suspended", Role.AUTHORITY, situation(live=TEXT)).target == "published"


def states_under(conditions: Iterable[str]) -> set[str]:
    return {state for state, roles in walk(MACHINE, conditions).items() if "suspend" in roles.get(AU, [])}


@pytest.mark.requirement("DIR-04")
def test_an_entry_that_is_live_can_be_suspended_in_every_state_that_it_can_be_in() -> None:
    live_states = set(MACHINE.states) - {"draft", "rejected", "withdrawn", "suspended"}
    assert states_under({"live"}) == live_states
    assert states_under({"first_time"}) == set()
