"""The audit service as others meet it: a real server, both lanes, receipts that verify offline."""

import asyncio
import base64
import itertools
import json
import time
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import msgspec
import pytest
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwk, jws

from audit_service.app import build
from audit_service.records import Records
from audit_service.settings import Settings
from audit_service.writer import Writer
from harness.audit_log import Log, ids, record
from harness.merkle import Definition
from harness.postgres import Database
from harness.receipts import ORIGIN, key
from relay.protocol import call_protocol
from runtime.errors import Refusal
from runtime.http import AsyncClient, Response
from runtime.ids import uuid7
from runtime.service_auth import ServiceKey
from tlog import receipt
from tlog.checkpoint import open_note
from tlog.proofs import verify_consistency
from wire import codes, scopes
from wire.audit import Event, Phase, frames
from wire.lease import EventWriter, LeaseRequest, ask_lease, batch_headers
from wire.tokens import AccessToken

pytestmark = pytest.mark.anyio
SECRET = b"a secret that is shared by all services"
ISSUER = "http://gateway.test"
SIGNING = jwk.ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})


class Service:
    """A running audit service, and one gateway that writes into it."""

    def __init__(self, address: str) -> None:
        self.client = AsyncClient(base_url=address, timeout=10)
        self.key = ServiceKey(SECRET, "gateway")
        self.epoch = 0
        self.next = 0

    async def start(self) -> None:
        self.epoch = await ask_lease(self.client, self.key, LeaseRequest("gateway-1", "start"))
        self.next = 0

    async def post(self, records: list[tuple[bytes, bytes]], **changed: str) -> Response:
        body = frames(records)
        headers = {
            **batch_headers("gateway-1", self.epoch, self.next, len(records)),
            **self.key.headers("POST", "/batches", body),
            **changed,
        }
        return await self.client.post("/batches", content=body, headers=headers)

    async def call(self) -> str:
        """A whole call of 民政局 to 公安局; its id."""
        [call] = ids(1)
        phases: tuple[Phase, Phase] = ("intent", "outcome")
        made = [record(call, "gateway-1", self.epoch, self.next + i, phase) for i, phase in enumerate(phases)]
        answer = await self.post(made)
        assert answer.status_code == 204, answer.text
        self.next += 2
        return call

    async def ask(self, path: str, department: str, *scope: str) -> Response:
        """A request with a token of a department; waits while the answer is 202."""
        now = int(time.time())
        claims = {
            "iss": ISSUER, "aud": ISSUER, "sub": "c-1", "client_id": "c-1", "department": department,
            "scope": " ".join(scope), "iat": now, "exp": now + 300, "jti": str(uuid7()),
        }  # fmt: skip
        token = jws.serialize_compact(
            {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, msgspec.json.encode(claims), SIGNING, ["ES256"]
        )
        while True:
            answer = await self.client.get(path, headers={"Authorization": f"Bearer {token}"})
            if answer.status_code != 202:
                return answer
            assert answer.headers["retry-after"] == "1"
            await asyncio.sleep(0.02)

    async def vkey(self) -> str:
        return (await self.client.get("/key")).text.strip()


def settings_of(database: Database, folder: Path) -> Settings:
    (folder / "service.secret").write_bytes(SECRET)
    (folder / "signing.pem").write_bytes(key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "subject.key").write_bytes(bytes(range(32)))
    (folder / "archive").mkdir()
    return Settings(
        port=1, service_secret_file=folder / "service.secret", database_url=database.url_of("audit"), issuer=ISSUER,
        audience=ISSUER, identity_url="http://identity.test", origin=ORIGIN,
        signing_key_file=folder / "signing.pem", published_file=folder / "published",
        catalog_url="http://catalog.test", archive_url=(folder / "archive").as_uri(),
        subject_key_file=folder / "subject.key",
    )  # fmt: skip


def keys(_request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json={"keys": [SIGNING.as_dict(private=False)]})


def catalog_away() -> AsyncClient:
    """Nothing here needs the catalog."""
    return AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(503)), base_url="http://catalog.test")


@pytest.fixture
async def service(database: Database, tmp_path: Path) -> AsyncIterator[Service]:
    identity = AsyncClient(transport=httpx2.MockTransport(keys), base_url="http://identity.test")
    app, handle = build(settings_of(database, tmp_path), identity, catalog_away())
    protocol = call_protocol(prefix=b"/batches", handle=handle)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, http=protocol, loop="none", ws="none", log_config=None)
    )
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    service = Service(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    await service.start()
    yield service
    await service.client.aclose()
    server.should_exit = True
    await running


def decoded(answer: Response) -> list[dict[str, Any]]:
    return [msgspec.json.decode(base64.b64decode(entry["leaf"])) for entry in answer.json()["records"]]


@pytest.mark.requirement("AUD-17")
async def test_a_receipt_verifies_offline_with_the_key_of_the_log(service: Service) -> None:
    call = await service.call()
    answer = await service.ask(f"/records/{call}", "民政局")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    leaves = receipt.verify(receipt.parse(answer.content), await service.vkey())
    assert [(leaf["call"], leaf["phase"]) for leaf in leaves] == [(call, "intent"), (call, "outcome")]
    assert [entry["salt"] for entry in answer.json()["records"]] == [bytes(range(16)).hex()] * 2


@pytest.mark.requirement("AUD-17")
async def test_a_receipt_has_the_published_schema(service: Service) -> None:
    answer = await service.ask(f"/records/{await service.call()}", "民政局")
    published = await service.client.get("/schema/receipt.json")
    assert published.content == (files("audit_service") / "receipt.schema.json").read_bytes()
    jsonschema_rs.validator_for(published.json()).validate(answer.json())


@pytest.mark.requirement("AUD-18")
@pytest.mark.requirement("JDZ-16-3")
async def test_only_those_who_took_part_and_auditors_see_a_record(service: Service) -> None:
    call = await service.call()
    for department, scope in (("民政局", ()), ("公安局", ()), ("审计局", (scopes.AUDIT_READ,))):
        assert (await service.ask(f"/records/{call}", department, *scope)).status_code == 200
    for department, said in (("教育局", (403, codes.NOT_YOURS.name)), ("", (401, codes.TOKEN_INVALID.name))):
        refused = await service.ask(f"/records/{call}", department, scopes.CALL)
        assert (refused.status_code, refused.json()["code"]) == said
    assert (await service.ask(f"/records/{ids(1)[0]}", "民政局")).status_code == 404
    assert (await service.client.get(f"/records/{call}")).status_code == 401


@pytest.mark.requirement("AUD-18")
async def test_looking_a_record_up_is_itself_on_record(service: Service, database: Database, tmp_path: Path) -> None:
    call = await service.call()
    await service.ask(f"/records/{call}", "公安局")
    await service.ask(f"/records/{call}", "教育局")
    log = Log(database.url, database.url_of("audit"), tmp_path)
    while await log.fetch("SELECT id FROM audit.batch"):
        await asyncio.sleep(0.02)
    events = [leaf for raw in await log.leaves() if (leaf := msgspec.json.decode(raw))["kind"] == "event"]
    assert [(event["event"], event["department"], event["actor"], event["facts"]) for event in events] == [
        ("record.viewed", "公安局", "c-1", {"call": call}),
        ("record.refused", "教育局", "c-1", {"call": call}),
    ]
    seen = await service.ask(f"/records/{events[0]['call']}", "公安局")
    assert decoded(seen)[0]["event"] == "record.viewed"


@pytest.mark.requirement("AUD-19")
async def test_anybody_can_follow_the_log_without_seeing_a_call(service: Service) -> None:
    notes = []
    for _ in range(3):
        await service.ask(f"/records/{await service.call()}", "民政局")
        notes.append(open_note((await service.client.get("/checkpoint")).text, await service.vkey()))
    assert [note.size for note in notes] == sorted({note.size for note in notes})
    for older, newer in itertools.pairwise(notes):
        answer = await service.client.get("/proof/consistency", params={"from": older.size, "to": newer.size})
        proof = [base64.b64decode(step) for step in answer.json()["proof"]]
        verify_consistency(older.size, newer.size, proof, older.root, newer.root)
    newest = notes[-1]
    tile = await service.client.get(f"/tile/0/000.p/{newest.size}")
    hashes = [tile.content[i : i + 32] for i in range(0, len(tile.content), 32)]
    tree = Definition([])
    tree.leaf_hashes = hashes
    assert tree.root(newest.size) == newest.root
    shorter = await service.client.get(f"/tile/0/000.p/{notes[0].size}")
    assert tile.content.startswith(shorter.content)


@pytest.mark.requirement("AUD-19")
async def test_tiles_and_proofs_beyond_the_log_are_not_made_up(service: Service) -> None:
    await service.ask(f"/records/{await service.call()}", "民政局")
    for path in ("0/000", "0/000.p/255", "0/001", "0/0", "0/x000/000", "1/000", "64/000", "0/000.p/0", "0/000.p/256",
                 "0/x999/x999/x999/x999/x999/x999/999", "entries/000", ""):  # fmt: skip
        assert (await service.client.get(f"/tile/{path}")).status_code == 404, path
    for older, newer in ((0, 1), (2, 1), (1, 9999), (1, "x")):
        answer = await service.client.get("/proof/consistency", params={"from": older, "to": newer})
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid")


@pytest.mark.requirement("AUD-20")
async def test_only_services_may_write(service: Service) -> None:
    [call] = ids(1)
    leaf = [record(call, "gateway-1", service.epoch, 0, "denied")]
    of_another = service.key.headers("POST", "/batches", frames(leaf) + b" ")["Tongdao-Service"]
    for header in ("", "gateway;1;x;y", of_another):
        assert (await service.post(leaf, **{"Tongdao-Service": header})).status_code == 401
        assert (
            await service.client.post("/leases", content=b"{}", headers={"Tongdao-Service": header})
        ).status_code == 401
    assert (await service.post(leaf)).status_code == 204
    assert (await service.client.get("/batches")).status_code == 405


@pytest.mark.requirement("AUD-20")
async def test_writers_are_told_what_is_wrong_with_a_batch(service: Service) -> None:
    leaf = [record(ids(1)[0], "gateway-1", service.epoch, 0, "denied")]
    other = [record(ids(1)[0], "gateway-1", service.epoch, 0, "denied")]
    assert (await service.post(leaf)).status_code == 204
    assert (await service.post(leaf)).status_code == 204
    answers = [
        await service.post(other),
        await service.post(leaf, **{"Tongdao-Count": "2"}),
        await service.post(leaf, **{"Tongdao-Count": "x"}),
        await service.post(leaf, **{"Tongdao-Epoch": "99"}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (422, "audit/other-bytes"),
        *[(422, "audit/broken-frame")] * 3,
    ]
    old = service.epoch
    await service.start()
    stale = await service.post(
        [record(ids(1)[0], "gateway-1", old, 5, "denied")], **batch_headers("gateway-1", old, 5, 1)
    )
    assert (stale.status_code, stale.json()["code"]) == (409, "audit/stale-epoch")
    assert (await service.post([(b"x" * 4_300_000, b"")])).status_code == 413


async def test_a_lease_request_that_makes_no_sense_is_refused(service: Service) -> None:
    for wanted in (b"", b"[]", b'{"gateway":"a b","action":"start"}', b'{"gateway":"g","action":"end"}'):
        headers = service.key.headers("POST", "/leases", wanted)
        assert (await service.client.post("/leases", content=wanted, headers=headers)).status_code == 422


@pytest.mark.requirement("AUD-20")
async def test_services_write_events_as_wire_does(service: Service) -> None:
    writer = EventWriter("catalog-1", service.client, ServiceKey(SECRET, "catalog"))
    events = [Event(id=call, at=1, event="grant.given", actor="a", department="数据局", facts={}) for call in ids(3)]
    await writer.write([msgspec.json.encode(event) for event in events[:2]])
    await writer.renew()
    await writer.write([msgspec.json.encode(events[2])])
    for event in events:
        assert decoded(await service.ask(f"/records/{event.id}", "数据局"))[0]["event"] == "grant.given"


@pytest.mark.requirement("AUD-13")
async def test_a_service_that_must_not_sign_is_not_ready_and_goes_on_taking_records(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "published").write_text("5\n" + base64.b64encode(bytes(32)).decode() + "\n")
    identity = AsyncClient(transport=httpx2.MockTransport(keys), base_url="http://identity.test")
    app, _ = build(settings_of(database, tmp_path), identity, catalog_away())
    async with app.router.lifespan_context(app):
        client = AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://audit.test")
        while (ready := await client.get("/health/ready")).status_code == 200:
            await asyncio.sleep(0.02)
        assert ready.status_code == 503
        assert (await client.get("/health/live")).status_code == 200
        assert await ask_lease(client, ServiceKey(SECRET, "gateway"), LeaseRequest("gateway-1", "start")) == 1
        await client.aclose()


@pytest.mark.requirement("AUD-18")
async def test_no_receipt_before_a_checkpoint_covers_all_that_is_known(log: Log) -> None:
    """Without a sequencer: an intent in the tree, its outcome still waiting."""
    records = Records(log.database, Writer("audit-1", log.database, log.ingest))
    ours = AccessToken("c-1", "民政局", frozenset(), 0, "t")
    theirs = AccessToken("c-1", "教育局", frozenset(), 0, "t")
    [call] = ids(1)
    await log.write((call, "intent"))
    assert await records.receipt(call, ours) is None
    await log.sequence()
    under_way = await records.receipt(call, ours)
    assert under_way is not None
    assert len(receipt.verify(under_way.body, log.signer.vkey)) == 1
    await log.write((call, "outcome"))
    assert await records.receipt(call, ours) is None
    with pytest.raises(Refusal) as refused:
        await records.receipt(call, theirs)
    assert refused.value.code is codes.NOT_YOURS
    await log.sequence()
    whole = await records.receipt(call, ours)
    assert whole is not None
    assert len(receipt.verify(json.loads(json.dumps(whole.body)), log.signer.vkey)) == 2
