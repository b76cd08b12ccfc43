"""A catalog entry that lacks nothing under any profile, filings around it, and the people who work on them."""

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg
import msgspec
from httpx2 import Response
from msgspec.structs import replace

from catalog_service.directory.entry import Basis, Item, Resource, Share
from catalog_service.directory.evidence import Evidence
from catalog_service.directory.filing import Filing, Situation
from catalog_service.directory.model import Department
from harness.catalog import Catalog
from statute.profiles import bundled
from wire import scopes

PROFILES = ("national", "changde", "jingdezhen", "deqing", "yunnan", "zibo")
TODAY = date(2026, 10, 12)
LAW = Basis(law="居民身份证法", article="第六条", rank="法律")
RULE = Basis(law="云江市某规章", article="第一条", rank="地方政府规章")
UNRANKED = Basis(law="关于某事的通知")
SHARE = Share(
    type="conditional", content="户籍基本信息", scope="本市行政机关", condition="限公租房资格审核", purpose="资格审核",
    reason="涉及个人信息", legal_basis=[LAW],
)  # fmt: skip
TEXT = Resource(
    code="1019900100001/000002",
    name="居民户籍基本信息",
    provider="gaj",
    summary="按公民身份号码查询户籍",
    share=SHARE,
    data_class="基础数据",
    data_form="结构化",
    data_subject="自然人",
    items=[
        Item(name="id_card", label="公民身份号码", type="C", key=True),
        Item(name="address", label="住址", type="C"),
    ],
    classification="一般数据",
    use_requirements="仅限履行职责使用",
    contains_personal_info=True,
    secrecy_assessment="密评〔2026〕1号",
    privacy_assessment="个评〔2026〕1号",
    collect_department="gaj",
    approve_department="dsjj",
)
OPEN_FOR_ALL = Share(type="unconditional", content="户籍", scope="全部", purpose="履职")
FILING = Filing(
    code=TEXT.code, provider="gaj", state="draft", text=TEXT, makers=["gaj-officer"], profile="national",
    profile_version="1", government=True,
)  # fmt: skip


def changed(**members: Any) -> Resource:
    """The entry with other members; those of the share attribute by `share__name`."""
    share = {name.removeprefix("share__"): value for name, value in members.items() if name.startswith("share__")}
    others = {name: value for name, value in members.items() if not name.startswith("share__")}
    return replace(TEXT, **{"share": replace(SHARE, **share), **others})


def situation(
    profile: str = "national", *, government: bool = True, kind: str = "", text: Resource = TEXT,
    live: Resource | None = None, filing: dict[str, Any] | None = None, **members: Any,
) -> Situation:  # fmt: skip
    """What the guards look at; `filing`: its members, `members`: those of the situation."""
    known: dict[str, Any] = {
        "filing": replace(FILING, text=text, government=government, profile=profile, **(filing or {})),
        "law": bundled().law(profile, government=government), "evidence": Evidence(), "today": TODAY, "live": live,
        "provider": Department(id="gaj", name="公安局", kind=kind),
    }  # fmt: skip
    return Situation(**{**known, **members})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works with the catalog, with the offices that they hold."""

    department: str
    client: str
    offices: tuple[str, ...]

    async def does(self, catalog: Catalog, method: str, path: str, body: Any = None) -> Response:
        allowed = (*self.offices, scopes.CATALOG_WRITE)
        return await catalog.ask(method, path, body, by=self.department, allowed=allowed, client_id=self.client)

    async def takes(self, catalog: Catalog, event: str, **evidence: Any) -> Response:
        """A step of the filing of `TEXT`."""
        return await self.does(catalog, "POST", f"/filings/{TEXT.code}/{event}", evidence)

    async def writes(self, catalog: Catalog, **changes: Any) -> Response:
        """The text of the filing, with these members of `BODY` changed."""
        return await self.does(catalog, "PUT", f"/filings/{TEXT.code}", {**BODY, **changes})


OFFICER = Person("gaj", "gaj-officer", (scopes.OFFICER,))
HEAD = Person("gaj", "gaj-head", (scopes.HEAD,))
AUTHORITY = Person("dsjj", "dsjj-authority", (scopes.AUTHORITY,))
ABOVE = Person("provincial", "provincial-authority", (scopes.UPPER_AUTHORITY,))
STRANGER = Person("zjj", "zjj-officer", (scopes.OFFICER, scopes.HEAD))
OPERATOR = Person("platform", "platform-operator", scopes.OFFICES)

BODY: dict[str, Any] = {
    name: value for name, value in msgspec.to_builtins(TEXT).items() if name not in ("code", "state")
}


async def furnish(catalog: Catalog, **kinds: str) -> None:
    """Four departments; `kinds`: of what kind they are."""
    for department in ("gaj", "dsjj", "zjj", "mzj"):
        await catalog.put(f"/departments/{department}", {"name": department, "kind": kinds.get(department, "")})


async def activate(catalog: Catalog, profile: str) -> None:
    """Put a profile in force."""
    body = {"profile": profile, "reason": "试行", "override": True}
    answer = await AUTHORITY.does(catalog, "POST", "/policy/profile", body)
    assert answer.status_code == 200, answer.text


def taken(answer: Response) -> dict[str, Any]:
    """The filing after a step that was allowed."""
    assert answer.status_code in (200, 201), answer.text
    filing: dict[str, Any] = answer.json()
    return filing


async def publish(catalog: Catalog, **changes: Any) -> dict[str, Any]:
    """The entry, filed and published in the way of the decree."""
    taken(await OFFICER.writes(catalog, **changes))
    taken(await OFFICER.takes(catalog, "send_up"))
    taken(await HEAD.takes(catalog, "agree"))
    return taken(await AUTHORITY.takes(catalog, "pass", result="符合要求"))


async def subscribe(catalog: Catalog) -> str:
    """A system of zjj uses an interface of the entry; the id of the grant."""
    await catalog.put("/systems/zjj-housing", {"department": "zjj", "name": "住房保障"})
    await catalog.put(V1, INTERFACE)
    return await catalog.give(interface="gaj-household/v1", fields=["address"])


V1 = "/interfaces/gaj-household/versions/v1"
INTERFACE: dict[str, Any] = {
    "resource": TEXT.code,
    "provider": "gaj",
    "name": "户籍查询",
    "base_url": "https://gaj.example",
    "networks": ["10.0.0.0/8"],
    "operations": [{"method": "GET", "path": "/{id_card}", "target": "/v1/{id_card}"}],
    "fields": [{"name": "address"}],
    "parameters": {"type": "object"},
    "response": {"type": "object", "properties": {"address": {"type": "string"}}},
}


def refused(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal."""
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document.get("code")) == (status, code), answer.text
    return document


async def inbox(catalog: Catalog, person: Person) -> list[str]:
    """Words of what somebody was told about entries and interfaces, the oldest first."""
    return [notice["word"] for notice in await notices(catalog, person)]


async def notices(catalog: Catalog, person: Person, word: str = "") -> list[dict[str, Any]]:
    """The same whole, or those of one word."""
    items = (await person.does(catalog, "GET", "/inbox?limit=1000")).json()["items"]
    ours = [item for item in items if item["about"]["kind"] in ("filing", "interface")]
    return sorted((item for item in ours if word in ("", item["word"])), key=lambda item: item["id"])


async def events(catalog: Catalog, kind: str) -> list[str]:
    """What the log heard of this kind, once it has heard everything."""
    connection = await asyncpg.connect(catalog.database.url)
    try:
        while await connection.fetchval("SELECT count(*) FROM catalog.outbox"):
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return [event.event for event in catalog.log.events if event.event.startswith(kind)]
