"""The table of applications, the ways through it, and each of its guards."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from catalog_service.cases.kinds import EFFECTS
from catalog_service.cases.model import Evidence, Situation
from catalog_service.cases.procedures import sharing
from catalog_service.cases.procedures.application import KIND, MACHINE
from catalog_service.directory.entry import Basis
from catalog_service.feed.model import Actor
from catalog_service.machine import START, Role
from harness.applied import COUNTY, FORM, INTERFACE, RESOURCE, applied
from harness.machines import (
    NOON,
    attempt,
    check_every_row_is_taken,
    check_four_eyes,
    check_guard,
    check_sound,
    ever,
    guards_of,
)
from runtime.errors import INVALID_REQUEST, Refusal
from statute.profiles import bundled
from wire import codes
from wire.catalog import State


def test_the_table_is_sound() -> None:
    check_sound(KIND, EFFECTS)
    check_every_row_is_taken(MACHINE)


@pytest.mark.requirement("APP-01")
@pytest.mark.requirement("B-03")
def test_every_state_by_every_role() -> None:
    found = ever(MACHINE)
    assert {state: {role: " ".join(events) for role, events in roles.items()} for state, roles in found.items()} == {
        "": {"requester": "apply"},
        "draft": {"requester": "edit submit withdraw"},
        "internal_sign": {"requester": "withdraw", "requester-head": "sign send_back"},
        "upper_hop": {"requester": "withdraw", "authority": "send_back forward"},
        "consent_pending": {"requester": "edit withdraw", "worker": "consented not_consented"},
        "submitted": {
            "requester": "withdraw", "provider": "accept return extend agree refuse", "authority": "authority_grant",
        },
        "returned_for_completion": {"requester": "complete withdraw", "provider": "agree"},
        "provider_review": {
            "requester": "withdraw", "provider": "return extend agree refuse", "authority": "authority_grant",
        },
        "extension_requested": {
            "requester": "withdraw", "provider": "agree refuse", "authority": "consent deny authority_grant",
        },
        "reply_sign": {
            "requester": "withdraw", "provider-head": "send_back confirm", "authority": "authority_grant",
        },
        "authority_review": {"requester": "withdraw", "authority": "return refuse approve"},
        "negotiating": {"requester": "fail withdraw", "provider": "agree fail"},
        "agreed": {"requester": "withdraw", "authority": "file"},
        "coordination": {"requester": "withdraw", "authority": "settle dismiss"},
        "provisioning": {"worker": "live lapse"},
        "refused": {"requester": "accept_refusal", "worker": "reopen share_after_all"},
    }  # fmt: skip


@pytest.mark.requirement("APP-02")
def test_whoever_made_it_does_not_approve_it() -> None:
    approvals = {"sign", "forward", "consent", "confirm", "approve", "authority_grant", "file", "settle", "dismiss"}
    four_eyes = {row.event for row in MACHINE.rows if row.four_eyes}
    assert four_eyes == approvals | {"agree", "refuse"}  # where no head signs, the officer's word is the decision
    check_four_eyes(MACHINE, four_eyes)


# --- which way it takes ---------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-03")
@pytest.mark.requirement("B-03")
@pytest.mark.parametrize(
    ("profile", "unconditional", "none", "masked"),
    [
        ("changde", "at_once", "negotiated", "negotiated"),
        ("jingdezhen", "at_once", "", "desensitised"),
        ("deqing", "by_authority", "", "desensitised"),
        ("yunnan", "unconditional", "", ""),
        ("national", "unconditional", "", ""),
        ("zibo", "unconditional", "", ""),
    ],
)
def test_the_way_follows_from_entry_and_law(profile: str, unconditional: str, none: str, masked: str) -> None:
    assert sharing.way(applied(profile)) == "conditional"
    assert sharing.way(applied(profile, "unconditional")) == unconditional
    assert sharing.way(applied(profile, "none")) == none
    assert sharing.way(applied(profile, "none", details={**FORM, "desensitised": True})) == masked
    compared = "negotiated" if profile == "changde" else "verify"  # the law goes before the platform
    assert sharing.way(applied(profile, "compared")) == compared


@pytest.mark.requirement("APP-03")
def test_without_the_floor_only_the_local_rule_counts() -> None:
    assert sharing.is_signed(applied("changde"), "application_out")
    assert not sharing.is_signed(applied("changde", government=False), "application_out")
    assert sharing.authority_decides_too(applied("deqing"))
    assert not sharing.authority_decides_too(applied("changde"))
    assert sharing.authority_decides_too(applied("jingdezhen", "none", details={**FORM, "desensitised": True}))


@pytest.mark.requirement("APP-04")
@pytest.mark.parametrize(("profile", "goes"), [("changde", True), ("national", False), ("yunnan", False)])
def test_a_county_asks_through_the_authorities_where_the_law_knows_a_route(profile: str, goes: bool) -> None:
    assert sharing.goes_up(applied(profile, requester=COUNTY)) is goes
    assert not sharing.goes_up(applied(profile))
    assert not sharing.goes_up(applied(profile, requester=COUNTY, provider=msgspec.structs.replace(COUNTY, id="rsj")))


@pytest.mark.requirement("APP-04")
def test_two_authorities_hand_on_what_a_county_asks() -> None:
    at = applied("changde", requester=COUNTY)
    assert sharing.hops_left(at)
    assert not sharing.hops_left(applied("changde", requester=COUNTY, decision={"hops": 1}))
    assert not sharing.hops_left(applied("jingdezhen", requester=COUNTY))


@pytest.mark.requirement("APP-05")
@pytest.mark.parametrize("profile", bundled().ids())
@pytest.mark.parametrize("government", [True, False])
def test_every_word_of_every_profile_is_a_member_of_the_form(profile: str, government: bool) -> None:
    words = bundled().law(profile, government=government).value("share.application_fields").value
    assert isinstance(words, list | None)
    assert set(words or []) <= sharing.WORDS.keys()
    assert set(sharing.WORDS.values()) - {"system"} <= set(sharing.Form.__struct_fields__)


@pytest.mark.requirement("APP-05")
@pytest.mark.requirement("NAT-20")
def test_what_the_law_asks_and_the_form_leaves_empty_is_lacking() -> None:
    bare = applied("national", details={"purpose": "入学资格核对"})
    assert sharing.lacking(bare) == ["使用依据", "使用场景", "使用范围", "使用时限"]
    assert sharing.lacking(applied("national")) == []
    assert sharing.lacking(applied("jingdezhen", details={"purpose": "…"}, government=False)) == [
        "使用范围",
        "申请数据项",
    ]


# --- the grant that it comes to -------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-06")
@pytest.mark.requirement("JDZ-10-2", "JDZ-13", "DQ-16", "YN-30", "NAT-25")
def test_the_replys_conditions_become_conditions_of_every_call() -> None:
    said = Evidence(
        fields=["pension"], masks={"pension": "mid4"}, case_pattern="YJ2026-[0-9]{6}", networks=["10.1.0.0/16"],
        hours="08:00-18:00", rate_per_s=2.0, term_months=3,
    )  # fmt: skip
    grant = sharing.grant_of(applied(evidence=said, details={**FORM, "fields": ["pension", "employer"]}), "g")
    assert (grant.purpose, grant.system, grant.department) == ("公租房资格审核", "zjj-housing", "zjj")
    assert (grant.fields, grant.masks, grant.networks) == (["pension"], {"pension": "mid4"}, ["10.1.0.0/16"])
    assert (grant.case_pattern, grant.hours, grant.rate_per_s) == ("YJ2026-[0-9]{6}", "08:00-18:00", 2.0)
    assert grant.basis == "社会救助暂行办法 第五十八条"
    assert grant.not_after == int(NOON.replace(year=2027, month=1).timestamp())


@pytest.mark.requirement("APP-06")
def test_what_nobody_said_is_as_asked_and_then_as_usual() -> None:
    asked = sharing.grant_of(applied(), "g")
    assert (asked.fields, asked.not_after) == (["pension"], int(NOON.replace(year=2027, month=4).timestamp()))
    usual = sharing.grant_of(applied("changde", "unconditional", details={"purpose": "核对"}), "g")
    assert (usual.fields, usual.rate_per_s) == (["name", "pension", "employer"], 10.0)
    assert (usual.quota_day, usual.quota_month) == (0, 0)
    assert usual.not_after == int(NOON.replace(year=2027).timestamp())
    assert sharing.grant_of(applied(details={"purpose": "核对"}), "g").fields == []


@pytest.mark.requirement("QUO-09")
def test_a_quota_is_the_replys_else_the_one_that_was_asked_for() -> None:
    asked = {**FORM, "quota_day": 500, "quota_month": 9000}
    grant = sharing.grant_of(applied(details=asked), "g")
    assert (grant.quota_day, grant.quota_month) == (500, 9000)
    less = sharing.grant_of(applied(evidence=Evidence(quota_day=100), details=asked), "g")
    assert (less.quota_day, less.quota_month) == (100, 9000)


@pytest.mark.requirement("APP-05")
def test_the_written_form_belongs_to_conditional_data() -> None:
    bare = {**FORM, "materials": []}
    sharing.has_written_form(applied("jingdezhen", "none", details={**bare, "desensitised": True}))
    sharing.has_written_form(applied("changde", details=bare))
    with pytest.raises(Refusal):
        sharing.has_written_form(applied("jingdezhen", details=bare))


@pytest.mark.requirement("APP-06")
def test_where_nothing_was_asked_for_the_reply_decides() -> None:
    open_form = {**FORM, "fields": [], "term_months": 0}
    sharing.is_within_request(applied(details=open_form, evidence=Evidence(fields=["employer"], term_months=3)))
    with pytest.raises(Refusal):  # somebody has to name the items
        sharing.is_within_request(applied(details=open_form))


# --- each guard -----------------------------------------------------------------------------------------------------
def _reply(event: str = "agree", role: Role = Role.PROVIDER, profile: str = "national", **members: Any) -> Any:
    return attempt(event, applied(profile, **members), {role})


def _opening(profile: str = "national", share: str = "conditional", **members: Any) -> Any:
    at = applied(profile, share, state=START, actor=Actor("zjj-client", "zjj"), **members)
    return attempt("apply", at, {Role.REQUESTER}, details=at.case.details)


def _refusal(**said: Any) -> Any:
    return _reply("refuse", profile="changde", evidence=Evidence(reason="与履行法定职责无关", **said))


LAWFUL = [Basis(law="个人信息保护法", article="第三十四条", rank="法律")]
SUSPENDED = State(standing="suspended", since="…", by="dsjj", reason="…")
DESENSITISED = {**FORM, "desensitised": True, "fields": ["name"]}
FORBIDDEN: dict[str, tuple[Callable[[], Any], Any, list[str]]] = {
    "is_shared": (lambda: _opening(share="none"), codes.NOT_SHARED, []),
    "is_usable": (
        lambda: _reply(resource=msgspec.structs.replace(RESOURCE, state=SUSPENDED)), codes.CONFLICT, [],
    ),
    "fits_the_interface": (
        lambda: _opening(share="compared", details={**FORM, "fields": ["pension", "salary"], "mode": "query"}),
        INVALID_REQUEST, ["/body/details/fields/1", "/body/details/mode"],
    ),
    "is_complete": (
        lambda: attempt(
            "submit", applied("jingdezhen", government=False, state="draft", details={**FORM, "scope": ""}),
            {Role.REQUESTER},
        ), INVALID_REQUEST, ["/body/details/scope"],
    ),
    "has_written_form": (
        lambda: attempt(
            "submit", applied("jingdezhen", state="draft", details={**FORM, "materials": []}), {Role.REQUESTER}
        ), INVALID_REQUEST, ["/body/details/materials"],
    ),
    "is_providers_word": (
        lambda: _reply(profile="deqing", share="unconditional", state="returned_for_completion"), codes.NOT_YOUR_STEP,
        [],
    ),
    "provider_agreed": (
        lambda: _reply("approve", Role.AUTHORITY, "deqing", state="authority_review"), codes.NOT_YOUR_STEP, [],
    ),
    "stays_as_signed": (
        lambda: _reply("complete", Role.REQUESTER, evidence=Evidence(details={"purpose": "营销"}),
                       state="returned_for_completion"), INVALID_REQUEST, ["/body/details/purpose"],
    ),
    "told_once": (
        lambda: _reply("return", evidence=Evidence(missing=["使用时限"]), counts={"return": 1}), codes.TOLD_ONCE, [],
    ),
    "may_be_extended": (
        lambda: _reply("extend", profile="changde", evidence=Evidence(days=5, reason="…")), codes.NOT_EXTENDABLE, [],
    ),
    "reply_is_overdue": (
        lambda: _reply("authority_grant", Role.AUTHORITY, share="unconditional"), codes.NOT_OVERDUE, [],
    ),
    "copy_is_consented": (
        lambda: _reply(profile="deqing", details={**FORM, "method": "file"}), codes.COPY_NEEDS_CONSENT, [],
    ),
    "is_within_request": (
        lambda: _reply(evidence=Evidence(fields=["pension", "employer"], term_months=7)), INVALID_REQUEST,
        ["/body/fields/1", "/body/term_months"],
    ),
    "is_masked": (
        lambda: _reply(profile="deqing", share="none", details={**DESENSITISED, "fields": ["name", "pension"]}),
        INVALID_REQUEST, ["/body/masks/pension"],
    ),
    "subject_is_asked": (
        lambda: _reply(profile="deqing", resource=msgspec.structs.replace(RESOURCE, subject_consent_required=True)),
        codes.SUBJECT_NOT_ASKED, [],
    ),
    "basis_allowed": (lambda: _refusal(legal_basis=[Basis(law="…", rank="政策")]), codes.GROUND_NOT_ALLOWED,
                      ["/body/legal_basis"]),
    "incomplete_is_no_ground": (
        lambda: _refusal(legal_basis=LAWFUL, missing=["使用时限"]), codes.INCOMPLETE_IS_NO_GROUND, [],
    ),
}  # fmt: skip
"""Guard -> an attempt that it forbids and that all others let pass, the code, the paths."""


def test_every_guard_is_tried() -> None:
    assert guards_of(KIND) == sorted(FORBIDDEN)


@pytest.mark.requirement("APP-07")
@pytest.mark.requirement("NAT-25")
@pytest.mark.parametrize("guard", sorted(FORBIDDEN))
def test_taking_a_guard_out_lets_through_what_it_forbids(guard: str) -> None:
    wanted, code, paths = FORBIDDEN[guard]
    refused = check_guard(KIND, guard, wanted())
    assert refused.code is code
    assert [error["path"] for error in refused.facts.get("errors", [])] == paths  # type: ignore[attr-defined]


@pytest.mark.requirement("APP-08")
@pytest.mark.parametrize(
    ("profile", "rank", "allowed"),
    [
        ("changde", "法律", True), ("changde", "地方性法规", True), ("changde", "部门规章", False),
        ("changde", "", False),
        ("jingdezhen", "政策", True), ("jingdezhen", "行政法规", False),
        ("deqing", "部门规章", True), ("deqing", "政策", False),
        ("yunnan", "地方政府规章", True), ("yunnan", "国家有关规定", False),
        ("national", "", True), ("zibo", "", True),
    ],
)  # fmt: skip
def test_a_refusal_needs_a_ground_of_a_rank_that_the_law_allows(profile: str, rank: Any, allowed: bool) -> None:
    at = applied(profile, evidence=Evidence(reason="…", legal_basis=[Basis(law="某法", rank=rank)]))
    if allowed:
        KIND.rules.guards["basis_allowed"](at)
        return
    with pytest.raises(Refusal) as refused:
        KIND.rules.guards["basis_allowed"](at)
    assert refused.value.facts["article"] == at.law.value("share.refusal.legal_basis").cite
    assert refused.value.facts["allowed"]


@pytest.mark.requirement("APP-09")
@pytest.mark.requirement("CD-11-2")
@pytest.mark.parametrize(
    ("profile", "longest"), [("national", 10), ("zibo", 10), ("changde", 0), ("jingdezhen", 0), ("yunnan", 0)]
)
def test_a_reply_is_extended_only_where_the_law_knows_it_and_once(profile: str, longest: int) -> None:
    def allowed(days: int, **members: Any) -> bool:
        try:
            sharing.may_be_extended(applied(profile, evidence=Evidence(days=days, reason="…"), **members))
        except Refusal:
            return False
        return True

    assert [days for days in (1, 5, 10, 11) if allowed(days)] == [days for days in (1, 5, 10, 11) if days <= longest]
    assert not allowed(1, counts={"consent": 1})


@pytest.mark.requirement("APP-10")
def test_the_authority_gives_in_the_providers_place_only_when_time_is_up() -> None:
    late = applied(share="unconditional", overdue=frozenset({"share.unconditional.reply"}))
    sharing.reply_is_overdue(late)
    with pytest.raises(Refusal):
        sharing.reply_is_overdue(applied(share="unconditional", overdue=frozenset({"share.unconditional.provide"})))


@pytest.mark.requirement("APP-11")
def test_a_copy_for_another_way_than_the_consented_one_needs_its_own_consent() -> None:
    copied = {**FORM, "method": "file"}
    consent = {"copy_consent": {"case": "FZ-2026-000001", "method": "file"}}
    assert sharing.needs_consent_to_copy(applied("changde", details=copied))
    assert not sharing.needs_consent_to_copy(applied("changde", details=copied, decision=consent))
    assert sharing.needs_consent_to_copy(applied("changde", details={**FORM, "method": "batch"}, decision=consent))
    assert not sharing.needs_consent_to_copy(applied("jingdezhen", details=copied))


@pytest.mark.requirement("APP-17")
def test_private_data_are_opened_through_an_interface_that_asks_the_person() -> None:
    private = msgspec.structs.replace(RESOURCE, subject_consent_required=True)
    asking = msgspec.structs.replace(INTERFACE, consent_required=True)
    sharing.subject_is_asked(applied("deqing", resource=private, interface=asking))
    sharing.subject_is_asked(applied("changde", resource=private))
    with pytest.raises(Refusal) as refused:
        sharing.subject_is_asked(applied("deqing", resource=private))
    assert "14" in str(refused.value.facts["article"])


@pytest.mark.requirement("APP-12")
def test_what_is_not_shared_leaves_masked_only() -> None:
    def given(masks: dict[str, str]) -> Situation:
        return applied("deqing", "none", details=DESENSITISED, evidence=Evidence(masks=masks))

    sharing.is_masked(given({}))  # the interface masks the name by itself
    sharing.is_masked(given({"name": "drop"}))
    with pytest.raises(Refusal):
        sharing.is_masked(given({"name": "plain"}))
