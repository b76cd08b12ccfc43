"""The gateway that one writes in an afternoon: FastAPI and httpx2, two hops, the same checks, one INSERT a call.

Two processes of uvicorn, settings from the environment: NAIVE_KEYS, NAIVE_ISSUER, NAIVE_AUDIENCE, NAIVE_EXCHANGE and
NAIVE_DATABASE for the gateway, NAIVE_PROVIDER for the exchange.
"""

import json
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from jsonschema_rs import validator_for

from peers.provider import GRANTED, PARAMETERS, RESPONSE
from runtime.http import AsyncClient, Limits

GRANTS = {("bench", "bench/v1"): re.compile("YJ[0-9]{4}-[0-9]{6}")}
"""(system, interface) -> the form of its case numbers."""
RATE_PER_S = 100_000.0
TABLE = """CREATE TABLE IF NOT EXISTS naive_record (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), system text NOT NULL,
    interface text NOT NULL, case_no text NOT NULL, trace text NOT NULL, status integer NOT NULL, took_ms real NOT NULL
)"""
INSERT = "INSERT INTO naive_record (system, interface, case_no, trace, status, took_ms) VALUES ($1, $2, $3, $4, $5, $6)"


class Bucket:
    """How many calls may still come in this second."""

    def __init__(self) -> None:
        self._left, self._at = RATE_PER_S, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(RATE_PER_S, self._left + (now - self._at) * RATE_PER_S) - 1
        self._at = now
        return self._left >= 0


def client() -> AsyncClient:
    """As many connections as the bench has."""
    return AsyncClient(timeout=30, limits=Limits(max_connections=256, max_keepalive_connections=256), trust_env=False)


def gateway() -> FastAPI:
    """The first hop: who asks, may they, how often, and what happened."""
    environment = os.environ
    keys = KeySet.import_key_set(json.loads(environment["NAIVE_KEYS"]))
    claims = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": environment["NAIVE_ISSUER"]},
        aud={"essential": True, "value": environment["NAIVE_AUDIENCE"]},
        exp={"essential": True},
    )
    bucket, schema, exchange = Bucket(), validator_for(PARAMETERS), environment["NAIVE_EXCHANGE"]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with client() as app.state.http, asyncpg.create_pool(environment["NAIVE_DATABASE"]) as app.state.pool:
            await app.state.pool.execute(TABLE)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/x/bench/v1/{key}")
    async def call(
        key: str,
        request: Request,
        authorization: Annotated[str, Header()],
        tongdao_case: Annotated[str, Header()],
        traceparent: Annotated[str, Header()] = "",
    ) -> Response:
        began = time.monotonic()
        try:
            token = jwt.decode(authorization.removeprefix("Bearer "), keys, algorithms=["RS256"])
            claims.validate(token.claims)
        except (JoseError, ValueError):
            raise HTTPException(401) from None
        system = token.claims["sub"]
        if not (pattern := GRANTS.get((system, "bench/v1"))):
            raise HTTPException(403)
        if not bucket.take():
            raise HTTPException(429)
        if not pattern.fullmatch(tongdao_case) or not schema.is_valid({"key": key}):
            raise HTTPException(422)
        state = request.app.state
        answer = await state.http.get(f"{exchange}/calls/{key}", headers={"traceparent": traceparent})
        took_ms = (time.monotonic() - began) * 1000
        await state.pool.execute(INSERT, system, "bench/v1", tongdao_case, traceparent, answer.status_code, took_ms)
        return Response(answer.content, answer.status_code, media_type="application/json")

    return app


def exchange() -> FastAPI:
    """The second hop: what the provider says, as much of it as was granted."""
    schema, provider = validator_for(RESPONSE), os.environ["NAIVE_PROVIDER"]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with client() as app.state.http:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/calls/{key}")
    async def call(key: str, request: Request) -> Response:
        record = (await request.app.state.http.get(f"{provider}/{key}")).json()
        if not schema.is_valid(record):
            raise HTTPException(502)
        shown = {name: record[name] for name in GRANTED}
        shown["name"] = shown["name"][:1] + "*" * (len(shown["name"]) - 1)
        return JSONResponse(shown)

    return app
