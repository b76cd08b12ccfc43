"""Suspension of a permission: the whole table, who may under which profile, and every guard."""

from typing import Any

import pytest

from catalog_service.cases.kinds import EFFECTS
from catalog_service.cases.model import Document, Evidence, Opening
from catalog_service.cases.procedures.suspension import KIND, goes_on_record
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
from wire import codes, scopes
from wire.catalog import System

FORM = {"trigger": "over_purpose", "finding": "用于营销", "documents": []}
PAPER = Document(name="整改报告", sha256="0" * 64)
BY_PROVIDER, BY_AUTHORITY = {"suspended_by": "provider"}, {"suspended_by": "authority"}
TODAY = "2026-10-12"
"""The day on which the harness takes its steps."""


@pytest.mark.requirement("SUS-01")
def test_the_table_is_sound() -> None:
    check_sound(KIND, EFFECTS)
    check_every_row_is_taken(KIND.machine)
    check_four_eyes(KIND.machine, {"restore", "lift"})


@pytest.mark.requirement("SUS-01")
@pytest.mark.requirement("B-11")
def test_who_may_do_what_in_which_state() -> None:
    suspenders = ("provider", "provider-head", "authority")
    assert walk(KIND.machine, set()) == {
        "": {role: ["suspend"] for role in (*suspenders, "worker")},
        "suspended": {role: ["order", "lift"] for role in suspenders},
        "rectifying": {
            **{role: ["report"] for role in ("requester", "requester-head")},
            **{role: ["order", "restore", "terminate"] for role in suspenders},
        },
    }


ATTEMPTS: dict[str, tuple[str, dict[str, Any], Role]] = {
    "is_entitled": ("suspend", {"profile": "changde", "government": False, "state": START}, Role.AUTHORITY),
    "was_own_word": (
        "lift",
        {"state": "suspended", "decision": BY_AUTHORITY, "evidence": Evidence(reason="查无实据")},
        Role.PROVIDER_HEAD,
    ),
    "was_reported": (
        "restore",
        {"state": "rectifying", "decision": BY_PROVIDER, "evidence": Evidence(note="已核实")},
        Role.PROVIDER_HEAD,
    ),
    "was_not_mended": (
        "terminate",
        {"state": "rectifying", "decision": {"until": TODAY}, "evidence": Evidence(reason="整改不到位")},
        Role.PROVIDER,
    ),
}
REFUSALS = {"was_reported": codes.NOTHING_REPORTED, "was_not_mended": codes.TOO_EARLY}


@pytest.mark.requirement("SUS-02")
@pytest.mark.parametrize("guard", guards_of(KIND))
def test_every_guard_matters(guard: str) -> None:
    event, members, role = ATTEMPTS[guard]
    at = situation(**members, roles={role})
    refused = check_guard(KIND, guard, attempt(event, at, {role}, details=FORM if event == "suspend" else None))
    assert refused.code is REFUSALS.get(guard, codes.NOT_YOUR_STEP)


@pytest.mark.requirement("SUS-03")
@pytest.mark.requirement("DQ-14-2")
@pytest.mark.parametrize(
    ("profile", "government", "entitled"),
    [
        ("national", True, {"authority", "provider", "provider-head"}),  # 27 ¶2
        ("yunnan", True, {"authority", "provider", "provider-head"}),  # 48
        ("jingdezhen", False, {"authority", "provider", "provider-head"}),  # silent: as the decree
        ("changde", False, {"provider", "provider-head"}),  # 22 ¶3
        ("changde", True, {"authority", "provider", "provider-head"}),  # the decree takes nothing away
        ("deqing", False, {"authority", "provider", "provider-head"}),  # 14 ¶2, 39
    ],
)
def test_who_may_suspend_stands_in_the_profile(profile: str, government: bool, entitled: set[str]) -> None:
    for role in (Role.AUTHORITY, Role.PROVIDER, Role.PROVIDER_HEAD):
        at = situation(profile, government=government, state=START, roles={role})
        wanted = attempt("suspend", at, {role}, details=FORM)
        if role.value in entitled:
            assert step(KIND.machine, KIND.rules, wanted).target == "suspended"
        else:
            with pytest.raises(Refusal) as refused:
                step(KIND.machine, KIND.rules, wanted)
            assert refused.value.code is codes.NOT_YOUR_STEP
            assert refused.value.facts["roles"] == sorted({*entitled, "worker"})


@pytest.mark.requirement("SUS-02")
@pytest.mark.requirement("YN-48")
@pytest.mark.parametrize(
    ("until", "result", "reported", "ends"),
    [
        ("2026-10-11", "", "", True),  # 限期 over
        (TODAY, "", "已停用", False),  # the last day counts whole
        ("2026-12-31", "refused", "", True),  # 拒不整改
        ("2026-12-31", "insufficient", "已停用", True),  # 整改不到位
        ("2026-12-31", "insufficient", "", False),  # nothing to find insufficient yet
    ],
)
def test_a_permission_ends_when_nothing_is_mended(until: str, result: str, reported: str, ends: bool) -> None:
    at = situation(
        state="rectifying", decision={"until": until, "reported": reported}, roles={Role.AUTHORITY},
        evidence=Evidence(reason="不改", result=result),
    )  # fmt: skip
    wanted = attempt("terminate", at, {Role.AUTHORITY})
    if ends:
        assert step(KIND.machine, KIND.rules, wanted).target == "terminated"
    else:
        with pytest.raises(Refusal) as refused:
            step(KIND.machine, KIND.rules, wanted)
        assert refused.value.code is codes.TOO_EARLY
        assert refused.value.facts["until"] == until


@pytest.mark.requirement("SUS-03")
@pytest.mark.requirement("DQ-39")
@pytest.mark.parametrize(
    ("profile", "government", "at_once", "on_record"),
    [
        ("changde", False, True, False),  # 22 ¶3 中止、撤回
        ("changde", True, False, False),  # the decree asks for a time to put it right
        ("deqing", False, False, True),  # 39 信用档案
        ("national", True, False, False),
    ],
)
def test_how_it_ends_stands_in_the_profile(profile: str, government: bool, at_once: bool, on_record: bool) -> None:
    at = situation(
        profile, government=government, state="suspended", roles={Role.PROVIDER}, evidence=Evidence(reason="安全风险"),
    )  # fmt: skip
    assert goes_on_record(at) is on_record
    wanted = attempt("terminate", at, {Role.PROVIDER})
    if at_once:
        assert step(KIND.machine, KIND.rules, wanted).cite == "常德 22"
    else:
        with pytest.raises(Refusal) as refused:
            step(KIND.machine, KIND.rules, wanted)
        assert refused.value.code is codes.NOT_IN_THIS_STATE


@pytest.mark.requirement("SUS-01")
@pytest.mark.parametrize(
    ("department", "office", "provider", "expected"),
    [
        ("rsj", scopes.OFFICER, "", ("zjj", "rsj")),  # a provider speaks for its own data
        ("dsjj", scopes.AUTHORITY, "", ("zjj", "")),  # the authority for the whole system
        ("dsjj", scopes.AUTHORITY, "rsj", ("zjj", "rsj")),
        ("zjj", scopes.OFFICER, "", ("zjj", "")),  # so does its owner
    ],
)
def test_whose_permissions_a_case_about_a_system_is_about(
    department: str, office: str, provider: str, expected: tuple[str, str]
) -> None:
    system = System(id="zjj-housing", department="zjj", name="住房")
    actor = Actor("c", department, frozenset({office}))
    opening = Opening(kind="suspension", actor=actor, details=FORM, provider=provider, system=system)
    assert KIND.sides(opening) == expected
    with pytest.raises(Refusal) as refused:
        KIND.sides(Opening(kind="suspension", actor=actor, details=FORM))
    assert refused.value.code is INVALID_REQUEST
