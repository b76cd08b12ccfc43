"""How tests lead cases through a running catalog: people with offices, steps that succeed, a gateway that follows."""

import asyncio
from dataclasses import dataclass
from typing import Any

from harness.catalog import Catalog
from runtime import http
from wire import scopes


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts with a client of their own."""

    department: str
    office: str
    name: str = "a"

    @property
    def client(self) -> str:
        return f"{self.department}-{self.office.removeprefix('office:')}-{self.name}"


def officer(department: str, name: str = "a") -> Person:
    return Person(department, scopes.OFFICER, name)


def head(department: str, name: str = "a") -> Person:
    return Person(department, scopes.HEAD, name)


AUTHORITY = Person("dsjj", scopes.AUTHORITY)
OTHER_AUTHORITY = Person("dsjj", scopes.AUTHORITY, "b")
ASKING, ASKING_HEAD = officer("zjj"), head("zjj")
GIVING, GIVING_HEAD = officer("rsj"), head("rsj")
DIGEST = "0" * 64
BASIS = {"law": "社会救助暂行办法", "article": "第五十八条"}
WHOLE = {
    "purpose": "公租房资格审核", "fields": ["pension"], "basis": [BASIS], "scene": "公租房受理", "scope": "住房保障科",
    "duty": "住房保障", "term_months": 12, "materials": [{"name": "需求申请表", "sha256": DIGEST}],
}  # fmt: skip
"""A form that leaves nothing to ask for under any profile."""
LAWFUL = {"law": "个人信息保护法", "article": "第三十四条", "rank": "法律"}


class Cases:
    """Cases of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    async def ask(self, method: str, path: str, by: Person, body: Any = None) -> http.Response:
        claims = {"client_id": by.client, "sub": by.client}
        return await self.catalog.ask(method, path, body, by.department, allowed=(by.office,), **claims)

    async def enforce(self, profile: str) -> None:
        """Put a profile in force, drafts too."""
        body = {"profile": profile, "reason": "试行", "override": True}
        answer = await self.ask("POST", "/policy/profile", AUTHORITY, body)
        assert answer.status_code == 200, answer.text

    async def open(self, kind: str, by: Person, *, details: Any, **named: Any) -> http.Response:
        return await self.ask("POST", "/cases", by, {"kind": kind, "details": details, **named})

    async def opened(self, kind: str, by: Person, *, details: Any, **named: Any) -> dict[str, Any]:
        answer = await self.open(kind, by, details=details, **named)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def step(self, case: dict[str, Any], event: str, by: Person, /, **evidence: Any) -> http.Response:
        return await self.ask("POST", f"/cases/{case['id']}/{event}", by, evidence)

    async def stepped(
        self, case: dict[str, Any], event: str, by: Person, to: str, /, **evidence: Any
    ) -> dict[str, Any]:
        """The case after a step that has to lead to the state `to`."""
        answer = await self.step(case, event, by, **evidence)
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == to
        return dict(answer.json())

    async def shown(self, case: dict[str, Any], by: Person = AUTHORITY) -> dict[str, Any]:
        answer = await self.ask("GET", f"/cases/{case['id']}", by)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def clocks(self, case: dict[str, Any]) -> dict[str, str]:
        """Key of a clock -> its state."""
        return {clock["key"]: clock["state"] for clock in (await self.shown(case))["clocks"]}

    async def poll(self, follower: str = "gateway-1", *, behind: int = 0) -> None:
        """A gateway asks for what comes next, and so says how far it has come."""
        head = await self.catalog.head()
        answer = await self.catalog.internal(f"/feed?after={head - behind}&follower={follower}")
        assert answer.status_code == 200, answer.text

    async def until(self, case: dict[str, Any], state: str) -> dict[str, Any]:
        """The case as soon as the worker has brought it there."""
        async with asyncio.timeout(60):
            while (shown := await self.shown(case))["state"] != state:
                await asyncio.sleep(0.05)
        return shown
