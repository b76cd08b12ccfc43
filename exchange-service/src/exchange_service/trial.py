"""A provider tries its interface: the way of a call, each step told apart, and of the answer nothing that is personal.

    contract → address → connection → answer → schema → fields

Every step runs the functions that a call runs, on a copy of the interface of its own: a trial that fails does not make
the breaker rest. After a step that failed no other is taken.
"""

import asyncio
import ipaddress
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
import structlog

from exchange_service.asking import Visit, ask, enter
from exchange_service.contract.model import Contract
from exchange_service.contract.release import facts
from exchange_service.contract.text import BadText
from exchange_service.contract.validate import NotMatching, check_parameters, check_request
from exchange_service.providers.provider import Answer, Question
from exchange_service.registry import Platform, Served
from exchange_service.releasing import content_of, released, whole
from relay.egress import Egress, EgressDenied
from relay.upstream import UpstreamFault
from runtime.errors import Refusal
from runtime.tasks import apart
from wire import codes
from wire.calls import CallMessage, Obligations
from wire.catalog import Field, Interface

log = structlog.get_logger()
CONNECT_S: Final = 5.0
PORTS: Final = {
    "http": 80, "https": 443, "sftp": 22, "postgresql": 5432, "mysql": 3306, "oracle": 1521, "dameng": 5236,
    "kingbase": 54321, "gaussdb": 8000,
}  # fmt: skip
"""Ports of addresses that name none."""
MEDIA_TYPES: Final = {"xml": "application/xml", "form": "application/x-www-form-urlencoded"}
PERSONAL_LEVELS: Final = ("L3", "L4")


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked: the operation, by method and template, and what a consumer would send.

    request  the body as JSON; of a form an object of texts or the form as a text, of XML and whatever passes
             through a text
    request_base64  the bytes of the body as they are, in its place
    """

    method: str
    path: str = ""
    values: dict[str, str] = {}
    query: str = ""
    request: object = None
    request_base64: bytes = b""


class Step(msgspec.Struct, kw_only=True):
    """One step. `code` is that of the refusal that a consumer would have got, `detail` what is known beyond it."""

    step: str
    ok: bool = True
    ms: int = 0
    code: str = ""
    detail: str = ""


class Shown(msgspec.Struct, kw_only=True):
    """One registered field in the answer.

    found    how often it was there         types   of JSON, sorted
    lengths  shortest and longest text, in characters; empty where there was none
    value    as it leaves, of the first record where that may be shown; null where nothing may
    """

    name: str
    mask: str
    found: int = 0
    types: list[str] = []
    lengths: list[int] = []
    value: object = None


class Report(msgspec.Struct, kw_only=True):
    """What came of it. `ok`: every step was taken, and the provider answered with a 2xx."""

    call: str
    interface: str
    ok: bool = False
    steps: list[Step] = []
    status: int = 0
    content_type: str = ""
    bytes: int = 0
    fields: list[Shown] = []
    drift: list[dict[str, str]] = []


class _Failed(Exception):
    """A step failed; it stands in the report."""


class Trial:
    """One try of one interface."""

    def __init__(
        self, platform: Platform, interface: Interface, asked: Asked, call: str, consumer: str, limit_bytes: int
    ) -> None:
        """consumer  the department for which pseudonyms are made      limit_bytes  of the answer"""
        self._platform = platform
        self._interface = interface
        self._asked = asked
        self._limit_bytes = limit_bytes
        self.report = Report(call=call, interface=interface.key, steps=[])
        streamed = interface.format == "binary"
        fields = ["*"] if streamed else [field.name for field in interface.fields]
        self._body = asked.request_base64 or (b"" if asked.request is None else body_of(interface, asked.request))
        self._message = CallMessage(
            call=call, grant="", grant_revision=0, method=asked.method, path=asked.path, values=asked.values,
            query=asked.query, content_type=media_type(interface) if self._body else "", consumer=consumer,
            obligations=Obligations(fields), deadline_ms=int((time.time() + interface.timeout_s + CONNECT_S) * 1000),
        )  # fmt: skip

    async def run(self) -> Report:
        """Take the steps. Never raises for what the provider or its registration does."""
        served: Served | None = None
        try:
            served = self._contract()
            await self._address()
            with self._step("connection"):
                await served.provider.probe(CONNECT_S)
            answer, content = await self._answer(served)
            if content is not None:
                await self._look(served, answer, content)
            self.report.ok = 200 <= self.report.status < 300
        except _Failed:
            pass
        finally:
            if served is not None:
                served.provider.close()
        return self.report

    @contextmanager
    def _step(self, name: str) -> Iterator[Step]:
        """Measure a step; what goes wrong in it ends the trial."""
        step = Step(step=name)
        self.report.steps.append(step)
        began = time.monotonic()
        try:
            yield step
        except Exception as error:
            refused = _refusal_of(error)
            step.ok, step.code, step.detail = False, refused.code.name, refused.detail
            raise _Failed from None
        finally:
            step.ms = round((time.monotonic() - began) * 1000)

    def _contract(self) -> Served:
        """The interface made ready as the registry does it, and the question held against it."""
        with self._step("contract"):
            try:
                served = Served(self._interface, self._platform).compile()
            except ValueError as bad:
                raise Refusal(codes.INTERFACE_UNUSABLE, str(bad)) from None
            if (self._asked.method, self._asked.path) not in served.operations:
                named = [f"{one.method} {one.path}" for one in self._interface.operations]
                raise Refusal(codes.UNKNOWN_OPERATION, f"there is: {', '.join(named)}")
            try:
                check_parameters(served.contract, self._asked.values, self._asked.query)
                if not served.is_streamed:
                    check_request(served.contract, self._body)
            except (NotMatching, BadText) as mismatch:
                raise Refusal(codes.NOT_MATCHING_SCHEMA, str(mismatch)) from None
            return served

    async def _address(self) -> None:
        """Where the provider's name leads, and whether we may go there. Files of this machine and buckets have none."""
        url = urlsplit(self._interface.base_url)
        if not url.hostname or url.scheme not in PORTS:
            return
        with self._step("address") as step:
            port = url.port or PORTS[url.scheme]
            addresses = await resolved(self._platform.egress, url.hostname, port, self._interface.networks)
            step.detail = ", ".join(addresses)

    async def _answer(self, served: Served) -> tuple[Answer, bytes | None]:
        """What the provider says: head and body; None for a file, of which only the beginning is fetched."""
        with self._step("answer") as step:
            visit = enter(served, time.monotonic())
            try:
                answer = await ask(visit, self._question(served), self._message.deadline_ms)
                self.report.status = answer.status
                self.report.content_type = answer.headers.get(b"content-type", b"").decode("latin-1")[:200]
                step.detail = f"status {answer.status}"
                content = await self._content(served, answer, visit)
            finally:
                visit.leave()
            return answer, content

    def _question(self, served: Served) -> Question:
        message = self._message
        return Question(
            operation=served.operations[message.method, message.path], values=message.values, query=message.query,
            body=self._body, length=len(self._body), content_type=message.content_type,
            fields=message.obligations.fields, call=message.call,
        )  # fmt: skip

    async def _content(self, served: Served, answer: Answer, visit: Visit) -> bytes | None:
        """The answer, read to its end; of a file only its beginning, and None."""
        if not served.is_streamed:
            content = await content_of(answer, self._limit_bytes)
            self.report.bytes = len(content)
            return content
        whole(served, self._message, answer, visit.asked_ms)
        beginning = await answer.body.chunk()
        announced = answer.body.announced
        self.report.bytes = len(beginning) if announced is None else announced
        answer.discard()
        return None

    async def _look(self, served: Served, answer: Answer, content: bytes) -> None:
        """Hold the answer against the contract, and tell what may be told of it."""
        succeeded = 200 <= answer.status < 300
        content_type = answer.headers.get(b"content-type", b"")
        with self._step("schema"):
            tree = await apart(len(content), as_tree, served.contract, content, content_type, succeeded)
        with self._step("fields") as step:
            out = await apart(len(content), released, served, self._message, content, content_type, succeeded)
            step.detail = f"{len(out.fields)} fields leave, {len(out.masked)} masked"
            leaving = as_tree(served.contract, out.body, out.content_type.encode(), False)
        personal = is_personal(self._interface)
        self.report.fields = [shown(field, tree, leaving, personal=personal) for field in self._interface.fields]
        if out.tree is not None:
            self.report.drift = [{"path": path, "kind": kind} for path, kind in sorted(served.drift.look(out.tree))]


# --- the question ---------------------------------------------------------------------------------------------------
def body_of(interface: Interface, request: object) -> bytes:
    """The body that a consumer would send for it."""
    kind = getattr(interface.adapter, "request_format", "json")
    if isinstance(request, str) and kind == "form":
        return request.strip().encode()  # a file ends with a line feed, a form does not
    if isinstance(request, str) and (kind in ("xml", "binary") or interface.format == "binary"):
        return request.encode()
    if kind == "form" and isinstance(request, dict):
        return urlencode({name: str(value) for name, value in request.items()}).encode()
    return msgspec.json.encode(request)


def media_type(interface: Interface) -> str:
    """What that body is."""
    kind = getattr(interface.adapter, "request_format", "json")
    return MEDIA_TYPES.get(kind, "application/octet-stream" if kind == "binary" else "application/json")


async def resolved(egress: Egress, host: str, port: int, networks: Sequence[str]) -> list[str]:
    """Checked addresses; raises Refusal."""
    allowed = [ipaddress.ip_network(network) for network in networks]
    try:
        async with asyncio.timeout(CONNECT_S):
            return await egress.resolve(host, port, allowed)
    except EgressDenied as denied:
        raise Refusal(codes.PROVIDER_FORBIDDEN_ADDRESS, str(denied)) from None
    except (OSError, TimeoutError, UnicodeError) as error:
        raise Refusal(codes.PROVIDER_UNREACHABLE, f"name not resolved: {type(error).__name__}") from None


def _refusal_of(error: Exception) -> Refusal:
    """What a consumer would have been told. Details name places and rules, never values."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, UpstreamFault):
        return Refusal(codes.PROVIDER_BROKEN_ANSWER, str(error))
    log.error("trial.crashed", exc_info=error)
    return Refusal(codes.BROKEN, "the operator finds the reason in the log")


# --- the answer -----------------------------------------------------------------------------------------------------
def as_tree(contract: Contract, content: bytes, content_type: bytes, succeeded: bool) -> object:
    """An answer as a tree, None for an empty one; raises Refusal where it breaks the contract."""
    try:
        return facts(contract, content, content_type, succeeded) if content else None
    except (BadText, NotMatching) as broken:
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, str(broken)) from None


def is_personal(interface: Interface) -> bool:
    """Whether answers are about persons: then a value that no mask has changed is not shown."""
    levels = {field.level for field in interface.fields}
    return interface.retention == "personal" or bool(interface.subject) or not levels.isdisjoint(PERSONAL_LEVELS)


def shown(field: Field, tree: object, leaving: object, *, personal: bool) -> Shown:
    """One field: types and lengths as the provider sent it, and one value as it would leave."""
    parts = field.name.split(".")
    raw, left = list(values_at(tree, parts)), list(values_at(leaving, parts))
    lengths = sorted(len(value) for value in raw if isinstance(value, str))
    one = Shown(name=field.name, mask=field.mask, found=len(raw), types=sorted({type_of(value) for value in raw}))
    one.lengths = [lengths[0], lengths[-1]] if lengths else []
    pairs = zip(raw, left, strict=True) if len(raw) == len(left) else ()
    for before, after in pairs:
        if not isinstance(after, dict) and (not personal or (field.mask and after != before)):
            one.value = after
            break
    return one


def values_at(value: Any, parts: Sequence[str]) -> Iterator[Any]:
    """What stands under a dotted name; arrays are transparent."""
    if isinstance(value, list):
        for element in value:
            yield from values_at(element, parts)
    elif not parts:
        yield value
    elif isinstance(value, dict) and parts[0] in value:
        yield from values_at(value[parts[0]], parts[1:])


def type_of(value: object) -> str:
    """The word of JSON Schema."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "object" if isinstance(value, dict) else "number"
