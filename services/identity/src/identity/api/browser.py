"""What a browser brings to the pages: cookies, a form that proves where it was made, a language, a place.

Cookies are sent to /login alone, so that no call ever carries one, and no page of another origin can post our forms:
each form holds a digest of the cookie that it was made for.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.responses import Response

from identity.people.lockout import Place
from identity.people.signing_in import SignedIn
from runtime.errors import Refusal
from runtime.problems import language_of
from runtime.service_auth import ServiceKey
from wire import codes
from wire.front import front_of

FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 16_384
FIELDS_AT_MOST = 16
LONGEST_ONWARD = 4096
HOME, AUTHORIZE = "/login/account", "/login/authorize"
DEVICE_LIFE_S = 180 * 86_400
_ONWARD = re.compile(re.escape(AUTHORIZE) + r"\?[!-\[\]-~]*")  # printable ASCII without backslash


@dataclass(frozen=True, slots=True)
class Browser:
    """One request of a browser. `visit` is there before anybody signs in, `session` after."""

    language: str
    place: Place
    visit: str
    session: str


class Cookies:
    """Names and forms of our cookies. `secure`: whether the platform is reached over TLS."""

    def __init__(self, key: ServiceKey, *, secure: bool) -> None:
        self._key = key
        self._form_key = bytes.fromhex(key.derived("forms of the sign-in pages"))
        self._secure = secure
        prefix = "__Secure-" if secure else ""
        self._visit, self._session, self._device = (
            f"{prefix}tongdao-{name}" for name in ("visit", "session", "device")
        )

    async def browser(self, request: Request) -> Browser:
        """Who asks; raises Refusal (401) for a front that is forged."""
        front = await front_of(request, self._key)
        address = front.address or (request.client.host if request.client else "")
        given = request.cookies
        place = Place(address, given.get(self._device, "")[:256], request.headers.get("user-agent", ""))
        language = language_of(request.headers.get("accept-language", ""))
        return Browser(language, place, given.get(self._visit, "")[:256], given.get(self._session, "")[:256])

    def check_of(self, cookie: str) -> str:
        """What a form has to bring that was made for this cookie."""
        return hmac.digest(self._form_key, cookie.encode(), "sha256").hex()

    def check(self, cookie: str, form: dict[str, str]) -> None:
        """Raise Refusal(FORM_STALE) unless the form was made for this cookie."""
        right = hmac.compare_digest(form.get("check", "").encode(), self.check_of(cookie).encode())
        if not cookie or not right:
            raise Refusal(codes.FORM_STALE)

    def visited(self, browser: Browser) -> str:
        """The cookie of a visit, a new one where there is none yet."""
        return browser.visit or secrets.token_urlsafe(32)

    def keep_visit(self, response: Response, visit: str) -> Response:
        self._set(response, self._visit, visit)
        return response

    def keep(self, response: Response, signed_in: SignedIn) -> Response:
        """Give the browser what a step of signing in brought."""
        self._set(response, self._session, signed_in.cookie)
        if signed_in.device:
            self._set(response, self._device, signed_in.device, DEVICE_LIFE_S)
        return response

    def drop(self, response: Response) -> Response:
        self._set(response, self._session, "", 0)
        return response

    def _set(self, response: Response, name: str, value: str, life_s: int | None = None) -> None:
        response.set_cookie(
            name, value, max_age=life_s, path="/login", secure=self._secure, httponly=True, samesite="lax"
        )


async def form_of(request: Request) -> dict[str, str]:
    """The fields; raises Refusal(FORM_STALE) for what no page of ours sends."""
    kinds = request.headers.getlist("content-type")
    try:
        if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != FORM:
            raise ValueError("not a form")
        pairs = parse_qsl(
            (await request.body()).decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict",
            max_num_fields=FIELDS_AT_MOST,
        )  # fmt: skip
    except ValueError:
        raise Refusal(codes.FORM_STALE) from None
    if len(dict(pairs)) < len(pairs) or any("\0" in value for _, value in pairs):
        raise Refusal(codes.FORM_STALE)
    return dict(pairs)


def onward_of(wanted: str) -> str:
    """Where somebody goes after signing in: back to an authorization request of ours, or home. Never elsewhere."""
    return wanted if len(wanted) <= LONGEST_ONWARD and _ONWARD.fullmatch(wanted) else HOME
