"""Whatever anybody tries, in whatever order: no state outside the tables, no clock on a closed case, no grant alive on
an entry that rests. Random people take random steps through the API over a real database; workers run in between."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from hypothesis.strategies import booleans, integers, sampled_from
from msgspec import inspect

from catalog_service.cases.kinds import KINDS
from catalog_service.directory import filing, interface_stages
from catalog_service.machine import START, Machine, Role, Row, roles_of
from harness.cases import AUTHORITY, BASIS, LAWFUL, OTHER_AUTHORITY, Cases, Person, head, officer
from harness.catalog import INTERFACE, RESOURCE_CODE
from harness.catalog_in_process import running_catalog
from harness.entries import TEXT
from harness.postgres import Cluster
from runtime.http import Response
from wire import scopes

EXAMPLES, STEPS = 20, 50
SEEDS = integers(0, 2**32)
"""What happens next may depend on the database; what is drawn may not, so each rule draws one seed."""
PROFILES = ("national", "changde", "jingdezhen", "deqing", "yunnan", "zibo")
SHARES = (
    {"type": "conditional", "condition": "限住房保障资格审核"},
    {"type": "unconditional"},
    {"type": "none", "reason": "涉密", "legal_basis": [LAWFUL]},
    {"type": "none", "mode": "compare", "reason": "涉密", "legal_basis": [LAWFUL]},
)
PEOPLE = [
    *(make(department, name) for make in (officer, head) for department in ("zjj", "rsj") for name in ("a", "b")),
    AUTHORITY, OTHER_AUTHORITY, Person("shengju", scopes.UPPER_AUTHORITY), Person("zfb", scopes.GOVERNMENT),
    Person("persons", scopes.SUBJECT),
]  # fmt: skip
PAPER = {"name": "附件", "sha256": "c" * 64}
SAID: dict[str, Any] = {
    "until": "2099-12-31", "since": "2026-01-01", "record_key": "末四位 0X21", "item": "pension", "fields": ["pension"],
    "resources": [RESOURCE_CODE], "respondent": "rsj", "legal_basis": [LAWFUL], "basis": [BASIS], "documents": [PAPER],
    "materials": [PAPER], "term_months": 6, "complainant": None, "call": "", "mode": "",
    "before": "2026-01-01",
}  # fmt: skip
"""What a form says under a name; every other text is 说明."""
SHARE = {"content": "参保状态", "scope": "本市行政机关", "purpose": "资格审核"}
ENTRY = {
    "name": "社会保险参保状态", "provider": "rsj", "items": [{"name": "pension", "label": "养老保险", "type": "C"}],
}  # fmt: skip
EVIDENCE: dict[str, Any] = {
    "reason": "理由", "legal_basis": [LAWFUL], "note": "说明", "missing": ["使用依据"], "conditions": "限本办件",
    "days": 2, "until": "2099-12-31", "filing_no": "备〔2026〕1号", "department": "rsj", "resource": RESOURCE_CODE,
    "documents": [PAPER], "before_digest": "a" * 64, "after_digest": "b" * 64,
}  # fmt: skip
ENTRY_EVIDENCE = ("reason", "legal_basis", "missing", "days", "filing_no")
RESULTS = ("同意", "share", "refuse", "change", "keep", "refused", "insufficient")


def filled(form: type[msgspec.Struct], choose: Callable[[Any], Any]) -> dict[str, Any]:
    """Something for every member of a form; `choose` picks among words."""
    described = inspect.type_info(form)
    assert isinstance(described, inspect.StructType)
    return {one.name: _said(one, choose) for one in described.fields}


def _said(one: inspect.Field, choose: Callable[[Any], Any]) -> Any:
    known, is_list = SAID.get(one.name), isinstance(one.type, inspect.ListType)
    fits = one.name in SAID and (known is None or isinstance(known, list) == is_list)
    return known if fits else _value(one.type, choose)


def _value(of: inspect.Type, choose: Callable[[Any], Any]) -> Any:
    match of:
        case inspect.UnionType():
            return _value(of.types[0], choose)
        case inspect.LiteralType():
            return choose(list(of.values))
        case inspect.EnumType():
            return choose([member.value for member in of.cls])
        case inspect.IntType():
            return 6
        case inspect.BoolType():
            return choose([True, False])
        case inspect.ListType():
            return []
        case _:
            return "说明"


def people_of(row: Row, requester: str, provider: str) -> list[Person]:
    """Who may take this row, as far as the roles go."""
    wanted = frozenset(row.by)
    return [
        one
        for one in PEOPLE
        if wanted & roles_of((one.office,), one.department, requester=requester, provider=provider)
    ]


class World:
    """One catalog with its database, spoken to from a test that is not async; a new entry for every example."""

    def __init__(self, connection: Any, cases: Cases, run: Callable[[Any], Any]) -> None:
        self.connection = connection
        self.cases = cases
        self.run = run
        self.answers: dict[int, int] = {}

    def ask(self, method: str, path: str, by: Person, body: Any = None) -> Response:
        answer: Response = self.run(self.cases.ask(method, path, by, body))
        assert answer.status_code < 500, f"{method} {path} {body}: {answer.text}"
        self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
        return answer

    def rows(self, query: str) -> list[asyncpg.Record]:
        return list(self.run(self.connection.fetch(query)))

    def alive(self) -> set[str]:
        """Codes of the entries on which a gateway would let a call through."""
        snapshot = self.run(self.cases.catalog.snapshot())
        open_ones = {one.key for one in snapshot.interfaces if one.state.standing == "active"}
        keys = {grant.interface for grant in snapshot.grants if grant.state.standing == "active"} & open_ones
        rows = self.rows("SELECT id || '/' || version AS key, resource FROM catalog.interface")
        return {row["resource"] for row in rows if row["key"] in keys}


class AnySequence(RuleBasedStateMachine):
    """Random steps. Everything lives in one city; each example starts with a profile and an entry of its own."""

    world: World
    made = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).made += 1
        self.code = f"2039900100003/{self.made:06}"
        self.interface = f"any-{self.made}"
        self.cases: list[dict[str, Any]] = []
        self.grants: list[str] = []

    @initialize(profile=sampled_from(PROFILES), share=sampled_from(SHARES))
    def begin(self, profile: str, share: dict[str, Any]) -> None:
        """Law, entry and interface."""
        world = self.world
        world.run(world.cases.enforce(profile))
        catalog = world.cases.catalog
        whole = {name: value for name, value in msgspec.to_builtins(TEXT).items() if name not in ("code", "state")}
        entry = {**whole, **ENTRY, "share": {**SHARE, **share}}
        world.run(catalog.put(f"/resources/{self.code}", entry))
        served = {**INTERFACE, "resource": self.code}
        world.run(catalog.put(f"/interfaces/{self.interface}/versions/v1", served))

    @rule(seed=SEEDS, kind=sampled_from(["application", *KINDS]), anybody=booleans())
    def open_case(self, seed: int, kind: str, anybody: bool) -> None:
        """Mostly by somebody who may."""
        chance = Random(seed)
        row = chance.choice([row for row in KINDS[kind].machine.rows if START in row.sources])
        by = chance.choice(PEOPLE if anybody and chance.choice((True, False)) else people_of(row, "zjj", "rsj"))
        named = {
            "resource": self.code, "interface": f"{self.interface}/v1",
            "system": "zjj-housing" if kind in ("application", "suspension", "vendor_account") else "",
            "grant": chance.choice(self.grants or [""]), "provider": chance.choice(["", "rsj"]),
            "parent": chance.choice(["", *(case["id"] for case in self.cases)]),
        }  # fmt: skip
        details = filled(KINDS[kind].form, lambda words: chance.choice(words))
        answer = self.world.ask("POST", "/cases", by, {"kind": kind, "event": row.event, "details": details, **named})
        if answer.status_code == 201:
            self.cases.append(answer.json())

    @rule(seed=SEEDS, anything=booleans())
    def step(self, seed: int, anything: bool) -> None:
        """Mostly what may follow by somebody who may do it, now and then anything by anybody."""
        chance = Random(seed)
        for _ in range(min(6, 2 * len(self.cases))):
            self._step(chance, anything=anything)

    def _step(self, chance: Random, *, anything: bool) -> None:
        n = chance.choice(range(len(self.cases)))
        case, machine = self.cases[n], KINDS[self.cases[n]["kind"]].machine
        rows = [row for row in machine.rows if case["state"] in row.sources and Role.WORKER not in row.by]
        if anything and chance.choice((True, False)):
            rows = list(machine.rows)
        if not rows:
            return
        row = chance.choice(rows)
        by = chance.choice(people_of(row, case["requester"], case["provider"]) or PEOPLE)
        body = {**EVIDENCE, "resource": self.code, "result": chance.choice(RESULTS)}
        left_out = chance.choice(["", "", *body])
        body = {name: value for name, value in body.items() if name != left_out}
        answer = self.world.ask("POST", f"/cases/{case['id']}/{row.event}", by, body)
        if answer.status_code == 200:
            self.cases[n] = answer.json()

    @rule(seed=SEEDS, result=sampled_from(RESULTS))
    def step_of_the_entry(self, seed: int, result: str) -> None:
        chance = Random(seed)
        [row] = self.world.rows(f"SELECT state FROM catalog.filing WHERE code = '{self.code}'")
        if row["state"] in filing.MACHINE.finals and chance.choice([True, True, False]):
            return
        by, event = self._tried(chance, filing.MACHINE, row["state"])
        body = {name: EVIDENCE[name] for name in ENTRY_EVIDENCE}
        body |= {"result": result, "negotiated": ["zjj"], "changed_on": "2026-01-05", "duplicates_seen": True}
        self.world.ask("POST", f"/filings/{self.code}/{event}", by, body)

    @rule(seed=SEEDS)
    def step_of_the_interface(self, seed: int) -> None:
        chance = Random(seed)
        if chance.choice([True, True, True, False]):
            return
        [row] = self.world.rows(f"SELECT entry FROM catalog.interface WHERE id = '{self.interface}'")
        by, event = self._tried(chance, interface_stages.MACHINE, msgspec.json.decode(row["entry"])["stage"])
        body = {"reason": "理由", "filing_no": "备〔2026〕1号", "sample": {"name": "张三", "pension": "是"}}
        self.world.ask("POST", f"/interfaces/{self.interface}/versions/v1/steps/{event}", by, body)

    def _tried(self, chance: Random, machine: Machine, state: str) -> tuple[Person, str]:
        """Mostly somebody who may, in this state."""
        rows = [row for row in machine.rows if state in row.sources and people_of(row, "zjj", "rsj")]
        if not rows or chance.choice([True, False, False, False]):
            return chance.choice(PEOPLE), chance.choice(machine.events)
        row = chance.choice(rows)
        return chance.choice(people_of(row, "zjj", "rsj")), row.event

    @rule()
    def gateway_follows(self) -> None:
        self.world.run(self.world.cases.poll())

    @rule(act=sampled_from(["suspend", "resume", "revoke"]), seed=SEEDS)
    def grant_is_moved(self, act: str, seed: int) -> None:
        chance = Random(seed)
        found = self.world.rows(f"SELECT id FROM catalog.grants WHERE interface = '{self.interface}' ORDER BY id")
        self.grants = [row["id"] for row in found]
        if self.grants:
            grant = chance.choice(self.grants)
            answer = self.world.run(self.world.cases.catalog.move(f"/grants/{grant}", act))
            assert answer.status_code < 500, answer.text

    @invariant()
    def every_state_is_in_its_table(self) -> None:
        for row in self.world.rows("SELECT kind, state FROM catalog.cases"):
            assert row["state"] in KINDS[row["kind"]].machine.states
        for row in self.world.rows("SELECT state FROM catalog.filing"):
            assert row["state"] in filing.MACHINE.states

    @invariant()
    def no_clock_runs_on_what_is_closed(self) -> None:
        running = self.world.rows(
            "SELECT c.kind, c.state FROM catalog.clock k JOIN catalog.cases c ON c.id = k.subject_id"
            " WHERE k.ended_at IS NULL AND k.subject_kind = 'case'"
        )
        assert [row for row in running if row["state"] in KINDS[row["kind"]].machine.finals] == []

    @invariant()
    def no_grant_is_alive_on_an_entry_that_rests(self) -> None:
        resting = {
            row["code"]
            for row in self.world.rows("SELECT code FROM catalog.filing WHERE state IN ('suspended', 'withdrawn')")
        }
        assert self.world.alive() & resting == set()


def check_history(rows: list[asyncpg.Record], machine_of: Callable[[str], Machine]) -> None:
    """Every step that was taken stands in its table."""
    for row in rows:
        machine = machine_of(row["kind"])
        step = msgspec.json.decode(row["entry"])
        fits = [
            one
            for one in machine.rows
            if one.event == step["event"] and step["source"] in one.sources and one.target == step["target"]
        ]
        assert any(step["role"] in one.by for one in fits), step


@pytest.mark.requirement("CAS-90")
def test_no_sequence_of_steps_leaves_the_tables(
    cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    database = cluster.database(("catalog_service", "catalog"))
    with asyncio.Runner() as runner:
        context = running_catalog(database, tmp_path)
        catalog = runner.run(context.__aenter__())
        try:
            runner.run(catalog.furnish())
            for department in ("dsjj", "persons"):
                runner.run(catalog.put(f"/departments/{department}", {"name": department}))
            connection = runner.run(asyncpg.connect(database.url))
            AnySequence.world = World(connection, Cases(catalog), runner.run)
            limits = settings(
                max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, phases=[Phase.generate],
            )  # fmt: skip  # a failure is printed step by step; shrinking it over a database takes minutes
            run_state_machine_as_test(AnySequence, settings=limits)
            world = AnySequence.world
            rows = world.rows(
                "SELECT c.kind, s.entry FROM catalog.case_history s JOIN catalog.cases c ON c.id = s.case_id"
            )
            check_history(rows, lambda kind: KINDS[kind].machine)
            record_property("figures", f"any sequence: {world.answers} answers, {len(rows)} steps of cases")
            assert len(rows) > EXAMPLES
            runner.run(connection.close())
        finally:
            runner.run(context.__aexit__(None, None, None))
