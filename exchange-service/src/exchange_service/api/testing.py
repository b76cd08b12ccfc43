"""\"Test this interface\" over HTTP: public as POST /api/exchange/interfaces/{id}/{version}/test.

The registration comes from the catalog, whether it is open yet or not; that its provider tests it is in the log before
anybody is asked.
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response

from exchange_service.api.credentials import Id, keepers, require_charge
from exchange_service.registry import Platform
from exchange_service.trial import Asked, Report, Trial
from runtime.clock import Clock
from runtime.documents import JSON_TEXT, body_of, schema_of
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.http import AsyncClient, HTTPError
from runtime.ids import uuid7
from runtime.service_auth import ServiceKey
from wire import codes
from wire.audit import new_event
from wire.catalog import Interface
from wire.lease import EventWriter
from wire.tokens import AccessToken, Door

LARGEST = 1024 * 1024
LARGEST_ANSWER = 10 * 1024 * 1024
_encode = msgspec.json.Encoder(decimal_format="number").encode
Version = Annotated[str, Path(pattern=r"^v(?:0|[1-9][0-9]{0,3})$")]


class Bench:
    """Where interfaces are tried."""

    def __init__(
        self, catalog: AsyncClient, key: ServiceKey, events: EventWriter, platform: Platform, clock: Clock,
        limit_bytes: int,
    ) -> None:  # fmt: skip
        """limit_bytes  of a provider's answer"""
        self._platform = platform
        self._catalog = catalog
        self._key = key
        self._events = events
        self._clock = clock
        self._limit_bytes = limit_bytes

    async def test(self, token: AccessToken, interface_id: str, version: str, body: bytes) -> Report:
        """Record it, then try; raises Refusal."""
        interface = await self._registration(interface_id, version)
        require_charge(token, interface.provider, self._platform.departments)
        asked = _read(body)
        call = str(uuid7())
        facts = {"interface": interface.key, "method": asked.method[:16], "path": asked.path[:200]}
        event = new_event("interface.test_asked", self._clock.now(), token.client, token.department, facts, call)
        await self._events.write([msgspec.json.encode(event)])
        await self._platform.keys.refresh()
        return await Trial(self._platform, interface, asked, call, token.department, self._limit_bytes).run()

    async def _registration(self, interface_id: str, version: str) -> Interface:
        """As the catalog has it now; raises Refusal."""
        target = f"/registrations/{interface_id}/{version}"
        try:
            answer = await self._catalog.get(target, headers=self._key.headers("GET", target))
            if answer.status_code == 404:
                raise Refusal(codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
            return msgspec.json.decode(answer.raise_for_status().content, type=Interface)
        except (HTTPError, msgspec.DecodeError) as error:
            raise Refusal(codes.SERVICE_UNREACHABLE, f"catalog: {type(error).__name__}") from None


def _read(body: bytes) -> Asked:
    try:
        return msgspec.json.decode(body, type=Asked)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        told = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refusal(INVALID_REQUEST, errors=[{"path": "/body", "error": told}]) from None


def router(
    door: Door, catalog: AsyncClient, key: ServiceKey, events: EventWriter, platform: Platform, clock: Clock,
    limit_bytes: int = LARGEST_ANSWER,
) -> APIRouter:  # fmt: skip
    """The one route. `limit_bytes` is that of a provider's answer."""
    bench = Bench(catalog, key, events, platform, clock, limit_bytes)
    routes = APIRouter(prefix="/interfaces", tags=["interfaces"])
    who = Depends(keepers(door))

    @routes.post(
        "/{interface_id}/{version}/test", max_body_size=LARGEST, openapi_extra=body_of(JSON_TEXT, schema_of(Asked))
    )
    async def test(interface_id: Id, version: Version, request: Request, token: AccessToken = who) -> Response:
        report = await bench.test(token, interface_id, version, await request.body())
        return Response(_encode(report), 200, {"Cache-Control": "no-store"}, "application/json")

    return routes
