"""Routes of the audit service in process, and tokens for whoever comes to them."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI
from httpx2 import ASGITransport, MockTransport
from joserfc import jwk, jws

from runtime.http import AsyncClient, Response
from runtime.ids import uuid7
from runtime.server import make_app
from wire.tokens import Door, Verifier, keys_of

ISSUER = "http://gateway.test"
SIGNING = jwk.ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})


def token(department: str, *allowed: str, client: str = "c-1") -> str:
    """An access token that the doors below take."""
    now = int(time.time())
    claims = {
        "iss": ISSUER, "sub": client, "aud": ISSUER, "client_id": client, "department": department,
        "scope": " ".join(allowed), "iat": now, "exp": now + 300, "jti": str(uuid7()),
    }  # fmt: skip
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    return jws.serialize_compact(header, msgspec.json.encode(claims), SIGNING, ["ES256"])


class Doors:
    """A running application and how to ask it."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    async def ask(self, method: str, path: str, department: str, *allowed: str, **more: Any) -> Response:
        """A request of a department whose token has these scopes."""
        headers = {"Authorization": f"Bearer {token(department, *allowed)}", **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)


@asynccontextmanager
async def opened(make: Callable[[Door], APIRouter]) -> AsyncIterator[Doors]:
    """The router that `make` gives, behind the platform's own error answers."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    async def ready() -> None:
        return

    keys = {"keys": [SIGNING.as_dict(private=False)]}
    identity = AsyncClient(transport=MockTransport(lambda _: Response(200, json=keys)), base_url="http://identity")
    app = make_app("audit", lifespan, ready)
    app.include_router(make(Door(Verifier(ISSUER, ISSUER, keys_of(identity)))))
    client = AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://audit.test")
    try:
        yield Doors(client)
    finally:
        await client.aclose()
        await identity.aclose()
