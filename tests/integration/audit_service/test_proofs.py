"""Proofs, receipts and raw leaves over HTTP: of every shard, from the database and from the archive."""

import base64
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
import msgspec
import pytest
from fastapi import FastAPI
from joserfc import jwk, jws

from audit_service.api import leases, proofs, records
from audit_service.checkpoint import Signer
from audit_service.records import Records
from audit_service.store import Kept
from audit_service.writer import Writer
from harness.audit_log import Log, ids
from harness.receipts import ORIGIN, key
from harness.shards import NEXT, events, sequence
from runtime.errors import Refusal
from runtime.http import AsyncClient
from runtime.ids import uuid7
from runtime.server import make_app
from runtime.service_auth import ServiceKey
from tlog import receipt
from tlog.checkpoint import open_checkpoint, parse, split_note
from tlog.hashes import SHA256, SM3, SUITES
from tlog.proofs import verify_consistency, verify_inclusion
from wire import codes, scopes
from wire.tokens import Door, Verifier, keys_of

pytestmark = pytest.mark.anyio
ISSUER = "http://gateway.test"
SIGNING = jwk.ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})


def app_of(log: Log, **parts: Any) -> FastAPI:
    """The routes of this part, over a log."""
    identity = AsyncClient(transport=httpx2.MockTransport(_keys), base_url="http://identity.test")
    door = Door(Verifier(ISSUER, ISSUER, keys_of(identity)))
    app = make_app("log", _lifespan, _ready)
    writer = Writer("audit-1", log.database, log.ingest)
    app.include_router(records.router(Records(log.database, writer, **parts), door))
    app.include_router(proofs.router(log.database))
    app.include_router(leases.router(log.database, ServiceKey(b"x" * 32, "gateway")))
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


async def _ready() -> None:
    pass


def _keys(_request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json={"keys": [SIGNING.as_dict(private=False)]})


def client_of(log: Log, **parts: Any) -> AsyncClient:
    return AsyncClient(transport=httpx2.ASGITransport(app_of(log, **parts)), base_url="http://audit.test")


def bearer(department: str, *scope: str) -> dict[str, str]:
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": ISSUER, "aud": ISSUER, "sub": "c-1", "client_id": "c-1", "department": department,
              "scope": " ".join(scope), "iat": now, "exp": now + 300, "jti": str(uuid7())}  # fmt: skip
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    token = jws.serialize_compact(header, msgspec.json.encode(claims), SIGNING, ["ES256"])
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.requirement("SEQ-08")
async def test_anybody_can_follow_every_shard(log: Log) -> None:
    await log.calls(3)
    await sequence(log)
    await sequence(log, NEXT, 2, 3, suite=SM3)
    await log.calls(2)
    await sequence(log, NEXT, 2, 3, suite=SM3)
    client = client_of(log)
    logs = (await client.get("/logs")).json()["logs"]
    assert [(one["n"], one["log"], one["suite"], one["first"], one["size"], one["state"]) for one in logs] == [
        (1, ORIGIN, "SHA-256", 0, 10, "frozen"), (2, NEXT, "SM3", 10, 5, "open"),
    ]  # fmt: skip
    keys = (await client.get("/key")).text.splitlines()
    assert keys == Signer(NEXT, key(2), key(3)).vkeys(NEXT) == [one["vkey"] for one in logs[1]["keys"]]
    assert (await client.get("/checkpoint")).text == (await client.get("/log/2/checkpoint")).text
    leaves = await log.leaves()
    for one in logs:
        suite, n = SUITES[one["suite"]], one["n"]
        vkeys = [item["vkey"] for item in one["keys"]]
        note = open_checkpoint((await client.get(f"/log/{n}/checkpoint")).text, *vkeys)
        tile = await client.get(f"/log/{n}/tile/0/000.p/{one['size']}")
        assert "immutable" in tile.headers["cache-control"]
        own = leaves[one["first"] : one["first"] + one["size"]]
        assert tile.content == b"".join(suite.leaf(leaf) for leaf in own)
        for index in range(one["size"]):
            answer = await client.get(f"/log/{n}/proof/inclusion", params={"index": index, "size": one["size"]})
            path = [base64.b64decode(step) for step in answer.json()["proof"]]
            verify_inclusion(suite.leaf(own[index]), index, note.size, path, note.root, suite=suite)
        notes = await log.fetch("SELECT size, note FROM audit.checkpoint WHERE shard = $1 AND size > 0", n)
        roots = {size: parse(split_note(text).text).root for size, text in notes}
        for older, newer in itertools.pairwise(sorted(roots)):
            answer = await client.get(f"/log/{n}/proof/consistency", params={"from": older, "to": newer})
            assert (answer.json()["from"], answer.json()["to"]) == (older, newer)
            path = [base64.b64decode(step) for step in answer.json()["proof"]]
            verify_consistency(older, newer, path, roots[older], roots[newer], suite=suite)


@pytest.mark.requirement("SEQ-08")
async def test_what_is_not_there_is_refused(log: Log) -> None:
    client = client_of(log)
    for path in ("/checkpoint", "/key", "/tile/0/000", "/log/1/checkpoint", "/proof/inclusion?index=0&size=1"):
        assert (await client.get(path)).status_code == 404, path
    assert (await client.get("/logs")).json() == {"logs": []}
    await log.calls(1)
    await log.sequence()
    for path in ("/log/2/checkpoint", "/log/2/tile/0/000.p/1", "/tile/0/000.p/3", "/tile/0/x000/000"):
        assert (await client.get(path)).status_code == 404, path
    for path in (
        "/log/0/checkpoint", "/log/x/checkpoint", "/proof/inclusion?index=2&size=2", "/proof/inclusion?index=0",
        "/proof/inclusion?index=0&size=3", "/proof/inclusion?index=-1&size=1", "/proof/consistency?from=1",
        "/proof/inclusion?index=0&size=1&x=1", f"/proof/inclusion?index=0&size={2**70}",
    ):  # fmt: skip
        assert (await client.get(path)).status_code == 422, path


@pytest.mark.requirement("SEQ-09")
async def test_a_call_over_two_shards_has_a_receipt_in_each(log: Log) -> None:
    [call] = ids(1)
    await log.write((call, "intent"))
    await sequence(log)
    await sequence(log, NEXT)
    await log.write((call, "outcome"))
    await sequence(log, NEXT)
    client = client_of(log)
    newest = await client.get(f"/records/{call}", headers=bearer("民政局"))
    assert (newest.status_code, newest.headers["tongdao-state"]) == (200, "published")
    older = await client.get(f"/records/{call}", params={"log": ORIGIN}, headers=bearer("民政局"))
    phases = []
    for answer, vkey in ((older, Signer(ORIGIN, key()).vkey), (newest, Signer(NEXT, key()).vkey)):
        [leaf] = receipt.verify(receipt.parse(answer.content), vkey)
        phases.append(leaf["phase"])
    assert phases == ["intent", "outcome"]
    for query, status in (("log=x", 404), ("logs=x", 422)):
        assert (await client.get(f"/records/{call}?{query}", headers=bearer("民政局"))).status_code == status


@pytest.mark.requirement("SEQ-09")
async def test_a_witnessed_checkpoint_is_preferred_where_it_covers_the_call(log: Log) -> None:
    first = (await log.calls(1))[0]
    await log.sequence()
    second = (await log.calls(1))[0]
    await log.sequence()
    [older] = await log.fetch("SELECT note FROM audit.checkpoint WHERE size = 2")

    async def witnessed(_connection: Any, shard: int) -> tuple[int, str]:
        assert shard == 1
        return 2, older[0]

    client = client_of(log, witnessed=witnessed)
    states = []
    for call in (first, second):
        answer = await client.get(f"/records/{call}", headers=bearer("公安局"))
        receipt.verify(receipt.parse(answer.content), log.signer.vkey)
        states.append((answer.headers["tongdao-state"], parse(split_note(answer.json()["checkpoint"]).text).size))
    assert states == [("witnessed", 2), ("published", 4)]


@pytest.mark.requirement("SEQ-10")
async def test_auditors_get_the_leaves_to_build_the_tree_again(log: Log) -> None:
    await log.calls(2)
    await sequence(log)
    await sequence(log, NEXT, suite=SM3)
    client = client_of(log)
    refused = await client.get("/entries?from=0&to=6", headers=bearer("民政局"))
    assert (refused.status_code, refused.json()["code"]) == (403, codes.NOT_YOURS.name)
    answer = await client.get("/entries?from=0&to=1000", headers=bearer("审计局", scopes.AUDIT_READ))
    lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
    assert [(line["log"], line["index"]) for line in lines] == [(ORIGIN, i) for i in range(5)] + [(NEXT, 0)]
    assert [base64.b64decode(line["leaf"]) for line in lines] == await log.leaves()
    suites = [SHA256] * 5 + [SM3]
    for line, suite in zip(lines, suites, strict=True):
        assert base64.b64decode(line["hash"]) == suite.leaf(base64.b64decode(line["leaf"]))
    for query in ("from=5&to=5", "from=0&to=1001", "from=-1&to=5", "from=0", "from=0&to=5&x=1", f"from=0&to={2**70}"):
        assert (await client.get(f"/entries?{query}", headers=bearer("审计局", scopes.AUDIT_READ))).status_code == 422
    await sequence(log, NEXT, suite=SM3)
    assert [name for name, _ in await events(log)][-2:] == ["entries.refused", "entries.read"]


class Shelf:
    """An archive that holds what was taken from the database, or has disposed of it."""

    def __init__(self, kept: list[Kept], *, disposed: bool = False) -> None:
        self._kept = kept
        self._disposed = disposed

    async def leaves(self, _segment: str, indexes: Sequence[int] | range) -> list[Kept]:
        if self._disposed:
            raise Refusal(codes.DISPOSED)
        return [one for one in self._kept if one.index in indexes]


async def shelved(log: Log) -> list[Kept]:
    """Take the personal leaves out of the database, as archiving does."""
    query = """SELECT leaf_index, l.body, e.body, i.kind FROM audit.leaf l JOIN audit.entry_index i USING (leaf_index)
               LEFT JOIN audit.erasable e USING (leaf_index) WHERE l.segment LIKE '%personal' ORDER BY 1"""
    kept = [Kept(*row) for row in await log.fetch(query)]
    for table in ("leaf", "erasable"):
        await log.fetch(f"DELETE FROM audit.{table} WHERE segment LIKE '%personal'")
    return kept


@pytest.mark.requirement("SEQ-09")
async def test_a_receipt_is_the_same_when_its_leaves_are_only_in_the_archive(log: Log) -> None:
    [call] = await log.calls(1)
    await log.calls(3)
    await log.sequence()
    hot = await client_of(log).get(f"/records/{call}", headers=bearer("民政局"))
    kept = await shelved(log)
    away = await client_of(log).get(f"/records/{call}", headers=bearer("民政局"))
    assert (away.status_code, away.json()["code"]) == (503, codes.ARCHIVE_AWAY.name)
    cold = await client_of(log, cold=Shelf(kept)).get(f"/records/{call}", headers=bearer("民政局"))
    assert cold.json() == hot.json()
    refused = await client_of(log, cold=Shelf(kept)).get(f"/records/{call}", headers=bearer("教育局"))
    assert refused.status_code == 403
    gone = await client_of(log, cold=Shelf([], disposed=True)).get(f"/records/{call}", headers=bearer("民政局"))
    assert (gone.status_code, gone.json()["code"]) == (410, codes.DISPOSED.name)


@pytest.mark.requirement("SEQ-10")
async def test_of_disposed_leaves_auditors_get_the_hashes(log: Log) -> None:
    await log.calls(1)
    await log.write((ids(1)[0], "denied"), retention="general")
    await log.sequence()
    leaves = await log.leaves()
    await shelved(log)
    client = client_of(log, cold=Shelf([], disposed=True))
    answer = await client.get("/entries?from=0&to=3", headers=bearer("审计局", scopes.AUDIT_READ))
    lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
    assert [line["leaf"] is None for line in lines] == [True, True, False]
    assert [base64.b64decode(line["hash"]) for line in lines] == [SHA256.leaf(leaf) for leaf in leaves]


async def test_nobody_else_may_write_under_the_log_s_own_name(log: Log) -> None:
    client = client_of(log)
    wanted = b'{"gateway":"sequencer","action":"start"}'
    headers = ServiceKey(b"x" * 32, "gateway").headers("POST", "/leases", wanted)
    assert (await client.post("/leases", content=wanted, headers=headers)).status_code == 422
