"""How far a version of an interface has come, as a table (B.2): stages by role, and what each step takes."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from catalog_service.directory.evidence import Evidence, kept
from catalog_service.directory.interface_stages import (
    CONDITIONS,
    GUARDS,
    LABELS,
    MACHINE,
    NOTICE_DAYS,
    RULES,
    Situation,
)
from catalog_service.directory.model import SERVED, Interface, staged
from catalog_service.directory.sample import misfits_of
from catalog_service.machine import START, Attempt, Role, Rules, step
from harness.entries import TEXT, TODAY, changed
from harness.machines import Anything, check_every_row_is_taken, check_four_eyes, walk
from runtime.errors import Refusal
from statute.profiles import bundled
from wire import codes
from wire.catalog import Field, Operation, State

V1 = Interface(
    id="gaj-household",
    version="v1",
    provider="gaj",
    resource=TEXT.code,
    name="户籍",
    base_url="https://gaj.example",
    networks=["10.0.0.0/8"],
    operations=[Operation(method="GET", path="/{id_card}", target="/v1/{id_card}")],
    fields=[Field(name="name", mask="name_first"), Field(name="address.district")],
    parameters={"type": "object"},
    response={"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    stage="registered",
)
SAMPLE = {"name": "张三", "address": {"district": "某区", "street": "某路"}}
FAR = (TODAY + timedelta(days=NOTICE_DAYS)).isoformat()
PV, SYS = Role.PROVIDER.value, Role.WORKER.value


def situation(profile: str = "national", interface: Interface = V1, **members: Any) -> Situation:
    known: dict[str, Any] = {
        "interface": interface, "law": bundled().law(profile, government=True), "evidence": Evidence(),
        "today": TODAY, "entry": TEXT, "misfits": list,
    }  # fmt: skip
    return Situation(**{**known, **members})


def tried(at: Situation, event: str, stage: str, rules: Rules[Situation] = RULES, role: Role = Role.PROVIDER) -> str:
    attempt = Attempt(
        event=event, state=stage, roles=frozenset({role}), client="gaj-officer", makers=frozenset(),
        evidence=Anything(), situation=at,
    )  # fmt: skip
    return step(MACHINE, rules, attempt).target


@pytest.mark.requirement("DIR-13")
@pytest.mark.requirement("B-02")
def test_every_role_does_in_every_stage_what_the_table_says_and_nothing_else() -> None:
    assert walk(MACHINE) == {
        "registered": {PV: ["test"]},
        "tested": {PV: ["mount"]},
        "mounted": {PV: ["open"]},
        "online": {PV: ["deprecate"], SYS: ["degrade", "trip"]},
        "degraded": {PV: ["deprecate"], SYS: ["trip", "recover"]},
        "circuit_open": {PV: ["deprecate"], SYS: ["degrade", "recover"]},
        "deprecated": {PV: ["close"]},
    }
    check_every_row_is_taken(MACHINE)
    check_four_eyes(MACHINE, set())


def test_the_table_says_nothing_without_a_meaning() -> None:
    assert {name for row in MACHINE.rows for name in row.guards} == GUARDS.keys()
    assert {row.when for row in MACHINE.rows} - {""} == CONDITIONS.keys()
    assert {name for row in MACHINE.rows for name in row.needs} <= set(Evidence.__struct_fields__)
    assert MACHINE.states == tuple(LABELS)
    assert {*SERVED} == {"online", "degraded", "circuit_open", "deprecated"}


def notice(until: str) -> Evidence:
    return Evidence(reason="升级", successor="v2", until=until)


ONLINE = replace(V1, version="v2", stage="online")
NEAR = (TODAY + timedelta(days=NOTICE_DAYS - 1)).isoformat()
TRIALS: dict[str, list[tuple[str, str, Situation, Situation, str]]] = {
    "sample_fits": [
        ("test", "registered", situation(misfits=lambda: ["/name breaks type"]), situation(), "interface/sample"),
    ],
    "entry_published": [
        ("mount", "tested", situation(entry=None), situation(), "interface/entry-not-published"),
        ("open", "mounted", situation(entry=changed(state=State(standing="suspended"))), situation(),
         "interface/entry-not-published"),
        ("open", "mounted", situation(entry=changed(state=State(standing="revoked"))), situation(),
         "interface/entry-not-published"),
    ],
    "described": [
        ("mount", "tested", situation("jingdezhen", replace(V1, response=None)), situation("jingdezhen"),
         "catalog/incomplete"),
        ("mount", "tested", situation("jingdezhen", replace(V1, parameters=None)),
         situation("national", replace(V1, parameters=None)), "catalog/incomplete"),
    ],
    "successor_served": [
        ("deprecate", "online", situation(evidence=notice(FAR), successor=successor),
         situation(evidence=notice(FAR), successor=ONLINE), "request/invalid")
        for successor in (None, replace(ONLINE, stage="mounted"), replace(ONLINE, stage="deprecated"))
    ],
    "notice_given": [
        ("deprecate", "online", situation(evidence=notice(until), successor=ONLINE),
         situation(evidence=notice(FAR), successor=ONLINE), "interface/notice-too-short")
        for until in (NEAR, "2020-01-01")
    ],
    "notice_over": [
        ("close", "deprecated",
         situation(interface=replace(V1, until=TODAY.isoformat()), subscribers=frozenset({"zjj"})),
         situation(interface=replace(V1, until=past), subscribers=users), "interface/still-used")
        for past, users in (("2026-10-11", frozenset({"zjj"})), ("2027-01-01", frozenset[str]()))
    ],
}  # fmt: skip
"""Guard -> event, stage, what it refuses, what it lets pass, and the code that it says."""


@pytest.mark.requirement("DIR-14")
@pytest.mark.parametrize(("guard", "n"), [(guard, n) for guard in sorted(GUARDS) for n in range(len(TRIALS[guard]))])
def test_every_guard_refuses_by_itself_and_matters(guard: str, n: int) -> None:
    event, stage, wrong, right, code = TRIALS[guard][n]
    with pytest.raises(Refusal) as refused:
        tried(wrong, event, stage)
    assert refused.value.code.name == code
    without = Rules(conditions=CONDITIONS, guards={**GUARDS, guard: lambda _: None})
    assert tried(wrong, event, stage, without) == tried(right, event, stage)


@pytest.mark.requirement("DIR-14")
@pytest.mark.parametrize(("form", "code"), [("binary", ""), ("json", "request/invalid"), ("xml", "request/invalid")])
def test_of_bytes_that_pass_through_no_sample_is_asked_for(form: Any, code: str) -> None:
    attempt = Attempt(
        event="test", state="registered", roles=frozenset({Role.PROVIDER}), client="gaj-officer", makers=frozenset(),
        evidence={}, situation=situation(interface=replace(V1, format=form)),
    )  # fmt: skip
    if not code:
        assert step(MACHINE, RULES, attempt).target == "tested"
        return
    with pytest.raises(Refusal) as refused:
        step(MACHINE, RULES, attempt)
    assert refused.value.code.name == code


@pytest.mark.requirement("DIR-13")
def test_gateways_hear_of_a_version_from_online_to_deprecated() -> None:
    served = {row.target for row in MACHINE.rows if row.event in ("open", "degrade", "trip", "recover", "deprecate")}
    assert served == SERVED


# --- samples --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-14")
@pytest.mark.requirement("DQ-02")
@pytest.mark.parametrize(
    ("sample", "wrong"),
    [
        (SAMPLE, []),
        ([], ["/ breaks type", "field name is not in the sample", "field address.district is not in the sample"]),
        ({"name": 1, "address": {"district": ""}}, ["/name breaks properties/name/type"]),
        ({"name": "x", "address": []}, ["field address.district is not in the sample"]),
        ({"name": "x", "address": [{"district": "x"}]}, []),
        ({"address": {"district": "x"}}, ["/ breaks required", "field name is not in the sample"]),
        ("text", ["/ breaks type", "field name is not in the sample", "field address.district is not in the sample"]),
    ],
)
def test_a_sample_is_held_against_schema_and_fields(sample: Any, wrong: list[str]) -> None:
    assert misfits_of(V1, sample) == wrong


@pytest.mark.requirement("DIR-14")
@pytest.mark.parametrize(
    "schema", [{"$ref": "http://evil.example/s.json"}, {"type": "nonsense"}, {"pattern": "("}, {"minimum": "x"}]
)
def test_a_schema_that_cannot_be_used_is_a_misfit_and_fetches_nothing(schema: dict[str, object]) -> None:
    assert "cannot be used" in misfits_of(replace(V1, response=schema), SAMPLE)[0]


def test_a_version_without_a_schema_or_a_binary_one_is_held_against_what_there_is() -> None:
    assert misfits_of(replace(V1, response=None, fields=[]), {"x": 1}) == []
    assert misfits_of(replace(V1, response=None, format="binary"), {"x": 1}) == []


@pytest.mark.requirement("DIR-14")
def test_of_a_sample_only_its_digest_is_kept() -> None:
    shown = kept(Evidence(sample=SAMPLE, reason="测试"))
    assert (shown.reason, list(shown.sample), len(shown.sample["sha256"])) == ("测试", ["sha256"], 64)
    assert kept(Evidence(reason="x")) == Evidence(reason="x")


# --- stating a version anew -----------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-13")
@pytest.mark.parametrize(
    ("known", "changes", "at_once", "stage"),
    [
        (None, {}, True, "online"),
        (None, {}, False, "registered"),
        ("registered", {}, True, "online"),
        ("tested", {}, False, "tested"),
        ("tested", {"timeout_s": 3.0}, False, "registered"),
        ("mounted", {"timeout_s": 3.0}, False, "registered"),
        ("online", {"timeout_s": 3.0}, False, "online"),
        ("deprecated", {"timeout_s": 3.0}, True, "deprecated"),
        ("degraded", {}, True, "degraded"),
    ],
)
def test_what_says_something_else_is_tested_again(known: Any, changes: Any, at_once: bool, stage: str) -> None:
    before = None if known is None else replace(V1, stage=known, retention="personal")
    after = staged(before, replace(V1, stage="online", **changes), TEXT, at_once=at_once)
    assert (after.stage, after.retention) == (stage, "personal")


@pytest.mark.requirement("DIR-13")
def test_a_version_that_is_offline_does_not_come_back() -> None:
    with pytest.raises(Refusal) as refused:
        staged(replace(V1, stage="offline"), V1, TEXT, at_once=True)
    assert refused.value.code is codes.CONFLICT


@pytest.mark.requirement("DIR-04")
def test_a_version_stands_as_its_entry_does_and_keeps_what_was_announced() -> None:
    suspended = State(standing="suspended", by="dsjj", reason="风险", since="2026-10-12T00:00:00Z")
    known = replace(V1, stage="deprecated", successor="v2", until="2027-01-01")
    after = staged(known, V1, changed(state=suspended), at_once=False)
    assert (after.successor, after.until) == ("v2", "2027-01-01")
    assert (after.state, after.standing, after.published().state) == (State(), suspended, suspended)
    revoked = replace(after, state=State(standing="revoked"))
    assert revoked.published().state.standing == "revoked"


def test_start_is_no_stage() -> None:
    assert START not in MACHINE.states
