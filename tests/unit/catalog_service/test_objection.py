"""Objections to a share attribute: the whole table, the instances of each profile, and every guard."""

from typing import Any

import pytest
from msgspec.structs import replace

from catalog_service.cases.kinds import EFFECTS
from catalog_service.cases.model import Document, Evidence, Opening, Situation
from catalog_service.cases.procedures.objection import KIND
from catalog_service.directory.entry import Basis, Resource, Share
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
from wire import codes, scopes

FORM = {"wanted": "unconditional", "reason": "各部门履职均需", "condition": "", "legal_basis": []}
PAPER = Document(name="会议纪要", sha256="0" * 64)
AUTHORITY = Actor("dsjj-client", "dsjj", frozenset({scopes.AUTHORITY}))


def entry(share: Share) -> Resource:
    return Resource(code="2039900100003/000001", name="参保状态", provider="rsj", summary="参保", share=share)


CONDITIONAL = entry(Share(type="conditional", condition="限住房保障资格审核"))
KEPT = entry(Share(type="none", reason="涉及个人隐私"))


@pytest.mark.requirement("OBJ-01")
def test_the_table_is_sound() -> None:
    check_sound(KIND, EFFECTS)
    check_every_row_is_taken(KIND.machine)
    check_four_eyes(KIND.machine, {"settle", "decide"})


@pytest.mark.requirement("OBJ-01")
@pytest.mark.requirement("YN-27-2", "B-07")
def test_an_institution_against_an_institution() -> None:
    assert walk(KIND.machine, {"authority_mediates", "government_decides"}) == {
        "": {"requester": ["raise"], "authority": ["raise"]},
        "raised": {"requester": ["escalate", "withdraw"], "provider": ["answer", "agree", "escalate"]},
        "negotiating": {
            "requester": ["respond", "escalate", "withdraw"],
            "provider": ["answer", "agree", "escalate"],
        },
        "authority_mediation": {"requester": ["withdraw"], "authority": ["remit", "settle", "refer"]},
        "government_decision": {"government": ["decide"]},
        "decided": {"provider": ["enforce"], "authority": ["enforce"]},
    }


@pytest.mark.requirement("OBJ-01")
@pytest.mark.requirement("YN-27-2", "B-07")
def test_the_authority_against_an_institution_goes_to_the_government() -> None:
    found = walk(KIND.machine, {"authority_objects", "government_decides"})
    assert found["raised"]["authority"] == ["escalate", "withdraw"]
    assert found["negotiating"]["authority"] == ["respond", "escalate", "withdraw"]
    assert "escalate" not in found["negotiating"]["provider"]
    at = situation("yunnan", case=replace(CASE, requester=""), state="raised", evidence=Evidence(reason="协商未果"))
    assert step(KIND.machine, KIND.rules, attempt("escalate", at, {Role.AUTHORITY})).target == "government_decision"


@pytest.mark.requirement("OBJ-02")
@pytest.mark.parametrize(
    ("profile", "government", "next_events"),
    [
        ("yunnan", True, {"refer"}),  # 27
        ("national", True, {"refer"}),  # 28
        ("jingdezhen", True, {"refer"}),  # silent: the decree
        ("jingdezhen", False, {"refer"}),  # silent, and the decree does not bind: its order by analogy
        ("changde", True, {"decide"}),  # 11 ¶3: the authority has the last word
        ("changde", False, {"decide"}),
    ],
)
def test_who_has_the_last_word_stands_in_the_profile(profile: str, government: bool, next_events: set[str]) -> None:
    said = Evidence(reason="协商未果", result="keep")
    at = situation(profile, government=government, state="authority_mediation", evidence=said, actor=AUTHORITY)
    assert {event for event in ("refer", "decide") if _is_taken(event, at)} == next_events


def _is_taken(event: str, at: Situation) -> bool:
    try:
        step(KIND.machine, KIND.rules, attempt(event, at, {Role.AUTHORITY}))
    except Refusal as refused:
        return refused.code is not codes.NOT_IN_THIS_STATE
    return True


ATTEMPTS = {
    "wants_another_attribute": ("raise", {
        "state": START, "resource": CONDITIONAL, "details": {**FORM, "wanted": "conditional"},
    }, Role.REQUESTER),
    "attribute_has_basis": ("answer", {
        "state": "raised", "resource": KEPT,
        "evidence": Evidence(reason="依法", legal_basis=[Basis(law="办法", article="三", rank="地方政府规章")]),
    }, Role.PROVIDER),
    "not_own_cause": ("settle", {"state": "authority_mediation", "evidence": Evidence(note="一致")}, Role.AUTHORITY),
    "result_is_plain": ("decide", {
        "state": "government_decision", "actor": AUTHORITY, "evidence": Evidence(result="maybe", documents=[PAPER]),
    }, Role.GOVERNMENT),
}  # fmt: skip


@pytest.mark.requirement("OBJ-03")
@pytest.mark.parametrize("guard", guards_of(KIND))
def test_every_guard_matters(guard: str) -> None:
    event, members, role = ATTEMPTS[guard]
    at = situation("yunnan", **members)  # type: ignore[arg-type]
    details = at.case.details if at.case.state == START else None
    refused = check_guard(KIND, guard, attempt(event, at, {role}, details=details))
    assert refused.code is (codes.NOT_YOUR_STEP if guard == "not_own_cause" else INVALID_REQUEST)


@pytest.mark.requirement("OBJ-03")
@pytest.mark.parametrize(
    ("profile", "kept", "rank", "enough"),
    [
        ("yunnan", KEPT, "行政法规", True),  # 27 ¶1 and the decree's 14 both allow it
        ("yunnan", KEPT, "地方性法规", False),  # 27 ¶1 would, the decree does not
        ("changde", CONDITIONAL, "法律", True),
        ("changde", CONDITIONAL, "政策", False),  # 9: 法律、法规
        ("national", CONDITIONAL, "", True),  # a condition needs a purpose there, no law
    ],
)
def test_what_is_kept_back_is_kept_back_by_law(profile: str, kept: Resource, rank: Any, enough: bool) -> None:
    said = Evidence(reason="依法", legal_basis=[Basis(law="某法", article="一", rank=rank)])
    at = situation(profile, state="negotiating", resource=kept, evidence=said)
    wanted = attempt("answer", at, {Role.PROVIDER})
    if enough:
        assert step(KIND.machine, KIND.rules, wanted).target == "negotiating"
    else:
        with pytest.raises(Refusal) as refused:
            step(KIND.machine, KIND.rules, wanted)
        assert refused.value.facts["errors"] == [{"path": "/body/legal_basis", "error": refused.value.detail}]


@pytest.mark.requirement("OBJ-01")
@pytest.mark.parametrize(
    ("actor", "named", "expected"),
    [
        (Actor("c", "zjj", frozenset({scopes.OFFICER})), "", ("zjj", "rsj")),
        (AUTHORITY, "", ("", "rsj")),
        (AUTHORITY, "dsjj", ("dsjj", "rsj")),
    ],
)
def test_as_whom_somebody_objects(actor: Actor, named: str, expected: tuple[str, str]) -> None:
    opening = Opening(kind="objection", actor=actor, details=FORM, requester=named, resource=KEPT)
    assert KIND.sides(opening) == expected


@pytest.mark.parametrize(
    ("resource", "department", "member"), [(None, "zjj", "/body/resource"), (KEPT, "rsj", "/body/requester")]
)
def test_an_objection_needs_an_entry_of_somebody_else(resource: Resource | None, department: str, member: str) -> None:
    opening = Opening(kind="objection", actor=Actor("c", department), details=FORM, resource=resource)
    with pytest.raises(Refusal) as refused:
        KIND.sides(opening)
    errors: Any = refused.value.facts["errors"]
    assert [error["path"] for error in errors] == [member]
