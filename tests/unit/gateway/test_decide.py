"""The decision: every condition refuses for its own reason, and nothing but all of them together allows."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.decide import decide, explain
from gateway.policy.model import Allow, Asked, Deny, GrantRule, Known, Route
from runtime.errors import Code
from wire import codes
from wire.catalog import Department, Field, Grant, Interface, Operation, State, System, Window

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC).timestamp()  # 12:00 in Shanghai
SUSPENDED = State(standing="suspended", since="2026-11-19T08:00:00+00:00", by="dsjj", reason="超目的使用")
INTERFACE = Interface(
    id="gaj-vehicle-info", version="v1", provider="gaj", name="机动车登记信息查询", base_url="http://127.0.0.1:1/gaj",
    networks=["127.0.0.0/8"], operations=[Operation(method="GET", path="/{plate}", target="/v1/vehicles/{plate}")],
    fields=[Field(name="status"), Field(name="owner_name", mask="name_first")],
)  # fmt: skip
NOW = Window(begins=int(NOON) - 60, until=int(NOON) + 60, reason="升级")
GRANT = Grant(
    id="g1", revision=7, system="sthjj-emission", department="sthjj", interface="gaj-vehicle-info/v1",
    purpose="排放监管", fields=["status"], case_pattern="YJ[0-9]{4}-[0-9]{6}", networks=["10.1.0.0/16"],
    hours="08:00-18:00", not_before=int(NOON) - 100, not_after=int(NOON) + 100,
)  # fmt: skip


def known(grants: list[Grant] | None = None, interface: Interface | None = INTERFACE, **states: State) -> Known:
    rules = [GrantRule(grant) for grant in ([GRANT] if grants is None else grants)]
    return Known(
        system=System(id="sthjj-emission", department="sthjj", name="监管系统", state=states.get("system", State())),
        department=Department(id="sthjj", name="生态环境局", state=states.get("department", State())),
        route=Route(interface) if interface else None,
        provider=Department(id="gaj", name="公安局", state=states.get("provider", State())),
        grants=rules,
    )


def asked(**changes: Any) -> Asked:
    values: dict[str, Any] = {
        "system": "sthjj-emission", "interface": "gaj-vehicle-info/v1", "method": "GET", "path": "/A1", "at": NOON,
        "client": "10.1.2.3", "case": "YJ2026-000001",
    }  # fmt: skip
    return Asked(**{**values, **changes})


def changed(thing: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(thing, **changes)


CLAIMED = asked(mode="compare", method="POST")


def test_a_call_that_meets_every_condition_is_allowed_with_its_obligations() -> None:
    decision = decide(known(), asked(path="/%E4%BA%91A12345"))
    assert isinstance(decision, Allow)
    assert decision.values == {"plate": "云A12345"}
    assert decision.rule.obligations.fields == ["status"]


REFUSALS: list[tuple[Code, Known, Asked]] = [
    (codes.SYSTEM_UNKNOWN, Known(None, None, None, None, []), asked()),
    (codes.SYSTEM_SUSPENDED, known(system=SUSPENDED), asked()),
    (codes.DEPARTMENT_SUSPENDED, known(department=SUSPENDED), asked()),
    (codes.UNKNOWN_INTERFACE, known(interface=None), asked()),
    (codes.INTERFACE_SUSPENDED, known(interface=changed(INTERFACE, state=SUSPENDED)), asked()),
    (codes.INTERFACE_SUSPENDED, known(provider=SUSPENDED), asked()),
    (codes.UNKNOWN_OPERATION, known(), asked(path="/A1/more")),
    (codes.METHOD_NOT_ALLOWED, known(), asked(method="POST")),
    (codes.BAD_PATH, known(), asked(path="/%2e%2e")),
    (codes.BAD_PATH, known(), asked(path="/a%2Fb")),
    (codes.BAD_PATH, known(), asked(path="/a%252Fb")),
    (codes.BAD_PATH, known(), asked(path="//A1")),
    (codes.BAD_PATH, known(), asked(path="/%ff")),
    (codes.GRANT_NONE, known([]), asked()),
    (codes.GRANT_AMBIGUOUS, known([GRANT, changed(GRANT, id="g2")]), asked()),
    (codes.GRANT_UNKNOWN, known(), asked(grant="g9")),
    (codes.GRANT_SUSPENDED, known([changed(GRANT, state=SUSPENDED)]), asked()),
    (codes.GRANT_REVOKED, known([changed(GRANT, state=State(standing="revoked"))]), asked()),
    (codes.GRANT_NOT_YET, known(), asked(at=NOON - 101)),
    (codes.GRANT_EXPIRED, known(), asked(at=NOON + 100)),
    (codes.GRANT_HOURS, known([changed(GRANT, hours="13:00-18:00")]), asked()),
    (codes.GRANT_HOURS, known([changed(GRANT, hours="22:00-06:00")]), asked()),
    (codes.GRANT_NETWORK, known(), asked(client="10.2.0.1")),
    (codes.CASE_MISSING, known(), asked(case="")),
    (codes.CASE_MALFORMED, known(), asked(case="YJ2026-0000012")),
    (codes.CONSENT_REQUIRED, known(interface=changed(INTERFACE, consent_required=True)), asked()),
    (codes.GRANT_MODE, known(), asked(mode="verify", method="POST")),
    (codes.GRANT_MODE, known(), asked(mode="compare", method="POST")),
    (codes.GRANT_MODE, known(), asked(mode="verify", method="POST", grant="g1")),
    (codes.GRANT_MODE, known([changed(GRANT, mode="verify")]), asked()),
    (codes.GRANT_MODE, known([changed(GRANT, mode="verify")]), asked(grant="g1")),
    (codes.GRANT_MODE, known([changed(GRANT, mode="verify")]), asked(mode="compare", method="POST")),
    (codes.GRANT_MODE, known([changed(GRANT, mode="verify")]), asked(sandbox=True)),
    (codes.UNKNOWN_OPERATION, known(interface=changed(INTERFACE, mode="verify")), CLAIMED),
    (codes.GRANT_MODE, known([changed(GRANT, mode="compare")], changed(INTERFACE, mode="verify")), asked()),
    (codes.UNKNOWN_OPERATION, known([changed(GRANT, mode="compare")], changed(INTERFACE, mode="verify")), CLAIMED),
    (codes.GRANT_NONE, known([]), asked(mode="verify", method="POST")),
    (codes.GRANT_UNKNOWN, known(), asked(mode="verify", method="POST", grant="g9")),
    (codes.METHOD_NOT_ALLOWED, known([changed(GRANT, mode="verify")]), asked(mode="verify")),
    (
        codes.UNKNOWN_OPERATION,
        known(interface=changed(INTERFACE, format="binary")),
        asked(mode="verify", method="POST"),
    ),
    (codes.INTERFACE_MAINTENANCE, known(interface=changed(INTERFACE, maintenance=[NOW])), asked()),
    (codes.GRANT_UNKNOWN, known(), asked(sandbox=True, grant="g9")),
    (codes.SYSTEM_SUSPENDED, known(system=SUSPENDED), asked(sandbox=True)),
    (codes.INTERFACE_SUSPENDED, known(interface=changed(INTERFACE, state=SUSPENDED)), asked(sandbox=True)),
    (codes.CASE_MISSING, known(), asked(sandbox=True, case="")),
]


@pytest.mark.requirement("GWY-01")
@pytest.mark.parametrize(("code", "catalog", "question"), REFUSALS, ids=lambda value: getattr(value, "name", ""))
def test_each_condition_refuses_with_its_own_code(code: Code, catalog: Known, question: Asked) -> None:
    decision = decide(catalog, question)
    assert isinstance(decision, Deny)
    assert decision.code is code


def test_a_suspension_says_by_whom_and_since_when() -> None:
    decision = decide(known([changed(GRANT, state=SUSPENDED)]), asked())
    assert isinstance(decision, Deny)
    assert decision.facts == {"by": "dsjj", "since": "2026-11-19T08:00:00+00:00"}


def test_of_several_grants_the_named_one_counts() -> None:
    decision = decide(known([GRANT, changed(GRANT, id="g2")]), asked(grant="g2"))
    assert isinstance(decision, Allow)
    assert decision.rule.grant.id == "g2"


def test_one_active_grant_beside_a_revoked_one_needs_no_naming() -> None:
    decision = decide(known([changed(GRANT, id="old", state=State(standing="revoked")), GRANT]), asked())
    assert isinstance(decision, Allow)


def test_a_renewal_beside_the_grant_that_ran_out_needs_no_naming() -> None:
    old = changed(GRANT, id="old", not_before=0, not_after=int(NOON) - 1)
    decision = decide(known([old, GRANT]), asked())
    assert isinstance(decision, Allow)
    assert decision.rule.grant.id == "g1"


def test_a_window_over_midnight_holds_on_both_sides() -> None:
    night = known([changed(GRANT, hours="22:00-06:00", not_before=0, not_after=0)])
    at = datetime(2026, 11, 20, 15, 0, tzinfo=UTC).timestamp()  # 23:00 in Shanghai
    assert isinstance(decide(night, asked(at=at)), Allow)
    assert isinstance(decide(night, asked(at=at + 6 * 3600)), Allow)  # 05:00
    assert isinstance(decide(night, asked(at=at + 7 * 3600)), Deny)  # 06:00


@pytest.mark.requirement("GWY-02")
@given(
    case=st.sampled_from(["", "YJ2026-000001", "x"]),
    client=st.sampled_from(["10.1.0.1", "192.0.2.1", "::1", "nonsense"]),
    at=st.floats(NOON - 200, NOON + 200),
    standing=st.sampled_from(["active", "suspended", "revoked"]),
    path=st.sampled_from(["/A1", "", "/A1/", "/A%201"]),
    own=st.sampled_from(["query", "verify"]),
    granted=st.sampled_from(["query", "verify", "compare"]),
    asked_as=st.sampled_from([("query", "GET"), ("verify", "POST"), ("compare", "POST"), ("verify", "GET")]),
    consent=st.sampled_from([(False, False), (True, False), (True, True)]),
    sandbox=st.booleans(),
)
def test_explain_and_decide_say_the_same(
    case: str, client: str, at: float, standing: Any, path: str, own: str, granted: str, asked_as: tuple[str, str],
    consent: tuple[bool, bool], sandbox: bool,
) -> None:  # fmt: skip
    interface = changed(INTERFACE, mode=own, consent_required=consent[0], maintenance=[NOW])
    catalog = known([changed(GRANT, state=State(standing=standing), mode=granted)], interface)
    question = asked(
        case=case, client=client, at=at, path=path, mode=asked_as[0], method=asked_as[1], consent=consent[1],
        sandbox=sandbox,
    )  # fmt: skip
    first = next((step for _, step in explain(catalog, question) if step is not None), None)
    decision = decide(catalog, question)
    assert (first.code if first else None) is (decision.code if isinstance(decision, Deny) else None)


# --- modes ----------------------------------------------------------------------------------------------------------
POST = Operation(method="POST", path="/{plate}", target="/v1/vehicles")
PUT = Operation(method="PUT", path="/{plate}", target="/v1/vehicles")


@pytest.mark.requirement("GAT-01")
@pytest.mark.parametrize(
    ("operations", "meant"),
    [([POST, PUT, *INTERFACE.operations], "GET"), ([PUT, POST], "POST"), ([PUT], None)],
    ids=["get and post", "post", "neither"],
)
def test_a_claim_is_about_what_get_tells_or_else_post(operations: list[Operation], meant: str | None) -> None:
    catalog = known([changed(GRANT, mode="verify")], changed(INTERFACE, operations=operations))
    decision = decide(catalog, asked(mode="verify", method="POST"))
    if meant is None:
        assert isinstance(decision, Deny)
        assert decision.code is codes.UNKNOWN_OPERATION
    else:
        assert isinstance(decision, Allow)
        assert (decision.operation.method, decision.mode, decision.values) == (meant, "verify", {"plate": "A1"})


@pytest.mark.requirement("GAT-01")
def test_of_several_grants_the_one_of_the_mode_counts() -> None:
    catalog = known([GRANT, changed(GRANT, id="v", mode="verify"), changed(GRANT, id="c", mode="compare")])
    for mode, method, grant in (("query", "GET", "g1"), ("verify", "POST", "v"), ("compare", "POST", "c")):
        decision = decide(catalog, asked(mode=mode, method=method))
        assert isinstance(decision, Allow)
        assert decision.rule.grant.id == grant


@pytest.mark.requirement("GAT-01")
def test_a_refused_mode_names_what_is_granted() -> None:
    decision = decide(known([changed(GRANT, id="v", mode="verify"), changed(GRANT, id="c", mode="compare")]), asked())
    assert isinstance(decision, Deny)
    assert decision.facts == {"modes": ["compare", "verify"], "grants": ["v", "c"]}
    steps = dict(explain(known([changed(GRANT, mode="verify")]), asked(mode="verify", method="POST")))
    assert steps["mode_is_granted"] is None


@pytest.mark.requirement("GAT-01")
@pytest.mark.parametrize("mode", ["query", "verify"])
def test_a_provider_that_only_verifies_is_asked_plainly(mode: Any) -> None:
    catalog = known([changed(GRANT, mode=mode)], changed(INTERFACE, mode="verify"))
    decision = decide(catalog, asked())
    assert isinstance(decision, Allow)
    assert decision.mode == "query"


# --- maintenance ----------------------------------------------------------------------------------------------------
def until(windows: list[Window], at: float) -> Deny | None:
    decision = decide(known(interface=changed(INTERFACE, maintenance=windows)), asked(at=at))
    return decision if isinstance(decision, Deny) else None


@pytest.mark.requirement("GAT-04")
def test_a_window_says_when_to_come_back_and_ends_to_the_second() -> None:
    refused = until([NOW], NOON + 0.5)
    assert refused is not None
    assert (refused.facts, refused.detail) == ({"until": "2026-11-20T04:01:00+00:00", "retry_after": 60}, "升级")
    assert until([NOW], NOW.begins - 0.001) is None
    assert until([NOW], NOW.begins) is not None
    assert until([NOW], NOW.until - 0.001) is not None
    assert until([NOW], NOW.until) is None


@pytest.mark.requirement("GAT-04")
def test_windows_that_follow_one_another_are_one() -> None:
    then = Window(begins=NOW.until, until=NOW.until + 60)
    later = Window(begins=then.until + 1, until=then.until + 60)
    refused = until([Window(begins=0, until=1), NOW, then, later], NOON)
    assert refused is not None
    assert refused.facts["retry_after"] == 120


@pytest.mark.requirement("GAT-04")
def test_a_window_without_end_is_told_all_the_same() -> None:
    refused = until([Window(begins=0, until=10**15)], NOON)
    assert refused is not None
    assert refused.facts["until"] == "9999-12-31T23:59:59+00:00"


@pytest.mark.requirement("GAT-04")
def test_who_has_no_grant_is_not_told_of_the_window() -> None:
    decision = decide(known([], changed(INTERFACE, maintenance=[NOW])), asked())
    assert isinstance(decision, Deny)
    assert decision.code is codes.GRANT_NONE


# --- the sandbox ----------------------------------------------------------------------------------------------------
OVER = [
    [], [changed(GRANT, state=State(standing="revoked"))], [changed(GRANT, not_after=int(NOON) - 1)],
    [changed(GRANT, mode="verify", state=SUSPENDED)],
]  # fmt: skip


@pytest.mark.requirement("GAT-05")
@pytest.mark.parametrize("mode", ["query", "verify", "compare"])
@pytest.mark.parametrize("grants", OVER, ids=["none", "revoked", "over", "suspended"])
def test_without_a_grant_in_force_the_sandbox_shows_all_under_the_masks(mode: str, grants: list[Grant]) -> None:
    interface = changed(INTERFACE, consent_required=True, maintenance=[NOW])
    question = asked(sandbox=True, mode=mode, method="GET" if mode == "query" else "POST", case="")
    decision = decide(known(grants, interface), question)
    assert isinstance(decision, Allow)
    assert (decision.obligations.fields, decision.obligations.masks) == (["status", "owner_name"], {})
    assert (decision.sandbox, decision.needs_consent, decision.rule.grant.id) == (True, False, "")
    assert all(step is None for _, step in explain(known(grants, interface), question))


@pytest.mark.requirement("GAT-05")
def test_a_file_of_the_sandbox_is_whole() -> None:
    decision = decide(known([], changed(INTERFACE, format="binary")), asked(sandbox=True))
    assert isinstance(decision, Allow)
    assert decision.obligations.fields == ["*"]


@pytest.mark.requirement("GAT-05")
def test_with_a_grant_the_sandbox_shows_what_it_shows() -> None:
    decision = decide(
        known(interface=changed(INTERFACE, consent_required=True, maintenance=[NOW])), asked(sandbox=True)
    )
    assert isinstance(decision, Allow)
    assert (decision.rule.grant.id, decision.obligations.fields, decision.needs_consent) == ("g1", ["status"], False)


@pytest.mark.requirement("GAT-03")
def test_a_real_call_needs_the_consent_that_came_along() -> None:
    decision = decide(known(interface=changed(INTERFACE, consent_required=True)), asked(consent=True))
    assert isinstance(decision, Allow)
    assert decision.needs_consent
