"""The window where cases are handed in (办事窗口): procedures over a real database, at a time that the test sets."""

from typing import Any

import msgspec

from catalog_service.cases import flows
from catalog_service.cases.flows import Desk, Named
from catalog_service.cases.kinds import EFFECTS, KINDS
from catalog_service.cases.model import Case, Evidence
from catalog_service.clocks.flows import clocks_of
from catalog_service.clocks.model import Clock
from catalog_service.clocks.states import RUNNING
from catalog_service.directory import store as directory
from catalog_service.directory.entry import Item, Resource, Share
from catalog_service.directory.model import Department, Interface
from catalog_service.feed.model import Actor
from catalog_service.grants import store as grants
from catalog_service.notices.model import Subject
from catalog_service.policy.flows import activate
from harness.law import Bench
from wire import scopes
from wire.catalog import Field, Grant, Operation, System

AUTHORITY = Actor("dsjj-client", "dsjj", frozenset({scopes.AUTHORITY}))
PERSON = Actor("portal", "xzspj", frozenset({scopes.SUBJECT}))
"""A person who speaks through the portal of 行政审批服务局."""
ENTRY = Resource(
    code="2030010100001/000001", name="社会保险参保信息", provider="rsj", summary="参保状态",
    share=Share(type="conditional", condition="限住房保障"),
    items=[Item(name="employer", label="单位名称", type="C"), Item(name="pension", label="养老", type="L")],
)  # fmt: skip
OF_UTILITY = msgspec.structs.replace(ENTRY, code="2030010100001/000002", provider="shuiwu")


def officer(department: str) -> Actor:
    return Actor(f"{department}-client", department, frozenset({scopes.OFFICER}))


def head(department: str) -> Actor:
    return Actor(f"{department}-head", department, frozenset({scopes.HEAD}))


class Window:
    """Cases over a bench: seven departments (one of them no 政府部门), two entries, an interface and its users."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.desk = Desk(bench.lawbook, KINDS, EFFECTS)

    async def furnish(self, profile: str) -> None:
        async with self.bench.change(AUTHORITY) as change:
            for department in ("zjj", "rsj", "jtj", "wjw", "dsjj", "xzspj"):
                await directory.keep_department(change.tx, Department(id=department, name=department))
            utility = Department(id="shuiwu", name="水务公司", kind="public_service_operator")
            await directory.keep_department(change.tx, utility)
            for entry in (ENTRY, OF_UTILITY):
                await directory.keep_resource(change.tx, entry)
            await directory.keep_interface(change.tx, _interface())
            await activate(change, self.bench.lawbook, profile, "test", override=True)

    async def grant(self, department: str, **changes: Any) -> Grant:
        """A permission of a system of that department."""
        system = System(id=f"{department}-system", department=department, name="系统")
        given = Grant(
            id=changes.pop("id", f"grant-of-{department}"), revision=1, system=system.id, department=department,
            interface="rsj-insurance/v1", purpose="资格审核", fields=["employer"], **changes,
        )  # fmt: skip
        async with self.bench.change(AUTHORITY) as change:
            await directory.keep_system(change.tx, system)
            await grants.keep_grant(change.tx, given)
        return given

    async def open(self, actor: Actor, kind: str, details: dict[str, Any], event: str = "", **named: str) -> Case:
        async with self.bench.change(actor) as change:
            return await flows.open_case(change, self.desk, Named(kind=kind, **named), details, event)

    async def step(self, actor: Actor, case: Case, event: str, **evidence: Any) -> Case:
        async with self.bench.change(actor) as change:
            return await flows.act(change, self.desk, case.id, event, msgspec.convert(evidence, Evidence))

    async def clocks(self, case: Case) -> dict[str, Clock]:
        """The clock of each key, the one that runs if there are several."""
        async with self.bench.database.connect() as tx:
            found = await clocks_of(tx, [Subject("case", case.id)])
        return {clock.key: clock for clock in sorted(found, key=lambda clock: clock.state in RUNNING)}

    async def told(self, word: str) -> list[str]:
        """Inboxes in which this message lies, as "department/office"."""
        found = await self.bench.rows("SELECT department, office, entry FROM catalog.notice")
        told = [row for row in found if msgspec.json.decode(row.entry)["word"] == word]
        return sorted(f"{row.department}/{row.office.removeprefix('office:')}" for row in told)


def _interface() -> Interface:
    return Interface(
        id="rsj-insurance", version="v1", provider="rsj", name="参保", base_url="http://rsj.example:8080",
        networks=["10.0.0.0/8"], operations=[Operation(method="GET", path="/{id}", target="/{id}")],
        fields=[Field(name="employer"), Field(name="pension")], resource=ENTRY.code,
    )  # fmt: skip
