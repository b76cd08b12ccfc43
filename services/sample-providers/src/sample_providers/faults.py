"""Switchable faults, one set per department: slow, refusing, babbling, cut off in the middle, saying too much."""

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

GARBAGE = b'<html><body>{"result": "1", </body>'
PROMISED = 4096


class Fault(BaseModel, frozen=True, extra="forbid"):
    """What is wrong with a department until it is changed or cleared. The default is: nothing."""

    delay_ms: int = Field(0, ge=0, le=600_000)
    """Milliseconds to wait before anything is answered."""
    status: int = Field(0, ge=0, le=599)
    """Answer with this status and a message instead of the facts; 0 for none."""
    garbage: bool = False
    """Answer 200 with something that is not JSON but says so."""
    cut: bool = False
    """Promise PROMISED bytes, send some, close the connection."""
    extra_fields: dict[str, Any] = {}
    """Members to add to every object of an answer."""


class Switch(Fault, frozen=True):
    """The body of POST /faults."""

    department: str = ""
    """Which department; "" with `clear` for all."""
    clear: bool = False
    """Take the fault away instead."""


class Faults:
    """The faults that are switched on, by department."""

    def __init__(self) -> None:
        self._on: dict[str, Fault] = {}

    def switch(self, wanted: Switch) -> None:
        if not wanted.clear:
            self._on[wanted.department] = wanted
        elif wanted.department:
            self._on.pop(wanted.department, None)
        else:
            self._on.clear()

    async def spoil(self, department: str, good: Response, facts: Any) -> Response:
        """The answer as the department's fault makes it; `good` where there is none."""
        fault = self._on.get(department)
        if fault is None:
            return good
        await asyncio.sleep(fault.delay_ms / 1000)
        if fault.status:
            return JSONResponse({"message": "故障演练"}, fault.status)
        if fault.garbage:
            return Response(GARBAGE, media_type="application/json")
        if fault.cut:
            return _Cut(GARBAGE)
        if fault.extra_fields and facts is not None:
            return JSONResponse(_with(facts, fault.extra_fields))
        return good


class _Cut(Response):
    """Ends before all the bytes that it announced; the server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(PROMISED).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})


def _with(facts: Any, extra: Mapping[str, Any]) -> Any:
    if isinstance(facts, list):
        return [_with(entry, extra) for entry in facts]
    return {**facts, **extra}
