"""Disputes about sharing: the whole table, the instances of each profile and level, and every guard."""

from typing import Any

import pytest
from msgspec.structs import replace

from catalog_service.cases.kinds import EFFECTS
from catalog_service.cases.model import Document, Evidence, Opening, Situation
from catalog_service.cases.procedures.dispute import KIND
from catalog_service.directory.entry import Resource, Share
from catalog_service.directory.model import Department
from catalog_service.feed.model import Actor
from catalog_service.machine import START, Role, step
from harness.machines import (
    CASE,
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

FORM = {"matter": "是否共享", "wanted": "共享参保状态", "reason": "依法履职"}
PAPER = Document(name="会议纪要", sha256="0" * 64)
AUTHORITY = Actor("dsjj-client", "dsjj")
CITY, COUNTY = ("city", "990100"), ("county", "990121")
REFUSED = replace(CASE, kind="application", state="refused")


@pytest.mark.requirement("OBJ-04")
def test_the_table_is_sound() -> None:
    check_sound(KIND, EFFECTS)
    check_every_row_is_taken(KIND.machine)
    check_four_eyes(KIND.machine, {"settle", "decide"})


@pytest.mark.requirement("OBJ-04")
@pytest.mark.requirement("B-08")
def test_who_may_do_what_in_which_state() -> None:
    with_side = ["escalate", "withdraw"]
    assert walk(KIND.machine, {"stays_on_a_level", "crosses_levels", "government_decides"}) == {
        "": {"requester": ["raise"], "provider": ["raise"]},
        "raised": {"requester": ["answer", *with_side], "provider": ["answer", "agree", *with_side]},
        "negotiating": {"requester": ["respond", *with_side], "provider": ["respond", "agree", *with_side]},
        "authority_coordination": {
            "requester": ["withdraw"], "provider": ["withdraw"], "authority": ["remit", "settle", "refer"],
        },
        "upper_coordination": {
            "requester": ["withdraw"], "provider": ["withdraw"], "upper-authority": ["remit", "settle", "refer"],
        },
        "government_decision": {"government": ["decide"]},
    }  # fmt: skip


@pytest.mark.requirement("OBJ-04")
@pytest.mark.parametrize(
    ("requester", "provider", "coordinated"),
    [
        (CITY, CITY, "authority_coordination"),
        (COUNTY, CITY, "upper_coordination"),
        (COUNTY, ("county", "990122"), "upper_coordination"),
    ],
)
def test_between_levels_and_regions_the_authority_above_both_coordinates(
    requester: tuple[str, str], provider: tuple[str, str], coordinated: str
) -> None:
    one, other = (Department(id="x", name="x", level=level, region=region) for level, region in (requester, provider))
    at = situation(state="negotiating", evidence=Evidence(reason="协商未果"), requester=one, provider=other)
    assert step(KIND.machine, KIND.rules, attempt("escalate", at, {Role.REQUESTER})).target == coordinated


@pytest.mark.requirement("OBJ-02")
@pytest.mark.parametrize(
    ("profile", "government", "event"),
    [
        ("national", True, "refer"),  # 28
        ("yunnan", True, "refer"),  # silent: the decree
        ("zibo", False, "refer"),  # unread: its order by analogy
        ("changde", True, "decide"),  # 11 ¶3
    ],
)
def test_who_has_the_last_word_stands_in_the_profile(profile: str, government: bool, event: str) -> None:
    said = Evidence(reason="协商未果", result="share")
    at = situation(profile, government=government, state="authority_coordination", evidence=said, actor=AUTHORITY)
    assert [one for one in ("refer", "decide") if _is_open(one, at)] == [event]


def _is_open(event: str, at: Situation) -> bool:
    try:
        step(KIND.machine, KIND.rules, attempt(event, at, {Role.AUTHORITY}))
    except Refusal as refused:
        return refused.code is not codes.NOT_IN_THIS_STATE
    return True


ATTEMPTS: dict[str, tuple[str, dict[str, Any], Role]] = {
    "was_refused": ("raise", {"state": START, "parent": replace(REFUSED, state="granted")}, Role.REQUESTER),
    "is_other_side": (
        "answer",
        {"state": "raised", "maker_department": "rsj", "evidence": Evidence(reason="再次说明")},
        Role.PROVIDER,
    ),
    "is_own": ("withdraw", {"state": "negotiating", "maker_department": "zjj"}, Role.PROVIDER),
    "not_own_cause": (
        "settle",
        {"state": "authority_coordination", "evidence": Evidence(result="share", note="一致")},
        Role.AUTHORITY,
    ),
    "result_is_plain": (
        "decide",
        {"state": "government_decision", "actor": AUTHORITY, "evidence": Evidence(result="maybe", documents=[PAPER])},
        Role.GOVERNMENT,
    ),
}
REFUSALS = {"was_refused": codes.UNFIT_PARENT, "result_is_plain": INVALID_REQUEST}


@pytest.mark.requirement("OBJ-05")
@pytest.mark.parametrize("guard", guards_of(KIND))
def test_every_guard_matters(guard: str) -> None:
    event, members, role = ATTEMPTS[guard]
    at = situation(**members)
    refused = check_guard(KIND, guard, attempt(event, at, {role}, details=FORM if event == "raise" else None))
    assert refused.code is REFUSALS.get(guard, codes.NOT_YOUR_STEP)


@pytest.mark.requirement("OBJ-05")
@pytest.mark.parametrize("parent", [None, REFUSED])
def test_a_dispute_follows_a_refusal_or_stands_alone(parent: Any) -> None:
    at = situation(state=START, parent=parent)
    assert step(KIND.machine, KIND.rules, attempt("raise", at, {Role.REQUESTER}, details=FORM)).target == "raised"


@pytest.mark.requirement("OBJ-04")
def test_the_sides_are_those_of_the_application_or_the_raiser_and_who_provides() -> None:
    zjj, rsj = Actor("c", "zjj"), Actor("c", "rsj")
    entry = Resource(code="x", name="x", provider="rsj", summary="x", share=Share(type="none"))
    parent = replace(REFUSED, requester="jyj", provider="zrzyj")
    assert KIND.sides(Opening(kind="dispute", actor=zjj, details=FORM, parent=parent)) == ("jyj", "zrzyj")
    assert KIND.sides(Opening(kind="dispute", actor=zjj, details=FORM, resource=entry)) == ("zjj", "rsj")
    assert KIND.sides(Opening(kind="dispute", actor=rsj, details=FORM, requester="zjj", provider="rsj")) == (
        "zjj",
        "rsj",
    )
    for alone in (zjj, rsj):
        with pytest.raises(Refusal) as refused:
            KIND.sides(Opening(kind="dispute", actor=alone, details=FORM, resource=entry if alone is rsj else None))
        assert refused.value.code is INVALID_REQUEST
