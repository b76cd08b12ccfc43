"""The law, clocks, inboxes and webhooks over HTTP."""

from datetime import UTC, datetime
from typing import Any

import pytest
from httpx2 import Response

from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from harness.catalog import Catalog
from harness.law import CASE, REPLY, Bench
from wire import scopes

pytestmark = pytest.mark.anyio
Who = tuple[str, tuple[str, ...]]
AUTHORITY: Who = ("dsjj", (scopes.AUTHORITY,))
OFFICER: Who = ("zjj", (scopes.OFFICER,))
STRANGER: Who = ("rsj", (scopes.OFFICER,))
YEAR = "schema: dx-calendar/1\nregion: CN\nyears: {2027: {status: announced, weekdays_off: ['2027-01-01']}}\n"


async def ask(catalog: Catalog, who: Who, method: str, path: str, body: Any = None) -> Response:
    return await catalog.ask(method, path, body, who[0], allowed=who[1])


async def send(catalog: Catalog, path: str, text: bytes, by: str, *allowed: str) -> Response:
    headers = {"Authorization": f"Bearer {catalog.token(by, allowed)}"}
    return await catalog.client.post(path, content=text, headers=headers)


# --- profiles ---------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("PRO-02")
async def test_the_authority_and_nobody_else_puts_a_profile_in_force(catalog: Catalog) -> None:
    body = {"profile": "jingdezhen", "reason": "本市办法"}
    for who in (OFFICER, ("dsjj", ()), ("platform", (scopes.AUTHORITY,))):
        refused = await ask(catalog, who, "POST", "/policy/profile", body)
        assert (refused.status_code, refused.json()["code"]) == (403, "case/not-your-step")
    made = await ask(catalog, AUTHORITY, "POST", "/policy/profile", body)
    assert made.status_code == 200
    assert (made.json()["profile"], made.json()["activated_by"]) == ("jingdezhen", "dsjj-client")
    shown = (await catalog.ask("GET", "/policy/profile")).json()
    assert shown["profile"] == "jingdezhen"
    assert [one["profile"] for one in shown["history"]] == ["jingdezhen", "national"]
    assert (shown["newer_version"], shown["expires_in_days"]) == (None, None)


@pytest.mark.requirement("PRO-02")
async def test_a_draft_is_refused_by_a_code_of_its_own_until_it_is_overridden(catalog: Catalog) -> None:
    body = {"profile": "deqing", "reason": "试点"}
    refused = await ask(catalog, AUTHORITY, "POST", "/policy/profile", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "policy/not-in-force")
    made = await ask(catalog, AUTHORITY, "POST", "/policy/profile", {**body, "override": True})
    assert (made.status_code, made.json()["override"]) == (200, True)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"profile": "nowhere", "reason": "r"}, "/body/profile"),
        ({"profile": "_platform_default", "reason": "r"}, "/body/profile"),
        ({"profile": "changde"}, "/body/reason"),
        ({"profile": "changde", "reason": ""}, "/body/reason"),
        ({"profile": "changde", "reason": "r", "override": "yes"}, "/body/override"),
        ({"profile": "changde", "reason": "r", "force": True}, "/body/force"),
    ],
)
async def test_an_activation_that_does_not_parse(catalog: Catalog, body: Any, path: str) -> None:
    refused = await ask(catalog, AUTHORITY, "POST", "/policy/profile", body)
    assert refused.status_code == 422
    assert [error["path"] for error in refused.json()["errors"]] == [path]


async def test_all_profiles_are_listed_with_what_speaks_against_them(catalog: Catalog) -> None:
    listed = (await catalog.ask("GET", "/policy/profiles")).json()
    profiles = {one["id"]: one for one in listed["items"]}
    assert (listed["in_force"], listed["next"]) == ("national", None)
    assert sorted(profiles) == ["changde", "deqing", "jingdezhen", "national", "yunnan", "zibo"]
    assert [one for one in profiles if profiles[one]["status"] == "draft"] == ["deqing", "yunnan"]
    assert [one for one in profiles if profiles[one]["incomplete"]] == ["zibo"]
    assert "draft" in profiles["deqing"]["not_activated_because"]
    assert profiles["changde"]["expires"] == "2027-08-24"


# --- what the law says ------------------------------------------------------------------------------------------------
@pytest.mark.requirement("PRO-07")
@pytest.mark.parametrize(
    ("query", "base", "total", "source"),
    [
        ("", 10, 20, "local"),
        ("?profile=jingdezhen", 1, 1, "local"),
        ("?profile=deqing", 10, 20, "floor"),
        ("?profile=deqing&government=false", 10, 10, "platform"),
    ],
)
async def test_the_clocks_of_any_profile_are_shown(
    catalog: Catalog, query: str, base: int, total: int, source: str
) -> None:
    shown = (await catalog.ask("GET", f"/policy/clocks{query}")).json()
    assert len(shown["clocks"]) == 12
    clock = shown["clocks"][REPLY]
    assert (clock["base"], clock["total"], clock["source"]) == (base, total, source)
    assert (await catalog.ask("GET", "/policy/profiles")).json()["in_force"] == "national"


@pytest.mark.requirement("PRO-07")
async def test_a_value_is_shown_with_who_says_it(catalog: Catalog) -> None:
    shown = (await catalog.ask("GET", "/policy/values/share.refusal.reason?profile=changde")).json()
    assert (shown["profile"], shown["applies"]["value"]) == ("changde", True)
    assert [layer["source"] for layer in shown["layers"]] == ["local", "floor", "platform"]
    clock = (await catalog.ask("GET", f"/policy/values/{REPLY}")).json()
    assert clock["applies"]["base"] == 10


@pytest.mark.requirement("PRO-07")
async def test_a_draft_is_simulated_and_not_activated(catalog: Catalog) -> None:
    query = f"/policy/simulate?profile=deqing&key={REPLY}&from=2026-02-13"
    shown = (await catalog.ask("GET", query)).json()
    assert (shown["profile"], shown["status"], shown["clock"]["source"]) == ("deqing", "draft", "floor")
    assert (shown["due"], shown["latest"], shown["provisional"]) == ("2026-03-05", "2026-03-19", False)
    assert (await catalog.ask("GET", "/policy/profiles")).json()["in_force"] == "national"
    local = (await catalog.ask("GET", f"{query}&government=false")).json()
    assert (local["clock"]["source"], local["latest"]) == ("platform", "2026-03-05")


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/policy/clocks?profile=nowhere", "/query/profile"),
        ("/policy/clocks?profile=_platform_default", "/query/profile"),
        ("/policy/values/share.nothing", "/path/key"),
        ("/policy/values/..", None),
        ("/policy/values/catalog.update_on_change?profile=X", "/query/profile"),
        ("/policy/simulate?key=share.refusal&from=2026-02-13", "/query/key"),
        ("/policy/simulate?key=share&from=2026-02-13", "/query/key"),
        (f"/policy/simulate?key={REPLY}", "/query/from"),
        (f"/policy/simulate?key={REPLY}&from=13.2.2026", "/query/from"),
        (f"/policy/simulate?key={REPLY}&from=1800-01-01", "/query/from"),
        (f"/policy/simulate?key={REPLY}&from=9999-12-31", "/query/from"),
        ("/policy/due?from=2026-02-13&days=-1", "/query/days"),
        ("/policy/due?from=2026-02-13&days=1001", "/query/days"),
        ("/policy/due?from=9999-12-31&days=1", "/query/from"),
        ("/policy/due?from=1848-03-18&days=1", "/query/from"),
        ("/policy/due?days=1", "/query/from"),
        ("/policy/due?from=2026-02-13&days=1&region=china", "/query/region"),
        ("/policy/calendars/China", "/path/region"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_told_why(catalog: Catalog, path: str, where: str | None) -> None:
    answer = await catalog.ask("GET", path)
    assert answer.status_code == (422 if where else 404), answer.text
    assert [error["path"] for error in answer.json().get("errors", [])] == ([where] if where else [])


# --- working days -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("PRO-05")
async def test_working_days_are_answered_by_the_calendar_that_was_imported(catalog: Catalog) -> None:
    due = "/policy/due?from=2026-12-31&days=1&region=CN"
    assert (await catalog.ask("GET", "/policy/due?from=2026-02-13&days=10")).json() == {
        "due": "2026-03-05",
        "provisional": False,
    }
    assert (await catalog.ask("GET", due)).json() == {"due": "2027-01-04", "provisional": True}
    adopted = await send(catalog, "/policy/calendars/CN/years/2027", YEAR.encode(), "dsjj", scopes.AUTHORITY)
    assert adopted.status_code == 200, adopted.text
    assert (adopted.json()["year"], adopted.json()["moved"]) == (2027, [])
    assert (await catalog.ask("GET", due)).json() == {"due": "2027-01-04", "provisional": False}
    shown = (await catalog.ask("GET", "/policy/calendars/CN")).json()
    assert shown["version"] == adopted.json()["version"] == shown["history"][0]["version"]
    assert shown["history"][0]["previous"] == shown["history"][1]["version"]
    assert shown["years"]["2027"]["off"] == ["2027-01-01"]


@pytest.mark.requirement("PRO-05")
@pytest.mark.parametrize(
    ("text", "by", "allowed", "status"),
    [
        (YEAR.encode(), "zjj", (scopes.OFFICER, scopes.HEAD), 403),
        (YEAR.encode(), "platform", (scopes.AUTHORITY, scopes.CATALOG_WRITE), 403),
        (YEAR.replace("2027-01-01", "2027-01-02").encode(), "dsjj", (scopes.AUTHORITY,), 422),
        (b"", "dsjj", (scopes.AUTHORITY,), 422),
        (b"\xff\xfe", "dsjj", (scopes.AUTHORITY,), 422),
        (b"[" * 60_000, "dsjj", (scopes.AUTHORITY,), 422),
        (b"a: &a [*a]", "dsjj", (scopes.AUTHORITY,), 422),
        (b" " * 65_537, "dsjj", (scopes.AUTHORITY,), 413),
    ],
)
async def test_a_year_that_is_refused_leaves_the_calendar_as_it_was(
    catalog: Catalog, text: bytes, by: str, allowed: tuple[str, ...], status: int
) -> None:
    before = (await catalog.ask("GET", "/policy/calendars/CN")).json()
    answer = await send(catalog, "/policy/calendars/CN/years/2027", text, by, *allowed)
    assert answer.status_code == status, answer.text
    assert (await catalog.ask("GET", "/policy/calendars/CN")).json() == before


async def test_a_region_without_a_calendar_is_not_found(catalog: Catalog) -> None:
    for path in ("/policy/calendars/CN-53", "/policy/due?from=2026-02-13&days=1&region=CN-53"):
        assert (await catalog.ask("GET", path)).status_code == 404


# --- clocks -----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CLK-09")
async def test_a_clock_is_seen_by_both_sides_and_by_who_supervises_them(catalog: Catalog, bench: Bench) -> None:
    for n, (responsible, counterpart) in enumerate([("rsj", "zjj"), ("", "rsj"), ("gaj", "swj")]):
        bench.clock.at = datetime.now(UTC)
        await bench.start(REPLY, Subject("case", f"{n}"), responsible=responsible, counterpart=counterpart)

    async def seen(by: str, *allowed: str, query: str = "") -> list[str]:
        answer = await catalog.ask("GET", f"/clocks{query}", by=by, allowed=allowed)
        assert answer.status_code == 200, answer.text
        return sorted(one["subject"]["id"] for one in answer.json()["items"])

    assert await seen("zjj", scopes.HEAD) == ["0"]
    assert await seen("zjj") == await seen("zjj", scopes.SUBJECT) == []  # systems and persons have no desk
    assert await seen("rsj", scopes.OFFICER) == ["0", "1"]
    assert await seen("mzj", scopes.OFFICER, scopes.HEAD) == []
    assert await seen("platform", scopes.AUTHORITY) == []
    for office in (scopes.AUTHORITY, scopes.UPPER_AUTHORITY, scopes.GOVERNMENT):
        assert await seen("dsjj", office) == ["0", "1", "2"]
    assert await seen("dsjj", scopes.AUTHORITY, query="?responsible=gaj") == ["2"]
    assert await seen("dsjj", scopes.AUTHORITY, query="?state=overdue") == []
    first = (await ask(catalog, AUTHORITY, "GET", "/clocks?limit=2")).json()
    rest = (await ask(catalog, AUTHORITY, "GET", f"/clocks?limit=2&after={first['next']}")).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    assert (await ask(catalog, OFFICER, "GET", "/clocks?state=sleeping")).status_code == 422


# --- inboxes ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("NTC-02")
async def test_an_inbox_holds_what_its_office_was_told_and_reading_is_kept(catalog: Catalog, bench: Bench) -> None:
    everybody = {
        "a": Address("zjj", scopes.OFFICER), "b": Address("zjj", scopes.HEAD), "c": Address("zjj", ""),
        "d": Address("rsj", scopes.OFFICER), "e": Address("", scopes.AUTHORITY),
        "f": Address("zjj", scopes.SUBJECT, "zjj-client"), "g": Address("zjj", scopes.SUBJECT, "another"),
    }  # fmt: skip
    for key, address in everybody.items():
        async with bench.change() as change:
            facts = {"number": key, "state": "granted"}
            await notify(change, to=[address], word="application.grant", about=CASE, facts=facts, key=key)

    async def inbox(by: str, *allowed: str, query: str = "") -> list[str]:
        answer = await catalog.ask("GET", f"/inbox{query}", by=by, allowed=allowed)
        assert answer.status_code == 200, answer.text
        return sorted(one["facts"]["number"] for one in answer.json()["items"] if one["word"] == "application.grant")

    assert await inbox("zjj") == ["c"]
    assert await inbox("zjj", scopes.OFFICER) == ["a", "c"]
    assert await inbox("zjj", scopes.OFFICER, scopes.HEAD) == ["a", "b", "c"]
    assert await inbox("zjj", scopes.SUBJECT) == ["c", "f"]
    assert await inbox("dsjj", scopes.AUTHORITY) == ["e"]
    assert await inbox("platform", *scopes.OFFICES) == []

    items = (await ask(catalog, OFFICER, "GET", "/inbox")).json()["items"]
    first = next(one for one in items if one["facts"]["number"] == "a")
    assert first["read_at"] is None
    assert "现为“已开通”" in first["text"]["zh"]
    for _ in range(2):
        read = await ask(catalog, OFFICER, "POST", f"/inbox/{first['id']}/read")
        assert read.status_code == 200
    assert read.json()["read_at"] is not None
    assert await inbox("zjj", scopes.OFFICER, query="?unread=true") == ["c"]
    assert await inbox("zjj", scopes.OFFICER) == ["a", "c"]
    for who in (STRANGER, ("zjj", (scopes.HEAD,))):
        refused = await ask(catalog, who, "POST", f"/inbox/{first['id']}/read")
        assert refused.status_code == 404
    page = (await ask(catalog, OFFICER, "GET", "/inbox?limit=1")).json()
    assert page["next"] == page["items"][0]["id"] == min(one["id"] for one in items)


# --- webhooks ---------------------------------------------------------------------------------------------------------
WEBHOOK = {"url": "https://oa.zjj.example/in", "networks": ["10.1.0.0/16"]}


@pytest.mark.requirement("NTC-03")
async def test_the_signing_key_is_shown_once(catalog: Catalog) -> None:
    made = await ask(catalog, OFFICER, "PUT", "/webhooks/zjj-oa", WEBHOOK)
    assert (made.status_code, made.json()["generation"]) == (201, 1)
    assert made.json()["signing_key"] == catalog.service_key.derived("webhook/zjj-oa/1")
    again = await ask(catalog, OFFICER, "PUT", "/webhooks/zjj-oa", WEBHOOK)
    one = await ask(catalog, OFFICER, "GET", "/webhooks/zjj-oa")
    assert again.json() == one.json() == {k: v for k, v in made.json().items() if k != "signing_key"}
    changed = await ask(catalog, OFFICER, "PUT", "/webhooks/zjj-oa", {**WEBHOOK, "words": ["case.*"]})
    assert (changed.status_code, changed.json()["generation"]) == (200, 2)
    assert changed.json()["signing_key"] != made.json()["signing_key"]
    listed = (await ask(catalog, OFFICER, "GET", "/webhooks")).json()
    assert [item["id"] for item in listed["items"]] == ["zjj-oa"]


@pytest.mark.requirement("NTC-02")
async def test_a_webhook_belongs_to_its_department(catalog: Catalog) -> None:
    await ask(catalog, OFFICER, "PUT", "/webhooks/zjj-oa", WEBHOOK)
    assert (await ask(catalog, STRANGER, "PUT", "/webhooks/zjj-oa", WEBHOOK)).status_code == 409
    for method, path, body in [
        ("GET", "/webhooks/zjj-oa", None),
        ("POST", "/webhooks/zjj-oa/revoke", {"reason": "r"}),
        ("GET", "/webhooks/zjj-oa/deliveries", None),
        ("POST", "/webhooks/zjj-oa/deliveries/1/retry", None),
    ]:
        assert (await ask(catalog, STRANGER, method, path, body)).status_code == 404
        nobody = await ask(catalog, ("zjj", (scopes.CATALOG_WRITE,)), method, path, body)
        assert (nobody.status_code, nobody.json()["code"]) == (403, "case/not-your-step")
    assert (await ask(catalog, STRANGER, "GET", "/webhooks")).json()["items"] == []
    grasping = await ask(catalog, OFFICER, "PUT", "/webhooks/x", {**WEBHOOK, "office": scopes.AUTHORITY})
    assert grasping.status_code == 403


@pytest.mark.requirement("NTC-04")
async def test_deliveries_are_shown_and_revoking_ends_them(catalog: Catalog, bench: Bench) -> None:
    await ask(catalog, OFFICER, "PUT", "/webhooks/zjj-oa", {**WEBHOOK, "networks": ["10.1.0.0/16"]})
    async with bench.change() as change:
        await notify(change, to=[Address("zjj", "")], word="case.submitted", about=CASE, facts={}, key="k1")
        later = "UPDATE catalog.delivery SET next_at = '2999-01-01'"  # not for the service's own worker
        await change.tx.exec_driver_sql(later)
    path = "/webhooks/zjj-oa/deliveries"
    [waiting] = (await ask(catalog, OFFICER, "GET", f"{path}?state=waiting")).json()["items"]
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)
    revoke = await ask(catalog, OFFICER, "POST", "/webhooks/zjj-oa/revoke", {"reason": "换系统"})
    assert (revoke.status_code, revoke.json()["active"], revoke.json()["reason"]) == (200, False, "换系统")
    [dead] = (await ask(catalog, OFFICER, "GET", f"{path}?state=dead")).json()["items"]
    assert dead["n"] == waiting["n"]
    assert (await ask(catalog, OFFICER, "POST", f"{path}/{dead['n']}/retry")).status_code == 404
    await ask(catalog, OFFICER, "PUT", "/webhooks/zjj-oa", WEBHOOK)
    assert (await ask(catalog, OFFICER, "POST", f"{path}/{dead['n']}/retry")).json()["state"] == "waiting"
    for wrong in (f"{path}?state=lost", f"{path}?after=-1", f"{path}?after=x"):
        assert (await ask(catalog, OFFICER, "GET", wrong)).status_code == 422
    for n in ("x", "-1", str(2**63)):
        assert (await ask(catalog, OFFICER, "POST", f"{path}/{n}/retry")).status_code == 422


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"url": "ftp://x"}, "/body/url"),
        ({"networks": []}, "/body/networks"),
        ({"networks": ["10.0.0.1/8"]}, "/body/networks/0"),
        ({"office": "office:officer"}, "/body/office"),
        ({"secret": "mine"}, "/body/secret"),
    ],
)
async def test_a_webhook_that_does_not_hold(catalog: Catalog, changes: dict[str, Any], path: str) -> None:
    refused = await ask(catalog, OFFICER, "PUT", "/webhooks/zjj-oa", {**WEBHOOK, **changes})
    assert refused.status_code == 422
    assert [error["path"] for error in refused.json()["errors"]] == [path]
