"""The gateway's whole way of a call over real sockets. Exchange, log and catalog are small, and can be looked into."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import uvicorn
from joserfc import jwk, jwt
from sqlalchemy import delete
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import store
from gateway.admit import Admission
from gateway.authenticate import Authenticator
from gateway.consent import JWKS, Consents, Reader
from gateway.forward import Forwarder
from gateway.handle import Gateway, handle
from gateway.peer import Peers
from gateway.proofs import Proofs
from gateway.question import PREFIXES
from gateway.quota import Quotas
from gateway.record import Recorder
from gateway.shares import Shares
from gateway.snapshot import Catalog
from gateway.strangers import Strangers
from gateway.subject import Subjects
from gateway.usage import Tally
from harness.jws import compact
from harness.origin import HOST, Line, origin
from relay.protocol import call_protocol
from relay.upstream import Upstream
from runtime.db import engine
from runtime.http import AsyncClient, client
from runtime.http import Response as Answer
from runtime.service_auth import ServiceKey
from tongdao_cli.postgres import free_port
from wire import headers
from wire.audit import CallLeaf, records
from wire.calls import CallMessage, ReplyMessage, call_from_header, to_header
from wire.catalog import Department, Field, Grant, Interface, Operation, Snapshot, System
from wire.dpop import Nonces
from wire.feed import FeedReader
from wire.lease import LeaseAnswer
from wire.subjects import SubjectKey
from wire.tokens import Keys, Verifier

ISSUER = "https://tongdao.example"
SERVICES = ServiceKey(b"the secret of all the services here", "gateway")
SUBJECTS = SubjectKey(b"the key of the pseudonyms of a test")
NUMBER = "99010019900307013X"
PERSON = SUBJECTS.pseudonym(NUMBER)
CONSENT = "01939c5e-7a10-7c3e-8d5b-1a2b3c4d5e6f"
KEY = jwk.ECKey.generate_key("P-256", {"kid": "identity-1", "use": "sig"})
CONSENT_KEY = jwk.ECKey.generate_key("P-256", {"kid": "consents-1", "use": "sig"})
SYSTEM, DEPARTMENT, PROVIDER = "sthjj-emission", "sthjj", "gaj"
SCHEMA: dict[str, object] = {"type": "object", "properties": {"id_card": {"type": "string"}}}
PEOPLE = Interface(
    id="gaj-person", version="v1", provider=PROVIDER, name="人口信息", base_url="http://a.example", networks=[],
    operations=[
        Operation(method="GET", path="/{id_card}", target="/{id_card}"),
        Operation(method="POST", path="", target="/"),
    ],
    fields=[Field(name="status"), Field(name="owner", mask="name_first")], subject="id_card", request=SCHEMA,
    retention="personal",
)  # fmt: skip
PEOPLE_GRANT = Grant(
    id="g1", revision=7, system=SYSTEM, department=DEPARTMENT, interface="gaj-person/v1", purpose="核验",
    fields=["status", "owner", "address"],
)  # fmt: skip
Says = Callable[[CallMessage, bytes], tuple[ReplyMessage, bytes]]


def public(*keys: Any) -> dict[str, Any]:
    """A JWK set."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def consent_token(key: Any = CONSENT_KEY, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A consent to look at `status` and `owner`, given a minute ago; a claim that is None is left out."""
    now = int(time.time())
    said = {
        "iss": ISSUER, "aud": ISSUER, "jti": CONSENT, "iat": now - 60, "exp": now + 600, "subject": PERSON,
        "system": SYSTEM, "interface": "gaj-person/v1", "purpose": "核验", "fields": ["status", "owner"], **claims,
    }  # fmt: skip
    stated = {name: claim for name, claim in said.items() if claim is not None}
    return jwt.encode({"alg": "ES256", "typ": "consent+jwt", "kid": key.kid, **(header or {})}, stated, key)


def check(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """A problem document with this code."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    return dict(answer.json())


def yes(message: CallMessage, _body: bytes) -> tuple[ReplyMessage, bytes]:
    """What the exchange says where a test has nothing else in mind."""
    now = int(time.time() * 1000)
    asked = 0 if message.sandbox else now
    return ReplyMessage(
        status=200, call=message.call, asked_ms=asked, answered_ms=asked, fields=["status"],
        content_type="application/json",
    ), b'{"status":"1"}'  # fmt: skip


class Gate:
    """A gateway and its neighbours. `happened` keeps the order of what they were told."""

    def __init__(self, database: str, nonces: Nonces | None = None) -> None:
        self.database = engine(database)
        self.nonces = nonces
        self.interfaces: list[Interface] = []
        self.grants: list[Grant] = []
        self.gateway: Gateway
        self.client: AsyncClient
        self.verifier = Verifier(ISSUER, ISSUER, Keys(_identity))
        self._forget()

    def _forget(self) -> None:
        self.happened: list[str] = []
        self.leaves: list[CallLeaf] = []
        self.asked: list[tuple[CallMessage, bytes]] = []
        self.traces: list[bytes] = []
        self.exchange: Says | Exception = yes
        self.catalog_says: dict[str, tuple[int, str]] = {}
        """Of /use and /release: status and code; 204 where nothing stands."""
        self.told: list[tuple[str, dict[str, str]]] = []

    async def clear(self) -> None:
        """For the next test."""
        self._forget()
        async with self.database.begin() as tx:
            for table in (store.share, store.pool, store.quota):
                await tx.execute(delete(table))
        self.gateway.admission.shares._held.clear()
        self.gateway.admission.quotas._leases.clear()
        self.gateway.admission._tried_out.clear()
        self.gateway.tally._uses.clear()

    # --- the neighbours
    async def exchange_script(self, line: Line) -> None:
        while True:
            head, body = await line.request()
            fields = dict(one.split(b": ", 1) for one in head.split(b"\r\n")[1:] if one)
            message = call_from_header(fields[headers.MESSAGE])
            self.asked.append((message, body))
            self.traces.append(fields.get(b"traceparent", b""))
            self.happened.append("asked")
            if isinstance(self.exchange, Exception):
                return
            reply, content = self.exchange(message, body)
            lines = b"%b: %b\r\ncontent-length: %d\r\n\r\n" % (headers.MESSAGE, to_header(reply), len(content))
            await line.say(b"HTTP/1.1 200 OK\r\n" + lines + content)

    async def log_script(self, line: Line) -> None:
        while True:
            _, body = await line.request()
            for leaf, _ in records(body):
                self.leaves.append(msgspec.json.decode(leaf, type=CallLeaf))
                self.happened.append(self.leaves[-1].phase)
            await line.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    def neighbour(self) -> Starlette:
        """Catalog, and the log's leases."""

        async def snapshot(_request: Request) -> Response:
            departments = [Department(id=DEPARTMENT, name="生态环境局"), Department(id=PROVIDER, name="公安局")]
            systems = [System(id=SYSTEM, department=DEPARTMENT, name="监管系统")]
            return _json(
                Snapshot(
                    revision=1, departments=departments, systems=systems, interfaces=self.interfaces, grants=self.grants
                )
            )  # fmt: skip

        async def jwks(_request: Request) -> Response:
            return _json(public(CONSENT_KEY))

        async def consent(request: Request) -> Response:
            body, step = await request.body(), request.path_params["step"]
            signature = request.headers["tongdao-service"].encode()
            SERVICES.check(signature, b"POST", request.url.path.encode(), body)
            self.told.append((request.url.path, msgspec.json.decode(body)))
            self.happened.append(step)
            status, code = self.catalog_says.get(step, (204, ""))
            return Response(status_code=204) if status == 204 else _json({"code": code}, status)

        async def leases(_request: Request) -> Response:
            return _json(LeaseAnswer(1))

        return Starlette(
            routes=[
                Route("/snapshot", snapshot),
                Route(JWKS, jwks),
                Route("/consents/{number}/{step}", consent, methods=["POST"]),
                Route("/leases", leases, methods=["POST"]),
            ]
        )

    # --- what a test does
    async def knows(self, *things: Interface | Grant) -> None:
        """The gateway's copy of the catalog, anew."""
        self.interfaces = [thing for thing in things if isinstance(thing, Interface)]
        self.grants = [thing for thing in things if isinstance(thing, Grant)]
        self.gateway.feed._revision = None
        await self.gateway.feed.follow()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Of the system's access token; a claim that is None is left out."""
        now = int(time.time())
        said = {
            "iss": ISSUER, "aud": ISSUER, "sub": SYSTEM, "client_id": SYSTEM, "department": DEPARTMENT,
            "scope": "call", "iat": now, "exp": now + 60, "jti": "x", **changes,
        }  # fmt: skip
        return {name: claim for name, claim in said.items() if claim is not None}

    def token(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """The system's access token, or one that differs from it."""
        return compact({"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid, **(header or {})}, self.claims(**changes), KEY)

    async def call(self, method: str, target: str, **arguments: Any) -> Answer:
        sent = {"Authorization": f"Bearer {self.token()}", **arguments.pop("headers", {})}
        return await self.client.request(method, target, headers=sent, **arguments)

    def build(self, exchange: Upstream, log: Upstream, neighbour: AsyncClient) -> Gateway:
        catalog = Catalog()

        async def consents() -> dict[str, Any]:
            found: dict[str, Any] = (await neighbour.get(JWKS)).json()
            return found

        recorder = Recorder("gateway-1", log, neighbour, SERVICES)
        admission = Admission(Shares("gateway-1", self.database), Quotas(self.database))
        peers = Peers()
        return Gateway(
            authenticator=Authenticator(self.verifier, catalog, Proofs(self.database), ISSUER, self.nonces),
            peers=peers, catalog=catalog, feed=FeedReader(neighbour, SERVICES, catalog), admission=admission,
            recorder=recorder, forwarder=Forwarder(exchange, SERVICES), strangers=Strangers(recorder),
            subjects=Subjects(SUBJECTS), consents=Consents(Reader(ISSUER, ISSUER, Keys(consents)), neighbour, SERVICES),
            tally=Tally("gateway-1", neighbour, SERVICES), max_staleness_s=1e9, body_limit_bytes=1024 * 1024,
        )  # fmt: skip


async def _identity() -> dict[str, Any]:
    return public(KEY)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


@asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[int]:
    """A server in this loop; its port."""
    port = free_port()
    config = uvicorn.Config(
        app, host=HOST, port=port, lifespan="off", ws="none", log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=1, **settings,
    )  # fmt: skip
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield port
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def gate(database: str, nonces: Nonces | None = None) -> AsyncIterator[Gate]:
    """A gateway that holds its lease and knows its catalog; `database` as the role tongdao_gateway."""
    it = Gate(database, nonces)
    async with (
        origin(it.exchange_script) as exchange,
        origin(it.log_script) as log,
        serving(it.neighbour()) as port,
        client(f"http://{HOST}:{port}") as neighbour,
    ):
        pools = Upstream(HOST, exchange.port), Upstream(HOST, log.port)
        it.gateway = it.build(*pools, neighbour)
        await it.gateway.recorder.hold_lease()
        protocol = call_protocol(PREFIXES, partial(handle, it.gateway))
        async with serving(Starlette(), http=protocol) as door, client(f"http://{HOST}:{door}") as it.client:
            yield it
        for pool in pools:
            pool.close()
        await it.database.dispose()
        await asyncio.sleep(0)
