"""The one place where a refusal turns into HTTP: problem documents (RFC 9457) in Chinese or English."""

from dataclasses import replace

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.errors import BODY_TOO_LARGE, BROKEN, INVALID_REQUEST, METHOD_NOT_SERVED, UNKNOWN_PATH, Code, Refusal

log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"
_BY_STATUS = {404: UNKNOWN_PATH, 405: METHOD_NOT_SERVED, 413: BODY_TOO_LARGE}


def language_of(accept_language: str) -> str:
    """`zh` or `en`, whichever an Accept-Language header ranks first; `zh` where it says neither (RFC 9110 12.5.4)."""
    best, best_weight = "zh", 0.0
    for part in accept_language.split(","):
        tag, _, parameters = part.strip().partition(";")
        primary = tag.split("-")[0].lower()
        weight = _weight(parameters)
        if primary in ("zh", "en") and weight > best_weight:
            best, best_weight = primary, weight
    return best


def _weight(parameters: str) -> float:
    try:
        return float(parameters.strip().removeprefix("q=")) if parameters else 1.0
    except ValueError:
        return 0.0


def problem(
    code: Code, language: str, detail: str = "", record: str = "", facts: dict[str, object] | None = None
) -> bytes:
    """The problem document as bytes. `facts` become extension members; they may not replace the standard ones."""
    document: dict[str, object] = {
        **(facts or {}),
        "type": f"urn:tongdao:code:{code.name}",
        "code": code.name,
        "status": code.status,
        "title": code.title(language),
        "remedy": code.remedy(language),
        "fault": code.fault,
    }
    if detail:
        document["detail"] = detail
    if record:
        document["record"] = record
    if code.source:
        document["rule"] = code.source
    return msgspec.json.encode(document)


def install(app: FastAPI) -> None:
    """Make `app` answer every refusal, unknown path and bad body with a problem document."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(_TooLarge)
    app.add_middleware(_Broken)


class _Broken:
    """A failure of ours costs its own request and one line of the log, and no connection that others share.

    The framework would raise it again once it is answered: the server then closes, under the next request perhaps.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def say(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, say)
        except Exception:
            if has_begun or scope["type"] != "http":
                raise  # half an answer has to break off
            log.exception("request.crashed", method=scope["method"], path=scope["path"])
            await answer(Request(scope), BROKEN)(scope, receive, send)


class _TooLarge:
    """The framework refuses a body that is too large in plain text; this says it as everything else is said."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_said = False

        async def say(message: Message) -> None:
            nonlocal is_said
            if message["type"] == "http.response.start" and message["status"] == 413 and _is_plain(message):
                is_said = True
                limit = {"limit_bytes": scope.get(MAX_BODY_SIZE_SCOPE_KEY)}
                await answer(Request(scope), BODY_TOO_LARGE, facts=limit)(scope, receive, send)
            elif not is_said:
                await send(message)

        await self._app(scope, receive, say)


def _is_plain(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith("text/plain")


def answer(request: Request, code: Code, detail: str = "", facts: dict[str, object] | None = None) -> Response:
    """A problem document as a response, in the language the request prefers."""
    body = problem(code, language_of(request.headers.get("accept-language", "")), detail, facts=facts)
    headers = {"Tongdao-Fault": code.fault, "Cache-Control": "no-store"}
    if code.status == 401:  # RFC 6750 section 3: no error for a request that brought no token
        error = ', error="invalid_token"' if code.name == "token/invalid" else ""
        headers["WWW-Authenticate"] = f'Bearer realm="tongdao"{error}'
    if code.status == 503:
        headers["Retry-After"] = "1"
    return Response(body, code.status, headers, MEDIA_TYPE)


def _refusal(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)  # noqa: S101  # registered for that class alone
    response = answer(request, refusal.code, refusal.detail, refusal.facts)
    response.headers.update(refusal.headers)
    return response


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for that class alone
    errors = [{"path": "/" + "/".join(map(str, e["loc"])), "error": e["msg"]} for e in error.errors()]
    return answer(request, INVALID_REQUEST, facts={"errors": errors})


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for that class alone
    code = _BY_STATUS.get(error.status_code) or replace(INVALID_REQUEST, status=error.status_code)
    response = answer(request, code, str(error.detail))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(sorted(_methods_at(request)))
    return response


def _methods_at(request: Request) -> set[str]:
    """Of all routes that fit the address: the framework names those of the first one alone (RFC 9110 10.2.1)."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    fitting = (one for one in iter_route_contexts(request.app.routes) if one.path_regex.match(path))
    return {method for one in fitting for method in one.methods or ()}


def _gone(_request: Request, _error: Exception) -> Response:
    """Nobody reads this. That a client leaves, or is cut off, is no fault of ours, and makes no line in the log."""
    return Response(status_code=400)


def _broken(request: Request, _error: Exception) -> Response:
    return answer(request, BROKEN)
