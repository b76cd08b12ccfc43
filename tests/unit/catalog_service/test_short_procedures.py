"""The short procedures, each whole: emergency, incident, project, officer, vendor, asset, drill, log disposal."""

from typing import Any

import pytest

from catalog_service.cases.kinds import EFFECTS
from catalog_service.cases.model import Evidence, Kind, Opening
from catalog_service.cases.procedures import emergency, registry, upkeep
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
from wire import codes
from wire.catalog import System

KINDS = {**emergency.KINDS, **registry.KINDS, **upkeep.KINDS}
USERS = ("requester", "requester-head")
CONTAINERS = ("provider", "provider-head", "authority")


def each(roles: tuple[str, ...], *events: str) -> dict[str, list[str]]:
    return {role: list(events) for role in roles}


MATRICES: dict[str, Matrix] = {
    "emergency": {
        "": each((*USERS, "authority"), "declare"),
        "declared": {**each(USERS, "collect", "end_event"), "authority": ["end_event"]},
        "collected": each((*USERS, "authority"), "end_event"),
        "event_ended": each(USERS, "classify"),
        "classified": each(USERS, "seal", "destroy"),
        "sealed": each((*USERS, "authority"), "shut_app"),
        "destroyed": each((*USERS, "authority"), "shut_app"),
    },
    "incident": {
        "": each((*USERS, *CONTAINERS), "detect"),
        "detected": each(CONTAINERS, "contain"),
        "contained": each((*USERS, *CONTAINERS), "report"),
        "reported": each(CONTAINERS, "recover"),
        "recovered": {"authority": ["review"]},
    },
    "project_gate": {
        "": {"requester": ["file"]},
        "filed": {"authority": ["pass_approval", "block"]},
        "approval_passed": {"requester": ["complete"]},
        "built": {"authority": ["check"]},
        "acceptance_checked": {"authority": ["pass", "block"]},
    },
    "officer_change": {
        "": each(USERS, "report"),
        "reported": {"requester": ["replace"], "requester-head": ["enter", "replace"], "authority": ["enter"]},
        "active": each(USERS, "replace"),
    },
    "vendor_account": {
        "": {"requester": ["review"]},
        "reviewed": {"requester-head": ["activate"]},
        "active": each((*USERS, "authority", "worker"), "end_contract"),
        "contract_end": each(("requester-head", "authority"), "disable"),
    },
    "asset": {
        "": {"requester": ["draft"]},
        "draft": {"requester-head": ["confirm"]},
        "dept_confirm": {"authority": ["register"]},
        "registered": {"requester": ["change"], "requester-head": ["retire"]},
        "changed": {"requester-head": ["retire"], "authority": ["register"]},
    },
    "drill": {
        "": each(("requester", "authority"), "plan"),
        "due": each(("requester", "authority"), "schedule", "record"),
    },
    "log_disposal": {
        "": {"authority": ["propose"]},
        "due": {"authority": ["approve"]},
        "approved": {"authority": ["seal"]},
        "sealed": {"authority": ["delete"]},
    },
}
OTHER_HANDS = {
    "emergency": {"seal", "destroy"},
    "incident": {"review"},
    "project_gate": {"pass_approval", "pass"},
    "officer_change": {"enter"},
    "vendor_account": {"activate"},
    "asset": {"confirm", "register"},
    "drill": set(),
    "log_disposal": {"approve", "delete"},
}


@pytest.mark.requirement("REC-01")
@pytest.mark.requirement("B-13", "B-15")
@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_table_is_sound_and_each_step_is_for_those_it_names(name: str) -> None:
    kind = KINDS[name]
    assert kind.machine.name == name
    check_sound(kind, EFFECTS)
    check_every_row_is_taken(kind.machine)
    check_four_eyes(kind.machine, OTHER_HANDS[name])
    found = walk(kind.machine)
    assert {state: {role: sorted(events) for role, events in roles.items()} for state, roles in found.items()} == {
        state: {role: sorted(events) for role, events in roles.items()} for state, roles in MATRICES[name].items()
    }


ATTEMPTS: dict[tuple[str, str], tuple[str, dict[str, Any], Role]] = {
    ("incident", "was_own_word"): (
        "recover",
        {"state": "reported", "decision": {"suspended_by": "authority"}, "evidence": Evidence(result="已修复")},
        Role.PROVIDER,
    ),
    ("log_disposal", "kept_long_enough"): (
        "propose",
        {"state": START, "details": {"retention": "general", "before": "2026-04-02", "reason": "期满"}},
        Role.AUTHORITY,
    ),
}
GUARDS = [(name, guard) for name, kind in KINDS.items() for guard in guards_of(kind)]


@pytest.mark.requirement("REC-02")
@pytest.mark.parametrize(("name", "guard"), GUARDS)
def test_every_guard_matters(name: str, guard: str) -> None:
    event, members, role = ATTEMPTS[name, guard]
    at = situation(**members)
    details = at.case.details if at.case.state == START else None
    refused = check_guard(KINDS[name], guard, attempt(event, at, {role}, details=details))
    assert refused.code in {codes.NOT_YOUR_STEP, codes.TOO_EARLY}


@pytest.mark.requirement("REC-02")
@pytest.mark.requirement("JDZ-16-3")
@pytest.mark.parametrize(
    ("retention", "before", "refused"),
    [
        ("general", "2026-04-01", None),  # six months, the month in which they end kept whole
        ("general", "2026-05-01", codes.TOO_EARLY),
        ("personal", "2023-10-01", None),  # three years
        ("personal", "2026-04-01", codes.TOO_EARLY),
        ("general", "2026-02-30", INVALID_REQUEST),
    ],
)
def test_logs_are_kept_as_long_as_their_class_asks(retention: str, before: str, refused: Any) -> None:
    details = {"retention": retention, "before": before, "reason": "期满"}
    at = situation("jingdezhen", state=START, details=details)
    wanted = attempt("propose", at, {Role.AUTHORITY}, details=details)
    if refused is None:
        assert step(KINDS["log_disposal"].machine, KINDS["log_disposal"].rules, wanted).target == "due"
    else:
        with pytest.raises(Refusal) as found:
            step(KINDS["log_disposal"].machine, KINDS["log_disposal"].rules, wanted)
        assert found.value.code is refused


OWN = [kind for name, kind in KINDS.items() if name not in emergency.KINDS]


@pytest.mark.requirement("REC-01")
@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.machine.name)
def test_a_department_speaks_for_itself_and_its_own_systems(kind: Kind) -> None:
    actor, form = Actor("c", "zjj"), {"name": "x"}
    own, other = (System(id="s", department=department, name="s") for department in ("zjj", "rsj"))
    assert kind.sides(Opening(kind="x", actor=actor, details=form, system=own)) == ("zjj", "")
    with pytest.raises(Refusal) as refused:
        kind.sides(Opening(kind="x", actor=actor, details=form, system=other))
    assert refused.value.code is INVALID_REQUEST


def test_a_vendor_uses_the_account_of_a_system() -> None:
    with pytest.raises(Refusal) as refused:
        KINDS["vendor_account"].sides(Opening(kind="vendor_account", actor=Actor("c", "zjj"), details={}))
    assert refused.value.code is INVALID_REQUEST
