"""How tests speak to a catalog service in process: tokens, a log that can go away, what is registered as a rule."""

import time
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from httpx2 import ASGITransport
from joserfc import jwk, jws

from harness.postgres import Database
from runtime import http
from runtime.ids import uuid7
from runtime.service_auth import ServiceKey
from wire import scopes
from wire.audit import EventLeaf, records
from wire.catalog import Feed, Snapshot

ISSUER = "https://gateway.example"
SECRET = b"the secret of a home that is only a test"
WRITE = (scopes.CATALOG_WRITE, scopes.GRANT_WRITE)


class Log:
    """Stands for the audit service: takes batches, or is away."""

    def __init__(self) -> None:
        self.away = False
        self.events: list[EventLeaf] = []
        self.renewals = 0
        self.app = FastAPI()
        self.app.add_api_route("/leases", self._lease, methods=["POST"])
        self.app.add_api_route("/batches", self._batch, methods=["POST"])

    async def _lease(self, request: Request) -> Response:
        if self.away:
            return Response(status_code=503)
        self.renewals += msgspec.json.decode(await request.body())["action"] == "renew"
        return Response(b'{"epoch": 1}', media_type="application/json")

    async def _batch(self, request: Request) -> Response:
        if self.away:
            return Response(status_code=503)
        for leaf, _ in records(await request.body()):
            self.events.append(msgspec.json.decode(leaf, type=EventLeaf))
        return Response(status_code=204)


class Catalog:
    """One running catalog service and how to speak to it."""

    def __init__(self, app: FastAPI, database: Database, key: jwk.ECKey, log: Log) -> None:
        self.app = app
        self.database = database
        self.log = log
        self._key = key
        self.public_key = key.as_dict(private=False)
        self.service_key = ServiceKey(SECRET, "gateway")
        self.client = http.AsyncClient(transport=ASGITransport(app), base_url="http://catalog")

    def token(self, department: str = "platform", allowed: tuple[str, ...] = WRITE, **claims: Any) -> str:
        now = int(time.time())
        payload = {
            "iss": ISSUER, "sub": claims.get("client_id", f"{department}-client"), "aud": ISSUER,
            "client_id": f"{department}-client",
            "department": department, "scope": " ".join(allowed), "iat": now, "exp": now + 300, "jti": str(uuid7()),
        }  # fmt: skip
        header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
        return jws.serialize_compact(header, msgspec.json.encode({**payload, **claims}), self._key, ["ES256"])

    async def ask(self, method: str, path: str, body: Any = None, by: str = "platform", **token: Any) -> http.Response:
        """A request with a token of the department `by`."""
        headers = {"Authorization": f"Bearer {self.token(by, **token)}"}
        return await self.client.request(method, path, json=body, headers=headers)

    async def put(self, path: str, body: Any, by: str = "platform") -> http.Response:
        answer = await self.ask("PUT", path, body, by)
        assert answer.status_code in (200, 201), answer.text
        return answer

    async def move(self, path: str, act: str, by: str = "platform") -> http.Response:
        return await self.ask("POST", f"{path}/{act}", {"reason": "a reason"}, by)

    async def feed(self, after: int, hold_ms: int = 0) -> Feed:
        answer = await self.internal(f"/feed?after={after}&hold_ms={hold_ms}")
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=Feed)

    async def snapshot(self) -> Snapshot:
        answer = await self.internal("/snapshot")
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=Snapshot)

    async def internal(self, target: str) -> http.Response:
        return await self.client.get(target, headers=self.service_key.headers("GET", target))

    async def head(self) -> int:
        return (await self.feed(0)).head

    async def furnish(self) -> None:
        """Two departments, a system of the one and an interface of the other."""
        for department in ("zjj", "rsj"):
            await self.put(f"/departments/{department}", {"name": department})
        await self.put("/systems/zjj-housing", {"department": "zjj", "name": "住房保障管理系统"})
        await self.put(f"/resources/{RESOURCE_CODE}", RESOURCE)
        await self.put("/interfaces/rsj-social-insurance/versions/v1", INTERFACE)

    async def give(self, **changes: Any) -> str:
        """The id of a new grant."""
        answer = await self.ask("POST", "/grants", {**GRANT, **changes})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


RESOURCE_CODE = "2039900100003/000001"
RESOURCE = {
    "name": "社会保险参保状态查询",
    "provider": "rsj",
    "summary": "查询个人参保状态",
    "share": {"type": "conditional", "condition": "限住房保障资格审核"},
}
INTERFACE = {
    "resource": RESOURCE_CODE,
    "provider": "rsj",
    "name": "社会保险参保状态查询",
    "base_url": "http://rsj.example:8080",
    "networks": ["10.0.0.0/8"],
    "operations": [{"method": "GET", "path": "/{id_card}", "target": "/v1/insurance/{id_card}"}],
    "fields": [{"name": "name", "mask": "name_first", "level": "L2"}, {"name": "pension"}],
    "parameters": {"type": "object", "properties": {"id_card": {"type": "string", "maxLength": 18}}},
}
GRANT = {
    "system": "zjj-housing",
    "interface": "rsj-social-insurance/v1",
    "purpose": "公租房资格审核",
    "basis": "社会救助暂行办法 第五十八条",
    "fields": ["name", "pension"],
}
