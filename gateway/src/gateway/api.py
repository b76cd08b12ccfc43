"""The gateway's other lane: everything that is not a call, on FastAPI.

`/oauth2/…` and `/.well-known/…` are passed to identity, `/api/catalog/…` and `/api/audit/…` to their services;
`/api/explain` is answered here, because the gateway is the one that decides.
"""

import base64
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from gateway.handle import Gateway
from gateway.policy.decide import explain
from gateway.policy.model import Asked, Deny, Known
from gateway.senders import Senders
from runtime.access import PUBLIC
from runtime.errors import Refusal
from runtime.http import AsyncClient, HTTPError
from runtime.http import Request as Asking
from runtime.http import Response as Answer
from runtime.problems import language_of
from runtime.service_auth import ServiceKey, digest_of
from wire import codes, paths, scopes
from wire.catalog import Mode, Operation
from wire.front import Front, to_message, x5t_of
from wire.tokens import AccessToken, Door, brings_token

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
IN = ("accept", "accept-language", "authorization", "content-type", "if-none-match", "traceparent", "dpop")
OUT = (
    "allow", "cache-control", "content-disposition", "content-length", "content-type", "etag", "location", "pragma",
    "retry-after", "dpop-nonce", "tongdao-fault", "tongdao-record", "tongdao-rows", "tongdao-state", "www-authenticate",
    "x-content-type-options",
)  # fmt: skip
PAGES = "/login/"
"""Pages for people: the one place where cookies cross, both ways."""
PAGES_IN = ("cookie", "user-agent")
PAGES_OUT = ("content-security-policy", "referrer-policy", "x-frame-options")
LISTS = ("accept", "accept-language", "if-none-match")
"""Fields that may stand several times, and mean the same in one line (RFC 9110 section 5.3)."""
OPEN_TO_ALL = ("/.well-known", "/login")
"""Behind these prefixes nobody asks for an access token."""
TOKENS = "/oauth2"
"""Where certificates are looked at whole, and who is suspended gets an answer."""
BODY_LIMIT_BYTES = 10 * 1024 * 1024


class Passing:
    """Takes requests on to our other services, and says who sent them (wire.front)."""

    def __init__(self, senders: Senders, address: str, key: ServiceKey) -> None:
        """address  under which the world knows this door"""
        self._senders = senders
        self._address = address.rstrip("/")
        self._key = key

    async def front(self, request: Request, prefix: str) -> Front:
        """Who is at the other end; raises Refusal (400, 401, 403, 503) for a token that does not count.

        prefix  public one of what lies behind; where it is no access token that opens it, none is looked at
        """
        peer = self._senders.peer(request)
        bound = ""
        if prefix not in OPEN_TO_ALL and brings_token(request.headers.getlist("authorization")):
            token = await self._senders.known(request, peer)
            if prefix != TOKENS:
                self._senders.check_fresh()
                self._senders.check_standing(token)
            bound = token.jkt or token.x5t
        if prefix == TOKENS:
            return Front(peer.address, base64.b64encode(peer.certificate).decode(), bound)
        return Front(peer.address, "", bound, x5t_of(peer.certificate) if peer.certificate else "")

    def may_lead_to(self, location: str, inside: str, *, is_page: bool) -> bool:
        """Whether an answer may send its reader there: within this door, or, from a page, to who is registered there.

        inside  the address of the service that answers, which nobody outside is to hear of
        """
        if location.startswith("/"):
            return not location.startswith(("//", "/\\"))
        if f"{location}/".startswith((f"{self._address}/", f"{self._address}?")):
            return True
        return is_page and not location.startswith(inside)

    def signed(self, asked: Asking, body: bytes, front: Front) -> None:
        """Put it into the head of the request that goes on."""
        message = to_message(front)
        signature = self._key.sign(asked.method.encode(), asked.url.raw_path, digest_of(body), message)
        asked.headers["Tongdao-Message"] = message.decode()
        asked.headers["Tongdao-Service"] = signature.decode()


def passing_router(routes: dict[str, tuple[AsyncClient, str]], passing_on: Passing) -> APIRouter:
    """Routes whose requests go on to another service: public prefix -> (client, prefix there)."""
    router = APIRouter(include_in_schema=False, dependencies=[PUBLIC])  # who asks is looked at over there
    for prefix, (client, inner) in routes.items():
        passing = _passing(passing_on, client, prefix, inner)
        for path in (prefix, f"{prefix}/{{rest:path}}"):
            router.add_api_route(path, passing, methods=METHODS)
    return router


def _passing(on: Passing, client: AsyncClient, prefix: str, inner: str):  # type: ignore[no-untyped-def]  # noqa: ANN202  # a route
    async def passing(request: Request) -> Response:
        raw = request.scope["raw_path"].decode("ascii").removeprefix(prefix)
        try:
            paths.check(raw)
        except paths.BadPath as bad:
            raise Refusal(codes.BAD_PATH, str(bad)) from None
        query = request.scope["query_string"].decode("latin-1")
        _check_once(request)
        front = await on.front(request, prefix)
        return await pass_on(on, client, request, inner + raw + (f"?{query}" if query else ""), front)

    return passing


async def pass_on(on: Passing, client: AsyncClient, request: Request, target: str, front: Front) -> Response:
    """The other service's answer; the request is built anew from what may cross."""
    body = await request.body()
    if len(body) > BODY_LIMIT_BYTES:
        raise Refusal(codes.BODY_TOO_LARGE, limit_bytes=BODY_LIMIT_BYTES)
    is_page = request.scope["path"].startswith(PAGES)
    let_in, let_out = (IN + PAGES_IN, OUT + PAGES_OUT) if is_page else (IN, OUT)
    asked = _asked(client, request, target, body, let_in)
    on.signed(asked, body, front)
    try:
        answer = await client.send(asked, stream=True)
    except HTTPError as error:
        raise Refusal(codes.SERVICE_UNREACHABLE, type(error).__name__, retry_after=1) from None
    lines = {name: answer.headers[name] for name in let_out if name in answer.headers}
    if not on.may_lead_to(lines.get("location", "/"), _address_of(client), is_page=is_page):
        del lines["location"]
    try:
        response = StreamingResponse(_content(answer), answer.status_code, lines)
        for cookie in answer.headers.get_list("set-cookie") if is_page else ():
            response.headers.append("set-cookie", cookie)
        return response
    except BaseException:
        await answer.aclose()
        raise


def _check_once(request: Request) -> None:
    """Two of a kind could be read in two ways: raise Refusal (400)."""
    for name in (*IN, *PAGES_IN):
        if name not in LISTS and len(request.headers.getlist(name)) > 1:
            code = codes.TOKEN_MALFORMED if name == "authorization" else codes.MALFORMED
            raise Refusal(code, f"{name} stands more than once")


def _asked(client: AsyncClient, request: Request, target: str, body: bytes, let_in: tuple[str, ...]) -> Asking:
    """The request anew. `client.build_request` would add the client's own `accept`, `user-agent` and `connection`, and
    take slashes off the front of the target. Values stay bytes."""
    sent = {name: ", ".join(request.headers.getlist(name)) for name in let_in if name in request.headers}
    headers = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    headers.append((b"accept-encoding", b"identity"))
    patience = {"timeout": client.timeout.as_dict()}
    return Asking(request.method, _address_of(client) + target, headers=headers, content=body, extensions=patience)


def _address_of(client: AsyncClient) -> str:
    return str(client.base_url).rstrip("/")


async def _content(answer: Answer) -> AsyncIterator[bytes]:
    """As it comes: an export is not kept in memory. One that breaks off breaks our answer off."""
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()


def explain_router(gateway: Gateway, door: Door) -> APIRouter:
    """`GET /api/explain?system=…&interface=id/v1`: would a call be allowed now, and which step says no."""
    router = APIRouter()

    @router.get("/api/explain")
    async def explain_call(
        request: Request,
        caller: Annotated[AccessToken, Depends(door.needing())],
        interface: str,
        system: str = "",
        method: str = "",
        path: str = "",
        case: str = "",
        grant: str = "",
        mode: Mode = "query",
        consent: bool = False,
    ) -> dict[str, object]:
        """Every condition with its result; those who take part see their own, the authority everything.

        mode  `verify` or `compare` as in /x/{interface}/{version}:verify    consent  as if a consent token came along
        """
        if "/" not in interface:
            raise Refusal(codes.INVALID_REQUEST, "interface is id/version, as in gaj-vehicle-info/v1")
        system = system or caller.client
        known = gateway.catalog.known(system, interface)
        _check_may_see(caller, system, known)
        operation = known.route.interface.operations[0] if known.route and not method else Operation(
            method=method or "GET", path="", target=""
        )  # fmt: skip
        asked = Asked(
            system=system, interface=interface, method="POST" if mode != "query" and not method else operation.method,
            path=path or _example_path(operation.path), at=time.time(), grant=grant, case=case,
            client=gateway.peers.of_request(request).address, mode=mode, consent=consent,
        )  # fmt: skip
        steps = explain(known, asked)
        refused = next((step for _, step in steps if step is not None), None)
        language = language_of(request.headers.get("accept-language", ""))
        return {
            "decision": refused.code.name if refused else "allow",
            "system": system,
            "interface": interface,
            "mode": mode,
            "steps": [_step(name, result, language) for name, result in steps],
        }

    return router


def _example_path(template: str) -> str:
    """Variables stand for themselves: only the form of the path matters here."""
    return template.replace("{", "").replace("}", "")


def _check_may_see(caller: AccessToken, system: str, known: Known) -> None:
    provider = known.route.interface.provider if known.route else ""
    own = caller.client == system or (known.system is not None and caller.department == known.system.department)
    if not own and caller.department != provider and scopes.GRANT_WRITE not in caller.scopes:
        raise Refusal(codes.NOT_YOURS)


def _step(name: str, result: Deny | None, language: str) -> dict[str, object]:
    if result is None:
        return {"step": name, "holds": True}
    code = result.code
    return {
        **result.facts, "step": name, "holds": False, "code": code.name, "title": code.title(language),
        "detail": result.detail, "remedy": code.remedy(language), "fault": code.fault, "rule": code.source,
    }  # fmt: skip


HOME_PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>通道 Tongdao</title>
<style>body{font:16px/1.6 sans-serif;max-width:46em;margin:3em auto;padding:0 1em;color:#1d2b3a}
code{background:#eef2f6;padding:.1em .3em}li{margin:.3em 0}</style>
<h1>通道 Tongdao</h1><p>统一共享通道 · the unified sharing channel for government data</p><ul>
<li><code>/x/{interface}/{version}</code> 调用接口 · call a granted interface</li>
<li><code>/sandbox/{interface}/{version}</code> 试用接口，以样例应答 · try an interface, answered from examples</li>
<li><code>/oauth2/token</code> 获取令牌 · get an access token
(<a href="/.well-known/oauth-authorization-server">metadata</a>)</li>
<li><code>/api/catalog/…</code> 目录与授权 · directory and grants (<a href="/api/catalog/docs">documentation</a>)</li>
<li><code>/api/audit/records/{record}</code> 回执 · receipts (<a href="/api/audit/checkpoint">checkpoint</a>,
<a href="/api/audit/key">key</a>)</li>
<li><code>/api/quotas</code> 调用额度与用量 · rates and quotas, and how much of them is used</li>
<li><code>/api/explain?interface={interface}/{version}</code> 为何允许或拒绝 · why a call is allowed or refused
(<a href="/docs">documentation</a>)</li></ul></html>"""


def home_router() -> APIRouter:
    """The page of addresses at `/`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/", dependencies=[PUBLIC])
    async def home() -> HTMLResponse:
        return HTMLResponse(HOME_PAGE)

    return router
