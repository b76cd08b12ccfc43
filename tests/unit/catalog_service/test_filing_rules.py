"""What a filing has to hold before it goes on, profile by profile; every guard by itself and taken out."""

from typing import Any

import pytest
from msgspec.structs import replace

from catalog_service.directory.evidence import Evidence
from catalog_service.directory.filing import MACHINE, TREATED_AS_UNCONDITIONAL, Narrowing, Situation
from catalog_service.directory.filing_rules import GUARDS, RULES, as_published, flags_of
from catalog_service.directory.required import OF_AN_ENTRY, OF_AN_INTERFACE, missing_in_entry
from catalog_service.machine import Attempt, Role, Rules, step
from harness.entries import LAW, OPEN_FOR_ALL, PROFILES, RULE, TEXT, TODAY, UNRANKED, changed, situation
from runtime.errors import Refusal
from statute.model import COLLECTIVE, RANKS
from statute.profiles import bundled
from wire import codes

GROUND = Evidence(reason="安全管理需要", legal_basis=[LAW])
NARROWING = Narrowing(reason="安全管理需要", legal_basis=[LAW], filing_no="备〔2026〕1号")
WIDE = changed(share=OPEN_FOR_ALL)


def trial(guard: str) -> tuple[str, str, Role, Situation, str]:
    """event, state, role, a situation in which this guard alone says no, and the code that it says."""
    changes: dict[str, tuple[str, str, Situation, str]] = {
        "not_secret": ("send_up", "draft", situation(text=changed(secret=True)), "catalog/secret"),
        "fields_complete": ("send_up", "draft", situation(text=changed(items=[])), "catalog/incomplete"),
        "assessed": ("send_up", "draft", situation(text=changed(secrecy_assessment="")), "catalog/incomplete"),
        "grounded": (
            "send_up", "draft", situation("deqing", text=changed(share__legal_basis=[UNRANKED])),
            "catalog/no-legal-ground",
        ),
        "aggregation_grounded": (
            "send_up", "draft", situation("zibo", text=changed(aggregated=False)), "catalog/no-legal-ground",
        ),
        "no_added_conditions": (
            "send_up", "draft", situation("zibo", text=changed(share=replace(OPEN_FOR_ALL, condition="须先协商"))),
            "catalog/added-condition",
        ),
        "duplicates_seen": ("send_up", "draft", situation(alike=("a", "b")), "catalog/alike"),
        "narrowing_declared": ("resubmit", "changing", situation(live=WIDE), "catalog/narrowed"),
        "downgrade_filed": (
            "downgrade", "published", situation(live=WIDE, evidence=GROUND), "request/invalid",
        ),
        "changed_by_today": (
            "record_change", "published",
            situation(live=TEXT, evidence=Evidence(legal_basis=[LAW], changed_on="2026-10-13")), "request/invalid",
        ),
        "negotiated": (
            "withdraw", "published",
            situation(live=TEXT, subscribers=frozenset({"zjj", "mzj"}),
                      evidence=Evidence(reason="职能划转", filing_no="备1", negotiated=["mzj"])),
            "catalog/not-negotiated",
        ),
    }  # fmt: skip
    event, state, at, code = changes[guard]
    return event, state, Role.PROVIDER, at, code


def tried(at: Situation, event: str, state: str, role: Role, rules: Rules[Situation] = RULES) -> str:
    attempt = Attempt(
        event=event, state=state, roles=frozenset({role}), client="gaj-officer", makers=frozenset(),
        evidence={name: getattr(at.evidence, name) for name in Evidence.__struct_fields__}, situation=at,
    )  # fmt: skip
    return step(MACHINE, rules, attempt).target


@pytest.mark.requirement("DIR-05")
@pytest.mark.requirement("ZB-09", "ZB-13")
@pytest.mark.parametrize("guard", sorted(GUARDS))
def test_every_guard_refuses_by_itself_and_says_by_which_article(guard: str) -> None:
    event, state, role, at, code = trial(guard)
    with pytest.raises(Refusal) as refused:
        tried(at, event, state, role)
    assert refused.value.code.name == code
    assert refused.value.facts.get("article") or refused.value.facts["errors"] == [
        {"path": "/body/changed_on", "error": "has not come yet"}
    ]
    without = Rules(conditions=RULES.conditions, guards={**GUARDS, guard: lambda _: None})
    assert tried(at, event, state, role, without) in MACHINE.states


@pytest.mark.requirement("DIR-05")
@pytest.mark.parametrize("government", [True, False])
@pytest.mark.parametrize("profile", PROFILES)
def test_an_entry_that_lacks_nothing_goes_up_everywhere(profile: str, government: bool) -> None:
    at = situation(profile, government=government)
    assert tried(at, "send_up", "draft", Role.PROVIDER) == "dept_review"
    assert (flags_of(at), as_published(at)) == ([], TEXT)


# --- required fields ------------------------------------------------------------------------------------------------
def words_of_profiles() -> set[str]:
    keys = (
        "catalog.fields_required", "catalog.open_fields_required", "catalog.pre_assessment",
        "catalog.basis_required.conditional", "catalog.basis_required.none", "catalog.basis_required.not_aggregated",
    )  # fmt: skip
    laws = [bundled().law(profile, government=False) for profile in bundled().ids()]
    answers = [law.value(key).value for law in laws for key in keys]
    return {word for words in answers if isinstance(words, list) for word in words} - {*RANKS, *COLLECTIVE}


@pytest.mark.requirement("DIR-06")
def test_every_word_of_every_profile_s_lists_means_something() -> None:
    assert words_of_profiles() == {*OF_AN_ENTRY, *OF_AN_INTERFACE}


MISSING: dict[str, dict[str, Any]] = {
    "items": {"items": []},
    "use_requirements": {"use_requirements": "", "share": OPEN_FOR_ALL},
    "classification": {"classification": ""},
    "data_subject": {"data_subject": ""},
    "data_form": {"data_form": ""},
    "data_class": {"data_class": ""},
    "share/content": {"share__content": ""},
    "share/scope": {"share__scope": ""},
    "share/purpose": {"share__purpose": ""},
    "share/reason": {"share__reason": ""},
    "share/condition": {"share__condition": ""},
    "collect_department": {"collect_department": ""},
    "approve_department": {"approve_department": ""},
    "secrecy_assessment": {"secrecy_assessment": ""},
    "privacy_assessment": {"privacy_assessment": ""},
}
NATIONAL = {
    "items", "use_requirements", "classification", "share/scope", "share/purpose", "share/condition",
    "secrecy_assessment", "privacy_assessment",
}  # fmt: skip
LOCAL = {
    "national": NATIONAL,
    "changde": {"data_class", "share/reason", "share/condition"},
    "jingdezhen": {"share/condition"},
    "deqing": {"items", "data_subject", "share/reason", "share/condition"},
    "yunnan": {
        "data_form", "share/content", "share/condition", "share/scope", "collect_department", "approve_department",
        "share/reason",
    },
    "zibo": {"data_class", "use_requirements", "share/condition"},
}  # fmt: skip
"""What each place asks for in its own text, of what this test takes away."""


@pytest.mark.requirement("DIR-06")
@pytest.mark.requirement(
    "CD-09", "JDZ-09", "DQ-09", "DQ-13", "YN-13-1", "YN-26-27-1", "ZB-08", "ZB-10-1", "NAT-13", "NAT-14-15"
)
@pytest.mark.parametrize("government", [True, False])
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("path", sorted(MISSING))
def test_a_missing_field_is_named_with_the_article_that_asks_for_it(path: str, profile: str, government: bool) -> None:
    """Of government bodies the decree's fields are asked besides the place's own (A.3)."""
    at = situation(profile, government=government, text=changed(**MISSING[path]))
    if path not in LOCAL[profile] | (NATIONAL if government else set()):
        assert tried(at, "send_up", "draft", Role.PROVIDER) == "dept_review"
        return
    with pytest.raises(Refusal) as refused:
        tried(at, "send_up", "draft", Role.PROVIDER)
    assert refused.value.code is codes.ENTRY_INCOMPLETE
    errors = refused.value.facts["errors"]
    assert isinstance(errors, list)
    assert {error["path"] for error in errors} == {f"/text/{path}"}
    assert all(error["article"] for error in errors)


@pytest.mark.requirement("DIR-06")
@pytest.mark.requirement("YN-31-34")
def test_what_is_opened_states_what_opening_asks_for() -> None:
    at = situation("yunnan", government=False, text=changed(open="unconditional", items=[]))
    with pytest.raises(Refusal) as refused:
        tried(at, "send_up", "draft", Role.PROVIDER)
    errors = refused.value.facts["errors"]
    assert isinstance(errors, list)
    assert [(error["path"], "art.33" in error["article"]) for error in errors] == [("/text/items", True)]


def test_a_word_that_nobody_knows_blocks_and_breaks_nothing() -> None:
    assert missing_in_entry(["数据项", "新要求"], TEXT) == [("", "新要求")]


# --- legal grounds --------------------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-07")
@pytest.mark.requirement("CD-09", "JDZ-09", "DQ-13", "YN-26-27-1", "NAT-14-15")
@pytest.mark.parametrize(
    ("profile", "government", "share_type", "basis", "outcome"),
    [
        ("changde", True, "conditional", LAW, "kept"),
        ("changde", True, "conditional", RULE, "unconditional"),
        ("changde", True, "conditional", None, "unconditional"),
        ("changde", False, "none", RULE, "unconditional"),
        ("changde", False, "none", LAW, "kept"),
        ("deqing", False, "conditional", RULE, "kept"),
        ("deqing", False, "conditional", None, "refused"),
        ("deqing", True, "none", RULE, "refused"),
        ("deqing", True, "none", LAW, "kept"),
        ("yunnan", False, "none", RULE, "kept"),
        ("yunnan", False, "none", UNRANKED, "refused"),
        ("yunnan", True, "conditional", None, "kept"),
        ("jingdezhen", False, "none", RULE, "refused"),
        ("national", True, "none", RULE, "refused"),
        ("national", True, "none", LAW, "kept"),
        ("national", True, "conditional", UNRANKED, "kept"),
        ("zibo", False, "none", UNRANKED, "kept"),
        ("zibo", True, "none", UNRANKED, "refused"),
    ],
)
def test_holding_data_back_takes_a_ground_of_the_rank_that_the_place_asks_for(
    profile: str, government: bool, share_type: str, basis: Any, outcome: str
) -> None:
    """常德 9: without one the data are shared unconditionally; elsewhere the entry is not published."""
    text = changed(share__type=share_type, share__legal_basis=[basis] if basis else [])
    at = situation(profile, government=government, text=text)
    if outcome == "refused":
        with pytest.raises(Refusal) as refused:
            tried(at, "send_up", "draft", Role.PROVIDER)
        assert refused.value.code is codes.NO_LEGAL_GROUND
        assert refused.value.facts["ranks"]
        return
    assert tried(at, "send_up", "draft", Role.PROVIDER) == "dept_review"
    published = as_published(at).share
    if outcome == "kept":
        assert (published, flags_of(at)) == (text.share, [])
    else:
        assert (published.type, published.condition, published.legal_basis) == ("unconditional", "", [])
        assert flags_of(at) == [TREATED_AS_UNCONDITIONAL]


@pytest.mark.requirement("DIR-07")
def test_nothing_is_not_shared_without_reason_and_ground_even_where_the_place_is_silent() -> None:
    text = changed(share__type="none", share__legal_basis=[])
    with pytest.raises(Refusal) as refused:
        tried(situation("zibo", government=False, text=text), "send_up", "draft", Role.PROVIDER)
    assert refused.value.code is codes.ENTRY_INCOMPLETE


# --- sharing less ---------------------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-08")
@pytest.mark.requirement("DQ-21-22")
@pytest.mark.parametrize(
    ("profile", "live", "text", "declared"),
    [
        ("national", WIDE, TEXT, True),
        ("national", TEXT, WIDE, False),
        ("national", TEXT, changed(share__type="none"), True),
        ("national", changed(open="unconditional"), TEXT, False),
        ("deqing", changed(open="unconditional"), changed(open="conditional"), True),
        ("changde", WIDE, changed(share__legal_basis=[]), False),
    ],
    ids=["to conditional", "wider", "to none", "opening, silent", "opening, deqing", "no ground: stays wide"],
)
def test_sharing_less_than_before_is_declared(profile: str, live: Any, text: Any, declared: bool) -> None:
    at = situation(profile, text=text, live=live)
    openly = situation(profile, text=text, live=live, filing={"narrowing": NARROWING})
    assert tried(openly, "resubmit", "changing", Role.PROVIDER) == "submitted"
    if not declared:
        assert tried(at, "resubmit", "changing", Role.PROVIDER) == "submitted"
        return
    with pytest.raises(Refusal) as refused:
        tried(at, "resubmit", "changing", Role.PROVIDER)
    assert refused.value.code is codes.NARROWED


@pytest.mark.requirement("DIR-08")
@pytest.mark.requirement("DQ-21-22")
@pytest.mark.parametrize(
    ("profile", "government", "needs_number"),
    [("deqing", False, True), ("national", True, True), ("jingdezhen", True, True), ("jingdezhen", False, False)],
)
def test_a_downgrade_is_filed_with_the_authority_where_the_law_says_so(
    profile: str, government: bool, needs_number: bool
) -> None:
    at = situation(profile, government=government, live=WIDE, evidence=GROUND)
    filed = situation(profile, government=government, live=WIDE, evidence=replace(GROUND, filing_no="备1"))
    assert tried(filed, "downgrade", "published", Role.PROVIDER) == "changing"
    if not needs_number:
        assert tried(at, "downgrade", "published", Role.PROVIDER) == "changing"
        return
    with pytest.raises(Refusal) as refused:
        tried(at, "downgrade", "published", Role.PROVIDER)
    assert refused.value.facts["errors"][0]["path"] == "/body/filing_no"  # type: ignore[index]


@pytest.mark.parametrize("day", [TODAY.isoformat(), "2020-02-29"])
def test_a_change_of_law_is_recorded_once_it_has_come(day: str) -> None:
    evidence = Evidence(legal_basis=[LAW], changed_on=day)
    at = situation(live=TEXT, evidence=evidence)
    assert tried(at, "record_change", "published", Role.AUTHORITY) == "changing"


@pytest.mark.requirement("DIR-09")
def test_who_negotiated_with_every_subscriber_may_withdraw() -> None:
    evidence = Evidence(reason="职能划转", filing_no="备1", negotiated=["mzj", "zjj"])
    subscribers = frozenset({"zjj", "mzj"})
    at = situation(live=TEXT, subscribers=subscribers, evidence=evidence)
    assert tried(at, "withdraw", "suspended", Role.PROVIDER) == "withdrawn"
    with pytest.raises(Refusal) as refused:
        tried(situation(live=TEXT, subscribers=subscribers, evidence=replace(evidence, negotiated=[])),
              "withdraw", "suspended", Role.PROVIDER)  # fmt: skip
    assert refused.value.facts["departments"] == ["mzj", "zjj"]
