"""Credentials over HTTP: who may put them, what is recorded, and that no word of a secret ever stands anywhere."""

import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import structlog

from exchange_service.credentials.model import (
    ApiKey,
    Basic,
    Certificate,
    Credential,
    Hmac,
    OAuthClient,
    PrivateKey,
)
from exchange_service.providers.provider import Question
from exchange_service.providers.rest import RestProvider
from harness.credential_office import EGRESS, Office, office
from harness.guarded import guarded
from harness.papers import Authority
from harness.postgres import Database
from runtime import logs
from runtime.errors import Refusal
from wire import codes, scopes
from wire.catalog import Interface, Operation, State

pytestmark = pytest.mark.anyio
AUTHORITY = Authority()
PAPER = AUTHORITY.paper("exchange")
CANARY = "kanarienvogel-7f3a-4d19-zwitschert"
PEM_LINES = PAPER.key.splitlines()[1:-1]
GET = Operation(method="GET", path="", target="/v1/ins")
BASIC = Basic(user="tongdao", password=CANARY)

KINDS: dict[str, tuple[Credential, list[str]]] = {
    "basic": (BASIC, [CANARY]),
    "api-key": (ApiKey(value=CANARY, header="x-api-key"), [CANARY]),
    "oauth": (OAuthClient(token_url="http://127.0.0.1:65001/t", client_id="t", client_secret=CANARY), [CANARY]),
    "hmac": (Hmac(key_id="k1", secret=CANARY), [CANARY]),
    "mtls": (Certificate(certificate=PAPER.certificate, key=PAPER.key, authorities=AUTHORITY.pem), PEM_LINES),
    "private-key": (PrivateKey(user="tongdao", key=PAPER.key), PEM_LINES),
}


@pytest.fixture
async def one(database: Database) -> AsyncIterator[Office]:
    async with office(database) as opened:
        yield opened


# --- put, listed, deleted -------------------------------------------------------------------------------------------
@pytest.mark.requirement("CRD-07")
@pytest.mark.parametrize("kind", KINDS)
async def test_one_is_put_used_listed_and_deleted(one: Office, kind: str) -> None:
    credential, _ = KINDS[kind]
    put = await one.put("core", credential)
    assert put.status_code == 200, put.text
    kept = put.json()
    assert kept.keys() == {"department", "name", "kind", "version", "changed_at", "changed_by"}
    assert (kept["department"], kept["name"], kept["kind"], kept["changed_by"]) == ("rsj", "core", kind, "c-1")
    assert one.keychain.of("rsj", "core") == credential
    assert (await one.ask("GET", "/rsj/core")).json() == kept
    assert (await one.ask("GET", "?department=rsj")).json() == {"items": [kept]}
    assert (await one.ask("DELETE", "/rsj/core")).status_code == 204
    with pytest.raises(Refusal, match="deleted"):
        one.keychain.of("rsj", "core")
    assert (await one.ask("GET", "?department=rsj")).json() == {"items": []}
    assert [leaf.event for leaf in one.sink.leaves] == ["credential.put", "credential.deleted"]
    facts = {"owner": "rsj", "credential": "core"}
    assert one.sink.leaves[0].facts == {**facts, "kind": kind, "version": str(kept["version"])}
    assert one.sink.leaves[1].facts == facts


@pytest.mark.requirement("CRD-07")
async def test_a_new_version_is_newer(one: Office) -> None:
    first = (await one.put("core", BASIC)).json()
    second = (await one.put("core", Hmac(key_id="k", secret=CANARY))).json()
    assert second["version"] > first["version"]
    assert second["kind"] == "hmac"


@pytest.mark.requirement("CRD-07")
@pytest.mark.parametrize(
    ("department", "allowed", "code"),
    [
        pytest.param("rsj", [scopes.OFFICER], "", id="its-officer"),
        pytest.param("platform", [scopes.CATALOG_WRITE], "", id="the-operator"),
        pytest.param("zjj", [scopes.OFFICER], "request/not-responsible", id="anothers-officer"),
        pytest.param("rsj", [scopes.CALL], "token/insufficient-scope", id="its-system"),
        pytest.param("rsj", [scopes.HEAD], "token/insufficient-scope", id="its-head"),
        pytest.param("rsj", [scopes.CATALOG_WRITE], "token/insufficient-scope", id="its-writer-without-office"),
        pytest.param("platform", [scopes.CALL], "token/insufficient-scope", id="operator-without-scope"),
        pytest.param("platform", [scopes.OFFICER], "request/not-responsible", id="officer-of-the-platform"),
    ],
)
async def test_who_may(one: Office, department: str, allowed: list[str], code: str) -> None:
    await one.put("core", BASIC)
    before = len(one.sink.leaves)
    body = msgspec.json.encode(BASIC)
    for method, path in (
        ("GET", "?department=rsj"), ("GET", "/rsj/core"), ("PUT", "/rsj/core"), ("DELETE", "/rsj/core"),
    ):  # fmt: skip
        content = body if method == "PUT" else b""
        answer = await one.ask(method, path, department, *allowed, content=content)
        assert answer.json().get("code") == code if code else answer.status_code in (200, 204)
    assert len(one.sink.leaves) == before + (0 if code else 2)


@pytest.mark.requirement("CRD-07")
async def test_what_an_interface_in_use_names_is_not_deleted(one: Office) -> None:
    await one.put("core", BASIC)
    interface = Interface(
        id="ins", version="v1", provider="rsj", name="ins", base_url="http://127.0.0.1:1", networks=[], fields=[],
        credential="core", operations=[GET],
    )  # fmt: skip
    one.served += [interface, msgspec.structs.replace(interface, id="other", provider="zjj")]
    refused = await one.ask("DELETE", "/rsj/core")
    assert (refused.status_code, refused.json()["interfaces"]) == (409, ["ins/v1"])
    assert [leaf.event for leaf in one.sink.leaves] == ["credential.put"]
    one.served[0] = msgspec.structs.replace(interface, state=State(standing="suspended"))
    assert (await one.ask("DELETE", "/rsj/core")).status_code == 204


@pytest.mark.requirement("CRD-07")
async def test_without_a_department_they_are_ones_own_and_for_the_operator_everybodys(one: Office) -> None:
    await one.put("core", BASIC)
    await one.put("core", BASIC, "zjj")
    everybody = await one.ask("GET", "", "platform", scopes.CATALOG_WRITE)
    assert [kept["department"] for kept in everybody.json()["items"]] == ["rsj", "zjj"]
    own = await one.ask("GET", "")
    assert [kept["department"] for kept in own.json()["items"]] == ["rsj"]
    assert (await one.ask("GET", "", "rsj", scopes.CALL)).json()["code"] == "token/insufficient-scope"
    assert (await one.ask("GET", "", "platform", scopes.OFFICER)).json()["code"] == "request/not-responsible"


@pytest.mark.requirement("CRD-07")
@pytest.mark.parametrize("mode", ["down", "full", "forgetful"])
async def test_without_the_log_nothing_changes(one: Office, mode: str) -> None:
    await one.put("core", BASIC)
    one.sink.mode = mode
    other = Hmac(key_id="k", secret=CANARY)
    assert (await one.put("core", other)).json()["code"] == codes.AUDIT_UNAVAILABLE.name
    assert (await one.ask("DELETE", "/rsj/core")).json()["code"] == codes.AUDIT_UNAVAILABLE.name
    await one.keychain.tick()
    assert one.keychain.of("rsj", "core") == BASIC


@pytest.mark.requirement("CRD-07")
async def test_what_is_not_there_is_not_found(one: Office) -> None:
    assert (await one.ask("GET", "/rsj/core")).json()["code"] == "request/not-found"
    assert (await one.ask("DELETE", "/rsj/core")).json()["code"] == "request/not-found"
    assert one.sink.leaves == []


# --- refused when it is put -----------------------------------------------------------------------------------------
@pytest.mark.requirement("CRD-08")
@pytest.mark.parametrize(
    ("body", "path"),
    [
        pytest.param(b"", "/body", id="empty"),
        pytest.param(b"\xff\xfe", "/body", id="not-utf-8"),
        pytest.param(b"[" * 10_000, "/body", id="deep"),
        pytest.param(b'{"x":' * 10_000, "/body", id="deep-members"),
        pytest.param(b'"' + CANARY.encode() + b'"', "/body", id="text"),
        pytest.param(b'{"kind":"' + CANARY.encode() + b'"}', "/body", id="unknown-kind"),
        pytest.param(b'{"kind":"basic","user":"u"}', "/body", id="missing-member"),
        pytest.param(b'{"kind":"basic","user":"u","password":"p","' + CANARY.encode() + b'":1}', "/body", id="more"),
        pytest.param(b'{"kind":"basic","user":"u","password":12345678}', "/body", id="number"),
        pytest.param(b'{"kind":"basic","user":"u","password":"a\\u0000b"}', "/body/password", id="nul"),
        pytest.param(b'{"kind":"basic","user":"u","password":"\\ud800"}', "/body", id="half-a-character"),
        pytest.param(b'{"kind":"hmac","key_id":"k","secret":"short"}', "/body/secret", id="short-secret"),
        pytest.param(b'{"kind":"hmac","key_id":"k","suite":"' + CANARY.encode() + b'"}', "/body", id="unknown-suite"),
    ],
)  # fmt: skip
async def test_what_is_no_credential_is_refused_at_its_place(one: Office, body: bytes, path: str) -> None:
    answer = await one.ask("PUT", "/rsj/core", content=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "request/invalid"
    assert path in [error["path"] for error in answer.json()["errors"]]
    assert CANARY not in answer.text
    assert "12345678" not in answer.text
    assert one.sink.leaves == []


@pytest.mark.requirement("CRD-08")
@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param(b'{"kind":"api-key"}', ("value", "header, query"), id="missing"),
        pytest.param(b'{"kind":"hmac","key":"k","secret":"s"}', ("key_id, secret", "suite"), id="unknown"),
        pytest.param(b'{"kind":"apikey"}', ("basic, api-key, oauth, mtls, hmac, private-key",), id="kind"),
        pytest.param(b"[]", ("basic, api-key, oauth, mtls, hmac, private-key",), id="list"),
    ],
)
async def test_what_is_wanted_instead_is_told_by_name(one: Office, body: bytes, named: tuple[str, ...]) -> None:
    [error] = (await one.ask("PUT", "/rsj/core", content=body)).json()["errors"]
    for name in named:
        assert name in error["error"]
        assert name in error["zh"]
        assert name in error["en"]


@pytest.mark.requirement("CRD-08")
@pytest.mark.parametrize(
    ("url", "rule"),
    [
        pytest.param("https://169.254.169.254/token", "address/forbidden", id="metadata"),
        pytest.param("https://u:kanarie@rsj.example/token", "url/userinfo", id="userinfo"),
        pytest.param("gopher://rsj.example/token", "url/scheme", id="scheme"),
    ],
)
async def test_a_forbidden_token_address_is_400_and_names_the_rule(one: Office, url: str, rule: str) -> None:
    answer = await one.put("core", OAuthClient(token_url=url, client_id="c", client_secret=CANARY))
    assert answer.status_code == 400
    assert answer.json()["code"] == "registration/forbidden"
    assert [(error["path"], error["rule"]) for error in answer.json()["errors"]] == [("/body/token_url", rule)]
    assert "kanarie" not in answer.text


@pytest.mark.requirement("CRD-08")
@pytest.mark.parametrize("path", ["/RSJ/core", "/rsj/a%2Fb", "/rsj/%00", "/rsj/" + "a" * 65, "/rsj/..%2Fx"])
async def test_names_are_plain(one: Office, path: str) -> None:
    answer = await one.ask("PUT", path, content=msgspec.json.encode(BASIC))
    assert answer.status_code in (404, 422)
    assert one.sink.leaves == []


@pytest.mark.requirement("CRD-08")
async def test_a_body_without_end_is_not_read(one: Office) -> None:
    answer = await one.ask("PUT", "/rsj/core", content=b" " * 200_000)
    assert answer.status_code == 413


# --- nowhere in clear -----------------------------------------------------------------------------------------------
async def _everything_kept(database: Database) -> bytes:
    """Every column of every table, as text and as the bytes that it holds."""
    connection = await asyncpg.connect(database.url)
    tables = await connection.fetch(
        "SELECT table_schema AS s, table_name AS t FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    kept = b""
    for table in tables:
        for row in await connection.fetch(f'SELECT * FROM "{table["s"]}"."{table["t"]}"'):
            kept += b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    statements = await connection.fetch("SELECT query FROM pg_stat_activity")
    await connection.close()
    return kept + "\n".join(row["query"] or "" for row in statements).encode()


def _processes() -> bytes:
    """What everybody on this machine may see of us and of our children."""
    return b"".join(file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if _is_there(file))


def _is_there(file: Path) -> bool:
    try:
        file.read_bytes()
    except OSError:
        return False
    return True


async def _fail_at_a_provider(one: Office) -> str:
    """Ask a provider that refuses; what a careless handler would say of that."""
    async with guarded(lambda _: False) as origin:
        interface = Interface(
            id="ins", version="v1", provider="rsj", name="ins", base_url=origin.url, networks=["127.0.0.0/8"],
            fields=[], credential="core", operations=[GET],
        )  # fmt: skip
        adapter = RestProvider(interface, EGRESS, lambda: one.keychain.of("rsj", "core"), one.keychain)
        try:
            answer = await adapter.ask(Question(operation=GET), 5.0)
            said = f"{answer.status}"
        except Refusal as refused:
            structlog.get_logger().exception("call.failed", credential=one.keychain.of("rsj", "core"))
            logging.getLogger("library").exception("failed %s", one.keychain.of("rsj", "core"))
            said = f"{refused!r} {refused.facts} {vars(one.keychain)!r} {adapter!r}"
        adapter.close()
    return said


@pytest.mark.requirement("CRD-06")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_secret_stands_nowhere(
    one: Office, kind: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    credential, canaries = KINDS[kind]
    files: list[str] = []
    load = ssl.SSLContext.load_cert_chain

    def watched(self: ssl.SSLContext, file: str, *more: Any, **named: Any) -> None:
        files.append(Path(file).read_text())
        load(self, file, *more, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    logs.configure("exchange-1", "DEBUG")
    try:
        said = (await one.put("core", credential)).text
        said += (await one.ask("GET", "/rsj/core")).text + (await one.ask("GET", "?department=rsj")).text
        said += (await one.ask("PUT", "/rsj/core", content=msgspec.json.encode(credential)[:-3])).text
        said += await _fail_at_a_provider(one)
        said += repr(one.sink.leaves) + json.dumps([leaf.facts for leaf in one.sink.leaves])
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        logging.basicConfig(force=True)
    written = "".join(capfd.readouterr())
    kept = await _everything_kept(one.database) + _processes()
    assert ("provider/" in said) or kind == "mtls"
    for canary in canaries:
        assert canary not in said
        assert canary not in written
        assert canary.encode() not in kept
        assert canary not in "".join(files)
