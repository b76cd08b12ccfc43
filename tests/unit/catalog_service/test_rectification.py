"""Rectification: the whole table, how each profile goes on when nothing is done, and every guard."""

from typing import Any

import pytest

from catalog_service.cases.kinds import EFFECTS
from catalog_service.cases.model import Evidence, Opening
from catalog_service.cases.procedures.rectification import KIND
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
from wire import codes

AUTHORITY = Actor("dsjj-client", "dsjj")
OVERSEERS = ("authority", "upper-authority", "government")
CONCERNED = ("provider", "provider-head")


def form(breach: str) -> dict[str, Any]:
    return {"breach": breach, "finding": "目录逾期未更新", "documents": []}


@pytest.mark.requirement("SUS-04")
def test_the_table_is_sound() -> None:
    check_sound(KIND, EFFECTS)
    check_every_row_is_taken(KIND.machine)
    check_four_eyes(KIND.machine, set())


@pytest.mark.requirement("SUS-04")
@pytest.mark.requirement("NAT-39-41", "B-12")
def test_who_may_do_what_in_which_state() -> None:
    reporting = {role: ["report"] for role in CONCERNED}
    assert walk(KIND.machine, {"authority_circulates"}) == {
        "": {role: ["open"] for role in OVERSEERS},
        "opened": {role: ["serve"] for role in OVERSEERS},
        "notice_served": {
            **reporting, **{role: ["serve", "confirm", "mark_overdue"] for role in OVERSEERS},
            "worker": ["mark_overdue"],
        },
        "rectified": {role: ["close"] for role in OVERSEERS},
        "overdue": {
            **reporting, "authority": ["confirm", "circulate"], "upper-authority": ["confirm", "circulate"],
            "government": ["confirm"],
        },
        "circulated": {
            **reporting, "authority": ["confirm", "escalate", "close"],
            "upper-authority": ["confirm", "escalate", "close"], "government": ["confirm", "close"],
        },
        "escalated": {**reporting, **{role: ["confirm", "close"] for role in OVERSEERS}},
    }  # fmt: skip


@pytest.mark.requirement("SUS-05")
@pytest.mark.requirement("JDZ-21", "YN-47")
@pytest.mark.parametrize(
    ("profile", "role"),
    [
        ("jingdezhen", Role.AUTHORITY),  # 21: 由市政务服务数据管理局进行通报
        ("yunnan", Role.GOVERNMENT),  # 47: 提请本级人民政府予以通报批评
        ("national", Role.AUTHORITY),
    ],
)
def test_who_makes_it_known_stands_in_the_profile(profile: str, role: Role) -> None:
    at = situation(profile, state="overdue", actor=AUTHORITY, evidence=Evidence(reason="逾期未改"))
    for one in (Role.AUTHORITY, Role.GOVERNMENT):
        wanted = attempt("circulate", at, {one})
        if one is role:
            assert step(KIND.machine, KIND.rules, wanted).target == "circulated"
        else:
            with pytest.raises(Refusal) as refused:
                step(KIND.machine, KIND.rules, wanted)
            assert refused.value.code is codes.NOT_YOUR_STEP


ATTEMPTS: dict[str, tuple[str, dict[str, Any]]] = {
    "breach_is_listed": ("open", {"profile": "changde", "state": START, "details": form("态度不好")}),
    "not_own_cause": (
        "close",
        {"state": "rectified", "actor": Actor("rsj-client", "rsj"), "evidence": Evidence(note="已整改")},
    ),
    "was_reported": ("confirm", {"state": "overdue", "evidence": Evidence(note="已核实")}),
    "time_is_over": ("mark_overdue", {"state": "notice_served", "decision": {"until": "2026-10-12"}}),
}
REFUSALS = {
    "breach_is_listed": INVALID_REQUEST, "not_own_cause": codes.NOT_YOUR_STEP, "was_reported": codes.NOTHING_REPORTED,
    "time_is_over": codes.TOO_EARLY,
}  # fmt: skip


@pytest.mark.requirement("SUS-05")
@pytest.mark.parametrize("guard", guards_of(KIND))
def test_every_guard_matters(guard: str) -> None:
    event, members = ATTEMPTS[guard]
    at = situation(**{"actor": AUTHORITY, **members})
    details = at.case.details if event == "open" else None
    refused = check_guard(KIND, guard, attempt(event, at, {Role.AUTHORITY}, details=details))
    assert refused.code is REFUSALS[guard]


@pytest.mark.requirement("SUS-05")
@pytest.mark.requirement("CD-28", "JDZ-21")
@pytest.mark.parametrize(
    ("profile", "breach"),
    [
        ("changde", "擅自缩小无条件共享范围"),
        ("changde", "未按规定采集整理更新数据"),  # 28 (2)
        ("jingdezhen", "超目的使用"),
        ("jingdezhen", "违反本办法的其他行为"),  # 21 (6)
        ("national", "无正当理由终止共享服务"),
    ],
)
def test_a_breach_is_one_that_the_profile_lists_if_it_lists_any(profile: str, breach: str) -> None:
    at = situation(profile, state=START, actor=AUTHORITY, details=form(breach))
    wanted = attempt("open", at, {Role.GOVERNMENT}, details=at.case.details)
    assert step(KIND.machine, KIND.rules, wanted).target == "opened"


@pytest.mark.requirement("SUS-05")
def test_a_day_that_is_over_is_overdue() -> None:
    at = situation(state="notice_served", actor=AUTHORITY, decision={"until": "2026-10-11"})
    assert step(KIND.machine, KIND.rules, attempt("mark_overdue", at, {Role.WORKER})).target == "overdue"


def test_somebody_is_concerned() -> None:
    assert KIND.sides(Opening(kind="rectification", actor=AUTHORITY, details={}, provider="rsj")) == ("", "rsj")
    with pytest.raises(Refusal) as refused:
        KIND.sides(Opening(kind="rectification", actor=AUTHORITY, details={}))
    assert refused.value.code is INVALID_REQUEST
