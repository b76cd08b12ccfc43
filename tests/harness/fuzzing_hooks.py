"""What Schemathesis needs of us: who asks, and our own services' signature. Loaded by it, see `harness.fuzzing`."""

import json
import os
import re
from pathlib import Path
from typing import Any

import requests
import schemathesis
from requests.auth import AuthBase
from schemathesis import AuthContext, Case, HookContext
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import AllowHeaderMismatch, RejectedPositiveData, UnsupportedMethodResponse

from runtime.service_auth import ServiceKey, digest_of

WHO = json.loads(os.environ["TONGDAO_FUZZING"])
"""`token`: an access token; `secret`: path of the services' shared secret; `service`: as which of them to ask."""
HEADER, TO_BE_SIGNED = "Tongdao-Service", "to be signed"


@schemathesis.auth()
class Credentials:
    """What the operation's document asks for."""

    def get(self, _case: Case[Any], _context: AuthContext) -> str:
        return str(WHO["token"])

    def set(self, case: Case[Any], data: str, context: AuthContext) -> None:
        wanted = {name for one in context.operation.definition.raw.get("security", []) for name in one}
        if "token" in wanted:
            case.headers["Authorization"] = f"Bearer {data}"
        if "service" in wanted:
            case.headers[HEADER] = TO_BE_SIGNED


class Signed(AuthBase):
    """Signs the request as it goes out, if it is one of a service: a check may have taken its credentials away."""

    def __init__(self) -> None:
        self._key = ServiceKey.from_file(Path(WHO["secret"]), WHO["service"])

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if request.headers.get(HEADER) == TO_BE_SIGNED:
            body = request.body or b""
            content = body if isinstance(body, bytes) else str(body).encode()
            target = request.path_url.encode()
            request.headers[HEADER] = self._key.sign(str(request.method).encode(), target, digest_of(content)).decode()
        return request


@schemathesis.hook
def before_call(_context: HookContext, _case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Schemathesis's own credentials are headers: the place of `auth` is free."""
    kwargs.setdefault("auth", Signed())


@schemathesis.hook
def filter_failure(_context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """False for what looks like a failure and is none.

    - A request that fits its schema may break a rule that no schema can state (`from` before `to`, a department that is
      there). Such a refusal has to say what is wrong: the member, or the rule.
    - OPTIONS and TRACE are refused by the connection, before there is a route; its Allow is that of the whole server.
    - A method that one path lacks may be that of another path which fits the same address.
    """
    if isinstance(failure, RejectedPositiveData):
        return not _is_precise(response)
    address = str(response.request.path_url)
    if isinstance(failure, AllowHeaderMismatch):
        is_ours = response.headers.get("content-type", [""])[0].startswith("application/problem+json")
        more = [method for method in failure.undocumented_methods if not _is_served(case, address, method)]
        return is_ours and bool(failure.missing_methods or more)
    if isinstance(failure, UnsupportedMethodResponse):
        return not _is_served(case, address, failure.method)
    return True


def _is_precise(response: Response) -> bool:
    told = response.json()
    if "error" in told:  # OAuth says no more than this to strangers
        return True
    return bool(told.get("errors") or told.get("detail")) or told["code"] != "request/invalid"


def _is_served(case: Case[Any], target: str, method: str) -> bool:
    """Whether another path of the document takes this method at this address."""
    address = target.partition("?")[0]
    for template, operations in case.operation.schema.raw_schema["paths"].items():
        form = "".join(".+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", template))
        if method.lower() in operations and re.fullmatch(form, address):
            return True
    return False


@schemathesis.serializer("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
def workbook(_context: Any, value: Any) -> Any:
    """Whatever bytes there are: hardly ever a workbook, which is the point."""
    return value if isinstance(value, bytes) else bytes(value) if hasattr(value, "__bytes__") else str(value).encode()
