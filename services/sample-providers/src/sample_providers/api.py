"""One route per registered interface, below its department's name; /faults and /seen for tests."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sample_providers.catalogue import Interface
from sample_providers.faults import Faults, Switch
from sample_providers.journal import Journal
from sample_providers.question import check
from sample_providers.refusals import BadInput, Refused
from sample_providers.register import Answer, Offers

Endpoint = Callable[[Request], Awaitable[Response]]
LARGEST_BODY = 64 * 1024


def add_interfaces(app: FastAPI, catalogue: Mapping[str, Interface], offers: Offers, faults: Faults) -> None:
    """Serve every registered interface; raises KeyError for one that nobody offers."""
    for interface in catalogue.values():
        endpoint = _endpoint(interface, offers[interface.id], faults)
        app.router.add_route(f"/{interface.department}{interface.path}", endpoint, methods=[interface.method])


def add_fault_switches(app: FastAPI, faults: Faults, journal: Journal) -> None:
    """What tests need to break a department and to see who called it."""

    @app.post("/faults", status_code=204)
    async def switch(wanted: Switch) -> None:
        faults.switch(wanted)

    @app.get("/seen")
    async def seen() -> Response:
        return Response(msgspec.json.encode(list(journal.newest)), media_type="application/json")


def _endpoint(interface: Interface, answer: Answer, faults: Faults) -> Endpoint:
    async def ask(request: Request) -> Response:
        facts = None
        try:
            asked = check(interface.params, await _asked(request))
            facts = answer(asked)
            response = JSONResponse(facts)
        except Refused as no:
            response = JSONResponse({"message": str(no)}, no.status)
        return await faults.spoil(interface.department, response, facts)

    return ask


async def _asked(request: Request) -> Mapping[str, Any]:
    """Values of path, query and JSON body."""
    body = await _body(request) if request.method == "POST" else {}
    return {**request.query_params, **body, **request.path_params}


async def _body(request: Request) -> dict[str, Any]:
    received = b""
    async for chunk in request.stream():
        received += chunk
        if len(received) > LARGEST_BODY:
            raise BadInput("请求体过大")
    try:
        body = json.loads(received)
    except (ValueError, RecursionError):
        raise BadInput("请求体不是 JSON") from None
    if not isinstance(body, dict):
        raise BadInput("请求体须为 JSON 对象")
    return body
