"""Demands: the whole table, where they go first, on what they are refused or fulfilled."""

import msgspec
import pytest

from catalog_service.cases.effects.supply import EFFECTS
from catalog_service.cases.model import Evidence, Opening, Situation
from catalog_service.cases.procedures.demand import KIND, MACHINE, check_match, check_supply
from catalog_service.directory.entry import Basis, Resource, Share
from catalog_service.feed.model import Actor
from catalog_service.machine import START, Attempt, Role, step
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
from wire.catalog import State

WITHDRAW = {"requester": ["withdraw"]}
EXPECTED = {
    START: {"requester": ["submit"]},
    "submitted": {**WITHDRAW, "authority": ["match_existing", "dispatch"]},
    "dispatched": {
        **WITHDRAW,
        "provider": ["confirm_source", "not_source", "can_meet", "cannot_meet", "refuse"],
        "authority": ["match_existing"],
    },
    "replying": {
        **WITHDRAW,
        "provider": ["not_source", "can_meet", "cannot_meet", "refuse"],
        "authority": ["match_existing"],
    },
    "collecting": {**WITHDRAW, "provider": ["cannot_meet", "refuse", "fulfil"]},
    "cannot_meet": {"requester": ["ask_coordination", "accept", "withdraw"]},
    "coordination": {**WITHDRAW, "authority": ["dispatch", "order_supply", "decide"]},
}
WANTED = {"title": "公交IC卡老年优惠卡发放名单", "purpose": "老年人健康体检邀约"}
ENTRY = Resource(
    code="3070100200001/000001", name="公交卡", provider="rsj", summary="", share=Share(type="conditional")
)


@pytest.mark.requirement("DMD-02")
@pytest.mark.requirement("B-04")
def test_every_state_meets_every_role() -> None:
    assert walk(MACHINE) == EXPECTED
    assert walk(MACHINE, ()) == EXPECTED


@pytest.mark.requirement("DMD-02")
def test_the_table_is_sound() -> None:
    check_sound(KIND, EFFECTS)
    check_every_row_is_taken(MACHINE)
    check_four_eyes(MACHINE, set())


@pytest.mark.requirement("DMD-01")
@pytest.mark.requirement("YN-28")
@pytest.mark.parametrize(
    ("profile", "provider", "first"),
    [
        ("changde", "jtj", "dispatched"),
        ("changde", "", "submitted"),
        ("national", "jtj", "submitted"),
        ("yunnan", "jtj", "submitted"),
        ("jingdezhen", "jtj", "submitted"),
    ],
)
def test_where_a_demand_goes_first(profile: str, provider: str, first: str) -> None:
    at = situation(profile, provider=None, case=msgspec.structs.replace(CASE, provider=provider), details=WANTED)
    row = step(MACHINE, KIND.rules, attempt("submit", at, [Role.REQUESTER], details=WANTED))
    assert row.target == first
    assert row.starts == (("demand.reply",) if first == "dispatched" else ())
    assert row.tells == ((Role.PROVIDER,) if first == "dispatched" else (Role.AUTHORITY,))


@pytest.mark.requirement("DMD-04")
def test_every_guard_matters() -> None:
    assert guards_of(KIND) == ["basis_allowed"]
    policy = Evidence(reason="上级未授权", legal_basis=[Basis(law="某通知", rank="政策")])
    refusal = check_guard(KIND, "basis_allowed", _refuse("changde", policy))
    assert refusal.code is codes.GROUND_NOT_ALLOWED
    assert "法律" in str(refusal.facts["allowed"])


@pytest.mark.requirement("DMD-04")
@pytest.mark.parametrize(("profile", "rank"), [("changde", "法律"), ("yunnan", "地方政府规章"), ("jingdezhen", "政策")])
def test_a_legal_ground_of_an_allowed_rank_will_do(profile: str, rank: str) -> None:
    basis = msgspec.convert({"law": "某法", "article": "1", "rank": rank}, Basis)
    evidence = Evidence(reason="不属于履职需要", legal_basis=[basis])
    assert step(MACHINE, KIND.rules, _refuse(profile, evidence)).target == "cannot_meet"


@pytest.mark.requirement("DMD-04")
@pytest.mark.requirement("CD-12")
def test_no_demand_is_turned_down_without_a_reason() -> None:
    for event in ("refuse", "cannot_meet", "not_source"):
        at = situation("changde", state="replying", evidence=Evidence(note="no"))
        with pytest.raises(Refusal) as refused:
            step(MACHINE, KIND.rules, attempt(event, at, [Role.PROVIDER]))
        assert refused.value.code is INVALID_REQUEST
        assert refused.value.facts["errors"] == [
            {"path": "/body/reason", "error": f"required by {refused.value.facts['article']}"}
        ]


def _refuse(profile: str, evidence: Evidence) -> Attempt[Situation]:
    return attempt("refuse", situation(profile, state="replying", evidence=evidence), [Role.PROVIDER])


@pytest.mark.requirement("DMD-05")
def test_only_the_sources_own_published_and_shared_entry_fulfils_a_demand() -> None:
    assert check_supply(ENTRY.code, ENTRY, CASE) is ENTRY
    none = msgspec.structs.replace(ENTRY, share=Share(type="none"))
    suspended = msgspec.structs.replace(ENTRY, state=State(standing="suspended"))
    for resource, code in (
        (None, INVALID_REQUEST),
        (suspended, codes.CONFLICT),
        (msgspec.structs.replace(ENTRY, provider="jtj"), INVALID_REQUEST),
        (none, codes.NOT_SHARED),
    ):
        with pytest.raises(Refusal) as refused:
            check_supply(ENTRY.code, resource, CASE)
        assert refused.value.code is code


@pytest.mark.requirement("DMD-05")
def test_a_match_is_any_published_entry() -> None:
    other = msgspec.structs.replace(ENTRY, provider="jtj")
    assert check_match(ENTRY.code, other) is other
    with pytest.raises(Refusal):
        check_match(ENTRY.code, None)


@pytest.mark.requirement("DMD-02")
def test_a_department_demands_nothing_of_itself() -> None:
    actor = Actor("wjw-client", "wjw")
    opening = Opening(kind="demand", actor=actor, details=WANTED, provider="wjw")
    with pytest.raises(Refusal) as refused:
        KIND.sides(opening)
    assert refused.value.code is INVALID_REQUEST
    assert KIND.sides(Opening(kind="demand", actor=actor, details=WANTED, provider="jtj")) == ("wjw", "jtj")
    assert KIND.sides(Opening(kind="demand", actor=actor, details=WANTED, requester="zjj")) == ("zjj", "")
