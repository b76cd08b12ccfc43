"""The one place where a refusal turns into HTTP: problem documents (RFC 9457) in Chinese or English."""

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from runtime.errors import BROKEN, INVALID_REQUEST, Code, Refusal

MEDIA_TYPE = "application/problem+json"
_BY_STATUS = {
    404: Code(
        "request/unknown-path", 404, "consumer", "There is nothing at this address", "该地址不存在",
        "Check the path against the interface documents", "请对照接口文档检查路径",
    ),
    405: Code(
        "request/method-not-allowed", 405, "consumer", "This address does not take this method", "该地址不支持此方法",
        "Use a method named in the Allow header", "请使用 Allow 头列出的方法",
    ),
    413: Code(
        "request/too-large", 413, "consumer", "The body is larger than this address takes", "请求体过大",
        "Send less at a time", "请减小单次请求的数据量",
    ),
}  # fmt: skip


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
    app.add_exception_handler(Exception, _broken)


def answer(request: Request, code: Code, detail: str = "", facts: dict[str, object] | None = None) -> Response:
    """A problem document as a response, in the language the request prefers."""
    body = problem(code, language_of(request.headers.get("accept-language", "")), detail, facts=facts)
    headers = {"Tongdao-Fault": code.fault, "Cache-Control": "no-store"}
    if code.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="tongdao", error="invalid_token"'
    if code.status == 503:
        headers["Retry-After"] = "1"
    return Response(body, code.status, headers, MEDIA_TYPE)


def _refusal(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)  # noqa: S101  # registered for that class alone
    return answer(request, refusal.code, refusal.detail, refusal.facts)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for that class alone
    errors = [{"path": "/" + "/".join(map(str, e["loc"])), "error": e["msg"]} for e in error.errors()]
    return answer(request, INVALID_REQUEST, facts={"errors": errors})


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for that class alone
    response = answer(request, _BY_STATUS.get(error.status_code, INVALID_REQUEST), str(error.detail))
    response.status_code = error.status_code
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _broken(request: Request, _error: Exception) -> Response:
    return answer(request, BROKEN)
