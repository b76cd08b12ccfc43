"""A department's keys in its own hands: who may, what is taken, what ends, who is warned, who gets nothing."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey

from identity.expiry import Expiry
from identity.store import outbox
from runtime.db import engine
from runtime.outbox import Outbox
from wire import scopes
from wire.catalog import Department, State, System

pytestmark = pytest.mark.anyio
DAY = 86400


def new_key(kid: str = "") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid or f"k-{secrets.token_hex(4)}"})


def public(key: Any, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **more}


def ask(service: Any, token: str, method: str, path: str, body: Any = None) -> Awaitable[Any]:
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
    asked: Awaitable[Any] = service.http.request(method, f"/oauth2/clients/{path}", json=body, headers=headers)
    return asked


async def of(service: Any, scope: str, department: str = "gaj") -> str:
    """A token of somebody of a department."""
    return str(await service.token(*await service.registered(scope=scope, department=department)))


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await check():
            await asyncio.sleep(0.05)


# --- who may --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("IDK-06")
@pytest.mark.parametrize("by", ["an officer of the department", "the client itself"])
async def test_two_keys_are_good_while_one_replaces_the_other(service: Any, by: str) -> None:
    client_id, old = await service.registered()
    token = await of(service, scopes.OFFICER) if "officer" in by else await service.token(client_id, old)
    new = new_key("new")
    made = await ask(service, token, "POST", f"{client_id}/keys", {"jwk": public(new)})
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    until = made.json()["jwk"]["until"]
    assert abs(until - time.time() - 730 * DAY) < 60
    thumbprint = ECKey.import_key(public(new)).thumbprint()
    assert made.json() == {
        "jwk": {**public(new), "until": until}, "thumbprint": thumbprint, "good": True,
        "ends": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until)),
    }  # fmt: skip
    for key in (old, new):
        assert (await service.ask(service.assertion(client_id, key))).status_code == 200
    listed = (await ask(service, token, "GET", f"{client_id}/keys")).json()["keys"]
    assert [one["jwk"]["kid"] for one in listed] == [old.kid, "new"]
    assert (await ask(service, token, "DELETE", f"{client_id}/keys/{old.kid}")).status_code == 204
    assert (await service.ask(service.assertion(client_id, old))).status_code == 401
    assert (await service.ask(service.assertion(client_id, new))).status_code == 200
    again = await ask(service, token, "DELETE", f"{client_id}/keys/{old.kid}")
    assert (again.status_code, again.json()["code"]) == (404, "request/not-found")
    added = service.log.events("client.key_added", client=client_id)
    removed = service.log.events("client.key_removed", client=client_id)
    assert [each.facts["key"] for each in added] == [thumbprint]
    assert [each.facts["kid"] for each in removed] == [old.kid]
    assert added[0].actor == (client_id if by == "the client itself" else added[0].actor)


STRANGERS = [
    pytest.param("gaj", scopes.HEAD, id="the head of the same department"),
    pytest.param("gaj", scopes.CALL, id="another system of the same department"),
    pytest.param("swj", scopes.OFFICER, id="an officer of another department"),
    pytest.param("platform", f"{scopes.CLIENT_WRITE} {scopes.AUTHORITY}", id="the authority"),
]


@pytest.mark.requirement("IDK-06")
@pytest.mark.parametrize(("department", "scope"), STRANGERS)
async def test_nobody_else_sees_or_changes_them_or_learns_that_they_are(
    service: Any, department: str, scope: str
) -> None:
    client_id, old = await service.registered()
    token = await of(service, scope, department)
    for client in (client_id, "nobody-knows"):
        for method, path, body in (
            ("GET", "keys", None), ("POST", "keys", {"jwk": public(new_key())}), ("DELETE", f"keys/{old.kid}", None),
        ):  # fmt: skip
            refused = await ask(service, token, method, f"{client}/{path}", body)
            assert (refused.status_code, refused.json()["code"]) == (404, "request/not-found")
            assert refused.json()["detail"] == f"no client {client} of yours"
    assert (await service.ask(service.assertion(client_id, old))).status_code == 200


@pytest.mark.requirement("IDK-06")
async def test_nobody_gets_more_rights_by_a_key(service: Any) -> None:
    auditor, key = await service.registered(scope="audit:read call")
    head, _ = await service.registered(scope=scopes.HEAD)
    officer = await of(service, scopes.OFFICER)
    narrowed = await service.token(auditor, key, scope="call")
    for token, client in ((officer, auditor), (officer, head), (narrowed, auditor)):
        for method, path, body in (
            ("POST", "keys", {"jwk": public(new_key())}), ("DELETE", f"keys/{key.kid}", None),
        ):  # fmt: skip
            refused = await ask(service, token, method, f"{client}/{path}", body)
            assert (refused.status_code, refused.json()["code"]) == (403, "token/insufficient-scope")
    without_call = await service.token(auditor, key, scope="audit:read")
    assert (await ask(service, without_call, "GET", f"{auditor}/keys")).status_code == 404
    full = await service.token(auditor, key)
    assert (await ask(service, full, "POST", f"{auditor}/keys", {"jwk": public(new_key())})).status_code == 201


# --- what is taken --------------------------------------------------------------------------------------------------
@pytest.mark.requirement("IDK-06")
async def test_four_keys_each_under_one_name_and_never_none(service: Any) -> None:
    client_id, first = await service.registered()
    token = await service.token(client_id, first)

    async def add(jwk: dict[str, Any]) -> tuple[int, str]:
        answer = await ask(service, token, "POST", f"{client_id}/keys", {"jwk": jwk})
        return answer.status_code, answer.json().get("code", "")

    last = await ask(service, token, "DELETE", f"{client_id}/keys/{first.kid}")
    assert (last.status_code, last.json()["code"]) == (409, "request/conflict")
    assert await add(public(new_key(str(first.kid)))) == (409, "request/conflict")
    assert await add({**public(first), "kid": "another-name"}) == (409, "request/conflict")
    second = public(new_key("b"))
    assert [await add(second), await add(second)] == [(201, "")] * 2
    assert await add(public(new_key("c"))) == (201, "")
    assert await add(public(new_key("d"))) == (201, "")
    assert await add(public(new_key("e"))) == (409, "request/conflict")
    await eventually(lambda: counted(service, client_id, 3))


async def counted(service: Any, client_id: str, wanted: int) -> bool:
    return len(service.log.events("client.key_added", client=client_id)) == wanted


BAD = [
    pytest.param(lambda: new_key("k").as_dict(private=True), id="private"),
    pytest.param(lambda: OKPKey.generate_key("Ed25519", {"kid": "k"}).as_dict(private=False), id="another kind"),
    pytest.param(lambda: {**public(new_key("k")), "x5u": "https://evil.example"}, id="a member more"),
    pytest.param(lambda: public(new_key("k"), until=int(time.time()) - 1), id="ended already"),
    pytest.param(lambda: public(new_key("k"), until=int(time.time()) + 731 * DAY), id="too long"),
    pytest.param(lambda: public(new_key("k"), until="2030-01-01"), id="an end in words"),
    pytest.param(lambda: "k", id="no object"),
]


@pytest.mark.requirement("IDK-05")
@pytest.mark.parametrize("make", BAD)
async def test_what_is_no_public_key_with_an_end_in_time_is_refused(service: Any, make: Callable[[], Any]) -> None:
    client_id, key = await service.registered()
    token = await service.token(client_id, key)
    refused = await ask(service, token, "POST", f"{client_id}/keys", {"jwk": make()})
    assert (refused.status_code, refused.json()["code"]) == (422, "request/invalid")
    assert refused.json()["errors"][0]["path"].startswith("/body/")
    assert len((await ask(service, token, "GET", f"{client_id}/keys")).json()["keys"]) == 1


async def test_a_client_that_proves_itself_otherwise_has_no_keys(start: Any) -> None:
    async with start(allow_client_secret_basic=True) as service:
        secret = "0123456789abcdef0123456789abcdef"
        client_id, _ = await service.registered(method="client_secret_basic", secret=secret, jwks=None)
        officer = await of(service, scopes.OFFICER)
        refused = await ask(service, officer, "POST", f"{client_id}/keys", {"jwk": public(new_key())})
        assert (refused.status_code, refused.json()["code"]) == (409, "request/conflict")


# --- what ends ------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("IDK-05")
async def test_a_key_that_has_ended_is_refused_and_its_holder_is_told(service: Any) -> None:
    client_id, key = await service.registered()
    officer = await of(service, scopes.OFFICER)
    short = new_key("short")
    await ask(service, officer, "POST", f"{client_id}/keys", {"jwk": public(short, until=int(time.time()) + DAY)})
    assert (await service.ask(service.assertion(client_id, short))).status_code == 200
    service.clock.ahead += timedelta(days=1, seconds=1)
    ended = await service.ask(service.assertion(client_id, short))
    assert (ended.status_code, ended.json()["error"]) == (401, "invalid_client")
    assert ended.json()["error_description"].startswith("key short: expired at ")
    unnamed = await service.ask(service.assertion(client_id, short, header={"kid": ...}))
    assert "key short: expired at" in unnamed.json()["error_description"]
    stranger = await service.ask(service.assertion(client_id, new_key("short")))
    assert (stranger.status_code, stranger.json()) == (401, {"error": "invalid_client"})
    listed = (await ask(service, officer, "GET", f"{client_id}/keys")).json()["keys"]
    assert {one["jwk"]["kid"]: one["good"] for one in listed} == {key.kid: True, "short": False}
    last = await ask(service, officer, "DELETE", f"{client_id}/keys/{key.kid}")
    assert last.status_code == 409  # the other one has ended
    made = await ask(service, officer, "POST", f"{client_id}/keys", {"jwk": public(new_key("fresh"))})
    assert made.status_code == 201
    listed = (await ask(service, officer, "GET", f"{client_id}/keys")).json()["keys"]
    assert [one["jwk"]["kid"] for one in listed] == [key.kid, "fresh"]


@pytest.mark.requirement("IDK-05")
async def test_registering_a_client_again_makes_no_key_last_longer(service: Any) -> None:
    client_id, key = await service.registered()
    until = int(time.time()) + 5 * DAY
    body = {"department": "gaj", "scope": "call", "method": "private_key_jwt", "jwks": {"keys": [public(key)]}}
    ending = {**body, "jwks": {"keys": [public(key, until=until)]}}
    assert (await service.put(client_id, ending)).json()["jwks"]["keys"][0]["until"] == until
    assert (await service.put(client_id, body)).json()["jwks"]["keys"][0]["until"] == until
    too_long = {**body, "jwks": {"keys": [public(key, until=until + 800 * DAY)]}}
    assert (await service.put(client_id, too_long)).status_code == 422


# --- who is warned --------------------------------------------------------------------------------------------------
@pytest.mark.requirement("IDK-07")
async def test_a_department_is_warned_at_thirty_fourteen_and_seven_days_once_each(service: Any) -> None:
    client_id, _ = await service.registered()
    officer = await of(service, scopes.OFFICER)
    short = public(new_key("short"), until=int(time.time()) + 100 * DAY)
    await ask(service, officer, "POST", f"{client_id}/keys", {"jwk": short})
    database = engine(service.home.database.url_of("identity"))
    catalog, key = service.catalog.client(), service.home.service_key("identity")
    lookers = [
        Expiry(database, Outbox(database, outbox, service.log), catalog, key, service.clock) for _ in range(2)
    ]  # fmt: skip

    async def told() -> list[str]:
        await asyncio.gather(*(one.tick() for one in lookers))
        return list(
            {one["key"]: one["facts"]["days"] for one in service.catalog.notices if client_id in one["key"]}.values()
        )

    assert await told() == []
    service.clock.ahead += timedelta(days=75)
    assert await told() == await told() == ["30"]
    service.catalog.away = True
    service.clock.ahead += timedelta(days=12)
    assert await told() == ["30"]
    service.catalog.away = False
    assert await told() == ["30", "14"]
    service.clock.ahead += timedelta(days=10)
    assert await told() == ["30", "14", "7"]
    notice = next(one for one in service.catalog.notices if client_id in one["key"])
    assert (notice["word"], notice["department"], notice["office"]) == ("client.key_expiring", "gaj", "office:officer")
    assert (notice["kind"], notice["about"], notice["facts"]["kid"]) == ("client", client_id, "short")
    await eventually(lambda: warned(service, client_id))
    await database.dispose()


async def warned(service: Any, client_id: str) -> bool:
    days = [each.facts["days"] for each in service.log.events("client.key_expiring", client=client_id)]
    return sorted(days) == ["14", "30", "7"]


# --- who gets nothing -----------------------------------------------------------------------------------------------
async def stands(service: Any, client_id: str, standing: str, token: str = "") -> Any:
    body = {"standing": standing, "reason": "检验"}
    return await ask(service, token or await service.operator_token(), "POST", f"{client_id}/standing", body)


GONE = State(standing="suspended", since="2026-03-02T12:00:00Z", by="dsjj")


def thing(what: str, client_id: str, department: str, state: State) -> System | Department:
    if what == "system":
        return System(id=client_id, department=department, name="系统", state=state)
    return Department(id=department, name="部门", state=state)


@pytest.mark.requirement("IDK-08")
async def test_a_suspended_client_gets_nothing_until_it_is_active_again(service: Any) -> None:
    client_id, key = await service.registered()
    done = await stands(service, client_id, "suspended")
    assert done.json()["standing"]["standing"] == "suspended"
    assert done.json()["standing"]["by"] == "platform-operator"
    refused = await service.ask(service.assertion(client_id, key))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert "suspended since" in refused.json()["error_description"]
    stranger = await service.ask(service.assertion(client_id, new_key(str(key.kid))))
    assert stranger.json() == {"error": "invalid_client"}
    body = {"department": "gaj", "scope": "call", "method": "private_key_jwt", "jwks": {"keys": [public(key)]}}
    assert "standing" in (await service.put(client_id, body)).json()  # registering again lifts nothing
    assert (await stands(service, client_id, "suspended")).status_code == 200
    await eventually(lambda: revoked(service, client_id))
    assert (await stands(service, client_id, "active")).status_code == 200
    assert (await service.ask(service.assertion(client_id, key))).status_code == 200
    await eventually(lambda: stood(service, client_id, ["suspended", "active"]))


async def revoked(service: Any, client_id: str) -> bool:
    found = [each for each in service.catalog.revocations if (each.what, each.name) == ("client", client_id)]
    return len(found) == 1 and abs(found[0].before - time.time()) < 60 <= found[0].until - found[0].before


async def stood(service: Any, client_id: str, words: list[str]) -> bool:
    events = service.log.events("client.standing_changed", client=client_id)
    return [each.facts["standing"] for each in events] == words


@pytest.mark.requirement("IDK-08")
async def test_nobody_who_is_suspended_provides_for_their_return(service: Any) -> None:
    client_id, key = await service.registered()
    token = await service.token(client_id, key)
    await stands(service, client_id, "suspended")
    await stands(service, client_id, "active")
    for method, body in (("POST", {"jwk": public(new_key())}), ("GET", None)):
        refused = await ask(service, token, method, f"{client_id}/keys", body)
        assert (refused.status_code, refused.json()["code"]) == (401, "token/invalid")
        assert refused.json()["detail"] == "revoked"
        assert refused.headers["www-authenticate"] == 'Bearer realm="tongdao", error="invalid_token"'


@pytest.mark.requirement("IDK-09")
@pytest.mark.parametrize("what", ["system", "department"])
async def test_nor_whoever_the_catalog_suspends(service: Any, what: str) -> None:
    department = f"d{secrets.token_hex(4)}"
    client_id, key = await service.registered(department=department)
    token = await service.token(client_id, key)
    service.catalog.tell(what, thing(what, client_id, department, GONE))

    async def is_refused() -> bool:
        answer = await ask(service, token, "POST", f"{client_id}/keys", {"jwk": public(new_key("one"))})
        return bool(answer.status_code == 403 and answer.json()["code"] == f"{what}/suspended")

    await eventually(is_refused)


@pytest.mark.requirement("IDK-08")
async def test_revoked_is_for_ever(service: Any) -> None:
    client_id, key = await service.registered()
    assert (await stands(service, client_id, "revoked")).status_code == 200
    for word in ("active", "suspended"):
        refused = await stands(service, client_id, word)
        assert (refused.status_code, refused.json()["code"]) == (409, "request/conflict")
    assert "revoked since" in (await service.ask(service.assertion(client_id, key))).json()["error_description"]


@pytest.mark.requirement("IDK-08")
async def test_who_may_say_so_and_of_whom(service: Any) -> None:
    client_id, key = await service.registered()
    own = await service.token(client_id, key)
    assert (await stands(service, client_id, "suspended", own)).status_code == 403
    assert (await stands(service, "nobody-knows", "suspended")).status_code == 404
    for wrong in ({"standing": "gone"}, {"reason": ""}, {"until": 1}):
        body = {"standing": "suspended", "reason": "检验", **wrong}
        token = await service.operator_token()
        assert (await ask(service, token, "POST", f"{client_id}/standing", body)).status_code == 422


@pytest.mark.requirement("IDK-09")
@pytest.mark.parametrize("what", ["system", "department"])
async def test_whoever_the_catalog_suspends_gets_nothing_and_a_silent_catalog_bars_nobody(
    service: Any, what: str
) -> None:
    department = f"d{secrets.token_hex(4)}"
    client_id, key = await service.registered(department=department)

    async def answered(status: int, words: str = "") -> bool:
        answer = await service.ask(service.assertion(client_id, key))
        return answer.status_code == status and words in answer.text

    assert await answered(200)
    service.catalog.tell(what, thing(what, client_id, department, GONE))
    await eventually(lambda: answered(401, "suspended since 2026-03-02T12:00:00Z by dsjj"))
    service.catalog.tell(what, thing(what, client_id, department, State()))
    await eventually(lambda: answered(200))
    service.catalog.away = True
    assert await answered(200)
