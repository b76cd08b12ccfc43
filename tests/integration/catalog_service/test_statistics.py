"""Figures for the yearly assessment: each reckoned by hand from a small town whose days a test sets."""

from datetime import date
from typing import Any

import msgspec
import pytest

from catalog_service.clocks.flows import cancel_clocks, stop_clocks
from catalog_service.clocks.model import Subject
from catalog_service.directory import flows as directory
from catalog_service.directory.arrivals import report
from catalog_service.directory.entry import Resource, Share
from catalog_service.directory.freshness import is_stale
from catalog_service.directory.model import Department, Interface
from catalog_service.feed.model import Actor
from catalog_service.grants.flows import give_grant
from catalog_service.statistics.flows import statistics
from catalog_service.statistics.model import Rate, Scope, Statistics
from catalog_service.statistics.usage import take_report
from harness.cases import ASKING, ASKING_HEAD, AUTHORITY, GIVING, GIVING_HEAD, LAWFUL, WHOLE, Cases
from harness.catalog import INTERFACE, RESOURCE_CODE, Catalog
from harness.entries import BODY, OFFICER, furnish, publish, taken
from harness.law import Bench, shanghai
from runtime.ids import uuid7
from wire import scopes
from wire.catalog import Grant, System
from wire.usage import Report, Use

pytestmark = pytest.mark.anyio
OPERATOR = Actor("operator", "platform")
YEAR = Scope(date(2026, 1, 1), date(2026, 12, 31))
REPLY, PROVIDE = "share.conditional.reply", "share.conditional.provide"


async def register(bench: Bench, *things: msgspec.Struct) -> None:
    """Departments, systems, entries and interfaces, as the platform's operator declares them."""
    kinds: list[tuple[type, Any]] = [
        (Department, directory.register_department), (System, directory.register_system),
        (Resource, directory.register_resource), (Interface, directory.register_interface),
    ]  # fmt: skip
    for thing in things:
        flow = next(flow for kind, flow in kinds if isinstance(thing, kind))
        async with bench.change(OPERATOR) as change:
            await flow(change, thing)


def entry(n: int, provider: str = "rsj", kind: Any = "unconditional", **members: Any) -> Resource:
    share = Share(type=kind, condition="限审核") if kind == "conditional" else Share(type=kind)
    code = f"3079900100001/{n:06}"
    return Resource(code=code, name=f"条目{n}", provider=provider, summary="摘要", share=share, **members)


async def figures(bench: Bench, scope: Scope = YEAR) -> Statistics:
    async with bench.database.connect() as tx:
        return await statistics(tx, bench.lawbook, scope, bench.clock.now())


async def town(bench: Bench) -> None:
    bench.clock.set("2026-01-05 09:00")
    await register(bench, *(Department(id=one, name=f"{one}局") for one in ("rsj", "zjj", "mzj")))


# --- the catalog ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("STA-01")
async def test_an_empty_catalog_has_figures_too(bench: Bench) -> None:
    empty = await figures(bench)
    assert empty.catalog == Rate(0, 0, None)
    assert (empty.limits["reply"].on_time, empty.refusals.grounded) == (Rate(0, 0, None), Rate(0, 0, None))
    assert (empty.grants.unused, empty.calls, empty.calls_total) == (Rate(0, 0, None), [], 0)


@pytest.mark.requirement("STA-01")
@pytest.mark.requirement("CD-27", "JDZ-20", "ZB-10-2", "B-14")
async def test_coverage_counts_what_is_live_among_what_was_registered(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    for number in ("000003", "000004"):
        taken(await OFFICER.does(catalog, "PUT", f"/filings/1019900100001/{number}", BODY))
    await catalog.put("/resources/1019900100001/000005", {**BODY, "provider": "zjj"})
    shown = (await catalog.ask("GET", "/statistics")).json()
    assert shown["catalog"] == {"count": 2, "of": 4, "ratio": 0.5}
    assert shown["catalog_by_department"] == [
        {"department": "gaj", "name": "gaj", "published": {"count": 1, "of": 3, "ratio": 0.3333}},
        {"department": "zjj", "name": "zjj", "published": {"count": 1, "of": 1, "ratio": 1.0}},
    ]
    taken(await OFFICER.takes(catalog, "withdraw", reason="职责划转", filing_no="备1"))
    shown = (await catalog.ask("GET", "/statistics?department=gaj")).json()
    assert shown["catalog"] == {"count": 0, "of": 2, "ratio": 0.0}
    assert shown["share_types"] == {}
    assert shown["unconditional_trend"][-1]["unconditional"]["of"] == 0


@pytest.mark.requirement("STA-01")
async def test_the_share_of_unconditional_entries_is_followed_month_by_month(bench: Bench) -> None:
    await town(bench)
    await register(bench, entry(1), entry(2, kind="conditional"), entry(3, "zjj"))
    bench.clock.set("2026-02-10 09:00")
    await register(bench, entry(2), entry(4, kind="conditional"))
    bench.clock.set("2026-03-31 23:00")
    await register(bench, entry(1, kind="conditional"))
    bench.clock.set("2026-04-15 10:00")
    found = await figures(bench)
    assert {kind: one.count for kind, one in found.share_types.items()} == {"conditional": 2, "unconditional": 2}
    trend = [(one.until, one.unconditional.count, one.unconditional.of) for one in found.unconditional_trend]
    assert trend == [
        (shanghai("2026-02-01 00:00"), 2, 3),
        (shanghai("2026-03-01 00:00"), 3, 4),
        (shanghai("2026-04-01 00:00"), 2, 4),
        (shanghai("2026-04-15 10:00"), 2, 4),
    ]
    own = await figures(bench, Scope(date(2026, 2, 20), date(2026, 3, 10), "zjj"))
    assert [(str(one.until)[:10], one.unconditional) for one in own.unconditional_trend] == [
        ("2026-02-28", Rate(1, 1, 1.0)), ("2026-03-10", Rate(1, 1, 1.0)),
    ]  # fmt: skip
    assert own.share_types == {"unconditional": Rate(1, 1, 1.0)}


@pytest.mark.requirement("STA-01")
@pytest.mark.requirement("JDZ-20", "B-14")
async def test_entries_whose_data_stay_away_are_named(bench: Bench) -> None:
    await town(bench)
    cycles: list[tuple[int, Any]] = [(1, "每日"), (2, "每月"), (3, "每日"), (4, "实时"), (5, "每日")]
    entries = {n: entry(n, update_cycle=cycle, published="2026-01-05") for n, cycle in cycles}
    await register(bench, *entries.values())
    bench.clock.set("2026-01-20 09:00")
    async with bench.change(Actor("rsj-client", "rsj")) as change:
        for n, when in ((1, "2026-01-20 08:00"), (5, "2026-01-18 08:00")):
            await report(change, entry(n).code, shanghai(when))
    found = await figures(bench)
    assert found.freshness.in_time == Rate(2, 4, 0.5)
    assert found.freshness.stale == [entry(3).code, entry(5).code]
    for when in ("2026-01-06 12:47", "2026-01-06 12:49", "2026-02-11 12:47", "2026-02-11 12:49", "2026-01-21 12:49"):
        bench.clock.set(when)
        arrived = {1: shanghai("2026-01-20 08:00"), 5: shanghai("2026-01-18 08:00")}
        plain = [
            one.code
            for n, one in entries.items()
            if is_stale(one.update_cycle, arrived.get(n), one.published, bench.clock.now())
        ]
        assert (await figures(bench)).freshness.stale == plain


# --- time limits ----------------------------------------------------------------------------------------------------
async def ended(bench: Bench, case: str, key: str, begun: str, end: str, *, responsible: str = "rsj") -> None:
    subject = Subject("case", case)
    bench.clock.set(begun)
    await bench.start(key, subject, responsible=responsible)
    if end:
        await bench.at(end)  # the worker sees first whether it has passed
        async with bench.change() as change:
            await stop_clocks(change, subject)


@pytest.mark.requirement("STA-01")
@pytest.mark.requirement("CD-27", "JDZ-20", "B-14")
async def test_limits_are_judged_in_the_time_in_which_they_fall_due(bench: Bench) -> None:
    """10 working days from Friday, 13 February 2026 end on 5 March; from 3 March on 17 March."""
    await ended(bench, "a", REPLY, "2026-02-13 10:00", "2026-03-05 23:00")
    await ended(bench, "b", REPLY, "2026-02-13 10:00", "2026-03-06 09:00")
    await ended(bench, "c", REPLY, "2026-03-03 10:00", "")
    await ended(bench, "d", PROVIDE, "2026-02-13 10:00", "2026-02-24 10:00", responsible="mzj")
    bench.clock.set("2026-03-03 10:00")
    await bench.start(REPLY, Subject("case", "e"))
    async with bench.change() as change:
        await cancel_clocks(change, Subject("case", "e"))

    on_its_day = await figures(bench, Scope(date(2026, 3, 5), date(2026, 3, 5)))
    assert on_its_day.limits["reply"].on_time == Rate(1, 2, 0.5)
    assert (on_its_day.limits["reply"].met, on_its_day.limits["reply"].met_late) == (1, 1)
    for day in (date(2026, 3, 4), date(2026, 3, 6)):
        assert (await figures(bench, Scope(day, day))).limits["reply"].on_time.of == 0

    waiting = (await figures(bench)).limits["reply"]
    assert (waiting.open, waiting.overdue, waiting.on_time) == (1, 0, Rate(1, 2, 0.5))
    await bench.at("2026-03-18 00:01")
    passed = (await figures(bench)).limits["reply"]
    assert (passed.open, passed.overdue, passed.on_time) == (0, 1, Rate(1, 3, 0.3333))
    found = await figures(bench, Scope(date(2026, 1, 1), date(2026, 12, 31), "mzj"))
    assert {key: one.met for key, one in found.limits_by_key.items()} == {PROVIDE: 1}
    assert (found.limits["provide"].met, found.limits["reply"].on_time.of) == (1, 0)


@pytest.mark.requirement("STA-01")
@pytest.mark.requirement("CD-27", "B-14")
async def test_refusals_are_counted_by_their_grounds(catalog: Catalog) -> None:
    await catalog.furnish()
    cases = Cases(catalog)
    named = {"interface": "rsj-social-insurance/v1", "system": "zjj-housing"}
    for _ in range(2):
        case = await cases.opened("application", ASKING, details=WHOLE, **named)
        await cases.stepped(case, "submit", ASKING, "internal_sign")
        await cases.stepped(case, "sign", ASKING_HEAD, "submitted")
        refusal = {"reason": "与履行法定职责无关", "legal_basis": [LAWFUL]}
        await cases.stepped(case, "refuse", GIVING, "reply_sign", **refusal)
        await cases.stepped(case, "confirm", GIVING_HEAD, "refused")
    shown = (await cases.ask("GET", "/statistics", AUTHORITY)).json()
    assert shown["refusals"] == {
        "grounded": {"count": 2, "of": 2, "ratio": 1.0},
        "by_ground": [{"law": "个人信息保护法", "article": "第三十四条", "rank": "法律", "count": 2}],
    }
    assert shown["limits"]["reply"]["open"] + shown["limits"]["reply"]["met"] <= 2
    assert (await cases.ask("GET", "/statistics", ASKING)).json()["refusals"]["by_ground"] == []
    past = (await cases.ask("GET", "/statistics?from=2020-01-01&to=2020-12-31", AUTHORITY)).json()
    assert past["refusals"]["grounded"]["of"] == 0


# --- use ------------------------------------------------------------------------------------------------------------
async def grant(bench: Bench, when: str) -> str:
    """A grant that was given at a time; ids of grants tell it."""
    bench.clock.set(when)
    grant_id = str(uuid7(int(bench.clock.now().timestamp() * 1000)))
    stated = Grant(
        id=grant_id, revision=0, system="zjj-housing", department="", interface="rsj-one/v1", purpose="审核",
        fields=["pension"],
    )  # fmt: skip
    async with bench.change(OPERATOR) as change:
        return (await give_grant(change, stated)).id


async def tell(bench: Bench, gateway: str, since: str, **uses: tuple[str, int, int]) -> bool:
    """A gateway reports: id of a grant -> (time of the last call, calls, errors)."""

    def ms(when: str) -> int:
        return int(shanghai(when).timestamp() * 1000)

    grants = {one: Use(calls=calls, errors=errors, last_ms=ms(last)) for one, (last, calls, errors) in uses.items()}
    async with bench.database.begin() as tx:
        return await take_report(tx, Report(gateway=gateway, since=ms(since), until=ms(since) + 60_000, grants=grants))


async def shared(bench: Bench) -> None:
    await town(bench)
    code = entry(1).code
    interface = {**INTERFACE, "id": "rsj-one", "version": "v1", "resource": code}
    await register(
        bench, entry(1), System(id="zjj-housing", department="zjj", name="住房保障"),
        msgspec.convert(interface, Interface), msgspec.convert({**interface, "version": "v2"}, Interface),
    )  # fmt: skip


@pytest.mark.requirement("STA-02")
async def test_a_report_counts_once_whoever_sends_it_again(bench: Bench) -> None:
    await shared(bench)
    one, other = await grant(bench, "2026-01-06 09:00"), await grant(bench, "2026-01-06 09:01")
    use = {one: ("2026-03-01 23:59", 5, 1), "unknown": ("2026-03-01 12:00", 7, 0)}
    assert await tell(bench, "gateway-1", "2026-03-01 23:59", **use)
    assert not await tell(bench, "gateway-1", "2026-03-01 23:59", **use)
    assert not await tell(bench, "gateway-1", "2026-03-01 23:58", **{other: ("2026-03-01 23:58", 1, 0)})
    assert await tell(bench, "gateway-2", "2026-03-01 23:59", **{one: ("2026-03-01 22:00", 2, 0)})
    assert await tell(bench, "gateway-1", "2026-03-02 00:00", **{one: ("2026-03-02 00:00", 1, 1)})
    rows = await bench.rows("SELECT * FROM catalog.grant_use ORDER BY day")
    assert [(row.grant_id, str(row.day), row.calls, row.errors, row.last_at) for row in rows] == [
        (one, "2026-03-01", 7, 1, shanghai("2026-03-01 23:59")),
        (one, "2026-03-02", 1, 1, shanghai("2026-03-02 00:00")),
    ]
    bench.clock.set("2026-03-03 09:00")
    found = await figures(bench)
    (calls,) = found.calls
    assert (calls.interface, calls.provider, calls.calls, calls.errors) == ("rsj-one/v1", "rsj", 8, 2)
    assert found.calls_total == 8
    day = await figures(bench, Scope(date(2026, 3, 2), date(2026, 3, 2), "rsj"))
    assert day.calls_total == 1
    assert (await figures(bench, Scope(date(2026, 3, 2), date(2026, 3, 2), "zjj"))).calls == []
    assert found.interfaces_by_stage == {"online": 2}


@pytest.mark.requirement("STA-01")
async def test_grants_that_nobody_uses_are_named(bench: Bench) -> None:
    await shared(bench)
    never, long_ago = await grant(bench, "2026-01-06 09:00"), await grant(bench, "2026-01-07 09:00")
    used, revoked = await grant(bench, "2026-01-08 09:00"), await grant(bench, "2026-01-09 09:00")
    young = await grant(bench, "2026-03-01 09:00")
    await tell(bench, "gateway-1", "2026-01-20 08:00", **{long_ago: ("2026-01-20 08:00", 1, 0)})
    await tell(bench, "gateway-1", "2026-02-20 08:00", **{used: ("2026-02-20 08:00", 1, 0)})
    async with bench.database.begin() as tx:
        await tx.exec_driver_sql(f"UPDATE catalog.grants SET standing = 'revoked' WHERE id = '{revoked}'")
    bench.clock.set("2026-03-10 09:00")
    found = (await figures(bench)).grants
    assert found.unused == Rate(2, 4, 0.5)
    assert [(one.grant, one.last_used) for one in found.named] == [
        (never, None), (long_ago, shanghai("2026-01-20 08:00")),
    ]  # fmt: skip
    assert (found.named[0].department, found.named[0].system) == ("zjj", "zjj-housing")
    assert (await figures(bench, Scope(YEAR.first, YEAR.last, "zjj"))).grants.unused.of == 4
    assert (await figures(bench, Scope(YEAR.first, YEAR.last, "rsj"))).grants.unused.of == 0
    bench.clock.set("2026-04-10 09:00")
    assert young in [one.grant for one in (await figures(bench)).grants.named]


# --- who may ask ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("STA-03")
async def test_departments_see_their_own_figures_and_overseers_all(catalog: Catalog) -> None:
    await catalog.furnish()
    for by, allowed, query, department in (
        ("rsj", (), "", "rsj"),
        ("rsj", (scopes.OFFICER,), "?department=rsj", "rsj"),
        ("dsjj", (scopes.AUTHORITY,), "", ""),
        ("dsjj", (scopes.AUTHORITY,), "?department=rsj", "rsj"),
        ("gov", (scopes.GOVERNMENT,), "", ""),
        ("platform", (), "", ""),
    ):
        answer = await catalog.ask("GET", f"/statistics{query}", by=by, allowed=allowed)
        assert (answer.status_code, answer.json()["department"]) == (200, department)
    for query in ("?department=rsj", "?department=nobody"):
        answer = await catalog.ask("GET", f"/statistics{query}", by="zjj", allowed=(scopes.HEAD,))
        assert (answer.status_code, answer.json()["code"]) == (403, "request/not-yours")
    whole = (await catalog.ask("GET", "/statistics?from=2026-01-01&to=2026-12-31")).json()
    assert (whole["first"], whole["last"], whole["catalog"]["of"]) == ("2026-01-01", "2026-12-31", 1)
    assert whole["catalog_by_department"][0]["department"] == "rsj"
    assert RESOURCE_CODE not in whole["freshness"]["stale"]


@pytest.mark.requirement("STA-03")
@pytest.mark.parametrize(
    "query",
    ["from=x", "from=2026-02-30", "from=1999-12-31", "to=2100-01-02", "from=2026-05-02&to=2026-05-01",
     "from=2020-01-01&to=2026-01-01", "department=%00", f"department={'x' * 65}"],
)  # fmt: skip
async def test_days_that_cannot_be_are_told(catalog: Catalog, query: str) -> None:
    answer = await catalog.ask("GET", f"/statistics?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text
    assert answer.json()["errors"][0]["path"].startswith("/query/")


@pytest.mark.requirement("STA-02")
async def test_gateways_report_over_http_and_nobody_else(catalog: Catalog) -> None:
    await catalog.furnish()
    grant_id = await catalog.give()
    report = Report(gateway="gateway-1", since=1, until=2, grants={grant_id: Use(calls=3, last_ms=1_780_000_000_000)})
    body = msgspec.json.encode(report)

    async def post(content: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        answer = await catalog.client.post("/usage", content=content, headers=headers)
        return answer.status_code, answer.json()

    signed = catalog.service_key.headers("POST", "/usage", body)
    assert await post(body, signed) == (200, {"counted": True})
    assert await post(body, signed) == (200, {"counted": False})
    assert (await post(body, {"Authorization": f"Bearer {catalog.token()}"}))[0] == 401
    assert (await post(body + b" ", signed))[0] == 401
    for bad in (b"", b"{", b"[]", b'{"gateway":"\xff"}', body.replace(b'"calls":3', b'"calls":-3'),
                body.replace(b"gateway-1", b"a b"), body.replace(b"1780000000000", b"9999999999999999")):  # fmt: skip
        status, document = await post(bad, catalog.service_key.headers("POST", "/usage", bad))
        assert (status, document["code"]) == (422, "request/invalid"), bad
    found = (await catalog.ask("GET", "/statistics?from=2026-05-01&to=2026-06-30")).json()
    assert found["calls"] == [{"interface": "rsj-social-insurance/v1", "provider": "rsj", "calls": 3, "errors": 0}]
