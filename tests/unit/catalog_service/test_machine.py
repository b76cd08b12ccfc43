"""The kernel of all procedures."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.machine import START, Attempt, Machine, Role, Row, Rules, drawn, roles_of, step
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, scopes

REQUESTER, PROVIDER, AUTHORITY = Role.REQUESTER, Role.PROVIDER, Role.AUTHORITY
MACHINE = Machine(
    name="loan",
    title=("借阅", "Loan"),
    cite="rule 1",
    labels={"asked": ("已申请", "Asked"), "lent": ("已借出", "Lent"), "closed": ("已办结", "Closed")},
    finals=frozenset({"closed"}),
    rows=(
        Row(event="ask", sources=(START,), target="asked", by=(REQUESTER,), cite="rule 2", needs=("title",)),
        Row(event="decide", sources=("asked",), target="lent", by=(PROVIDER,), cite="rule 3", when="is_short",
            guards=("is_there",), four_eyes=True),
        Row(event="decide", sources=("asked",), target="lent", by=(AUTHORITY,), cite="rule 4", when="is_long"),
        Row(event="close", sources=("asked", "lent"), target="closed", by=(REQUESTER, PROVIDER), cite="rule 5"),
    ),
)  # fmt: skip


def _is_there(situation: dict[str, bool]) -> None:
    if not situation.get("there"):
        raise Refusal(codes.CONFLICT, "it is out", article="rule 3")


RULES: Rules[dict[str, bool]] = Rules(
    conditions={"is_short": lambda s: s["short"], "is_long": lambda s: s["long"]}, guards={"is_there": _is_there}
)


def tried(event: str = "decide", state: str = "asked", **changes: Any) -> Row:
    known: dict[str, Any] = {
        "roles": frozenset({PROVIDER}), "client": "b", "makers": frozenset({"a"}), "evidence": {},
        "situation": {"short": True, "long": False, "there": True},
    }  # fmt: skip
    return step(MACHINE, RULES, Attempt(event=event, state=state, **{**known, **changes}))


def refused(**changes: Any) -> Refusal:
    with pytest.raises(Refusal) as found:
        tried(**changes)
    return found.value


@pytest.mark.requirement("CAS-12")
def test_the_first_row_whose_condition_holds_is_taken() -> None:
    assert tried().cite == "rule 3"
    long = {"short": False, "long": True, "there": False}
    assert tried(situation=long, roles=frozenset({AUTHORITY})).cite == "rule 4"


@pytest.mark.requirement("CAS-12")
def test_what_does_not_follow_says_what_does() -> None:
    refusal = refused(state="lent")
    assert refusal.code is codes.NOT_IN_THIS_STATE
    assert refusal.facts == {"state": "lent", "event": "decide", "possible": ["close"], "article": "rule 1"}
    neither = {"short": False, "long": False, "there": True}
    assert refused(situation=neither).facts["possible"] == ["close", "decide"]
    assert refused(event="burn").code is codes.NOT_IN_THIS_STATE
    assert refused(state="nowhere").facts["possible"] == []


@pytest.mark.requirement("CAS-12")
def test_another_role_is_told_whose_step_it_is() -> None:
    refusal = refused(roles=frozenset({REQUESTER}))
    assert refusal.code is codes.NOT_YOUR_STEP
    assert (refusal.facts["roles"], refusal.facts["yours"]) == (["provider"], ["requester"])
    assert refusal.facts["article"] == "rule 3"
    both = {"short": True, "long": True, "there": True}
    assert refused(roles=frozenset(), situation=both).facts["roles"] == ["authority", "provider"]


@pytest.mark.requirement("CAS-12")
def test_state_comes_before_role_hands_before_evidence_and_guards_last() -> None:
    out = {"short": True, "long": False, "there": False}
    assert refused(state="closed", roles=frozenset()).code is codes.NOT_IN_THIS_STATE
    assert refused(client="a", situation=out).code is codes.FOUR_EYES
    assert refused(situation=out).code is codes.CONFLICT
    asked = refused(event="ask", state=START, roles=frozenset({REQUESTER}), evidence={"title": ""})
    assert asked.code is INVALID_REQUEST
    assert asked.facts["errors"] == [{"path": "/body/details/title", "error": "required by rule 2"}]
    assert tried("ask", START, roles=frozenset({REQUESTER}), evidence={"title": "…"}).target == "asked"


@pytest.mark.requirement("APP-02")
def test_four_eyes_are_two_people() -> None:
    assert refused(client="a").facts["article"] == "rule 3"
    assert tried(client="b").target == "lent"
    assert tried("close", client="a").target == "closed"  # no approval


@given(
    state=st.sampled_from([START, *MACHINE.states, "nowhere"]),
    event=st.sampled_from([*MACHINE.events, "burn"]),
    roles=st.frozensets(st.sampled_from(list(Role)), max_size=3),
    situation=st.fixed_dictionaries(dict.fromkeys(("short", "long", "there"), st.booleans())),
)
@pytest.mark.requirement("CAS-12")
def test_no_attempt_leads_outside_the_table(
    state: str, event: str, roles: frozenset[Role], situation: dict[str, bool]
) -> None:
    try:
        row = tried(event, state, roles=roles, situation=situation, evidence={"title": "…"})
    except Refusal as refusal:
        assert refusal.facts["article"]  # noqa: PT017  # an attempt may end either way
        return
    assert row in MACHINE.rows
    assert state in row.sources
    assert roles & set(row.by)


def test_an_office_is_a_role_on_the_side_of_its_department_only() -> None:
    offices = {scopes.OFFICER, scopes.HEAD}
    assert roles_of(offices, "zjj", requester="zjj", provider="rsj") == {REQUESTER, Role.REQUESTER_HEAD}
    assert roles_of(offices, "rsj", requester="zjj", provider="rsj") == {PROVIDER, Role.PROVIDER_HEAD}
    assert roles_of(offices, "jyj", requester="zjj", provider="rsj") == set()
    assert roles_of({scopes.OFFICER}, "zjj", requester="zjj", provider="zjj") == {REQUESTER, PROVIDER}
    anywhere = {scopes.AUTHORITY, scopes.UPPER_AUTHORITY, scopes.GOVERNMENT, scopes.SUBJECT}
    wanted = {AUTHORITY, Role.UPPER_AUTHORITY, Role.GOVERNMENT, Role.SUBJECT}
    assert roles_of(anywhere, "jyj", requester="", provider="") == wanted
    assert roles_of({scopes.CATALOG_WRITE, scopes.CALL}, "zjj", requester="zjj", provider="rsj") == set()


def test_nobody_can_ask_to_be_the_worker() -> None:
    everything = roles_of(scopes.ALL, "zjj", requester="zjj", provider="zjj")
    assert Role.WORKER not in everything
    assert everything == set(Role) - {Role.WORKER}


def test_what_is_open_to_a_role() -> None:
    assert MACHINE.open_to("asked", frozenset({PROVIDER})) == ["decide", "close"]
    assert MACHINE.open_to("lent", frozenset({AUTHORITY})) == []
    assert (MACHINE.states, MACHINE.events) == (("asked", "lent", "closed"), ("ask", "decide", "close"))


def test_the_table_can_be_drawn() -> None:
    assert drawn(MACHINE, "en").splitlines() == [
        "stateDiagram-v2",
        "    asked: Asked",
        "    lent: Lent",
        "    closed: Closed",
        "    [*] --> asked: ask (requester)",
        "    asked --> lent: decide (provider) [is_short]",
        "    asked --> lent: decide (authority) [is_long]",
        "    asked --> closed: close (requester, provider)",
        "    lent --> closed: close (requester, provider)",
        "    closed --> [*]",
    ]
    assert "    asked: 已申请" in drawn(MACHINE).splitlines()
