"""The pages at /login/…: signing in, the one-time link, one's own sessions, and the authorization endpoint.

Every form is answered with a page or with 303, which never repeats what was posted (RFC 9700 section 4.12).
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from starlette.responses import HTMLResponse, RedirectResponse, Response

from identity.api.browser import AUTHORIZE, HOME, LARGEST_FORM, Browser, Cookies, form_of, onward_of
from identity.pages.render import Pages, square
from identity.people.authorize import Authorizing, SentBack
from identity.people.external import External
from identity.people.model import Person, Session
from identity.people.signing_in import SignedIn, SignIn
from identity.people.totp import address_of
from runtime.access import PUBLIC
from runtime.errors import Refusal
from runtime.problems import language_of
from wire import codes

log = structlog.get_logger()
SIGN_IN, CODE, PASSWORD = "/login/sign-in", "/login/code", "/login/password"  # addresses


@dataclass(frozen=True)
class Desk:
    """What the pages work with. `external` is None where there is no outside provider; `elsewhere` is its origin."""

    sign_in: SignIn
    authorizing: Authorizing
    cookies: Cookies
    pages: Pages
    external: External | None
    elsewhere: str

    async def who(self, browser: Browser, *stages: str) -> tuple[Session, Person] | None:
        """Whoever is signed in as far as one of `stages`."""
        found = await self.sign_in.who(browser.session)
        return found if found and found[0].stage in stages else None

    def check_of(self, browser: Browser) -> str:
        return self.cookies.check_of(browser.session)

    async def onward_to(self, onward: str) -> list[str]:
        """Origins at which a form may end: that of the client that asked, and the provider elsewhere."""
        client = await self.authorizing.origin_of(onward.partition("?")[2])
        return [origin for origin in (client, self.elsewhere) if origin]

    def next_step(self, signed_in: SignedIn, onward: str) -> Response:
        """On to the next step, or to where the person wanted to go."""
        step = {"second": CODE, "change": PASSWORD}.get(signed_in.stage)
        return self.cookies.keep(go(with_next(step, onward) if step else onward), signed_in)


def go(address: str) -> Response:
    """303: the browser asks for it with GET, whatever it sent here."""
    return RedirectResponse(address, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def with_next(page: str, onward: str) -> str:
    return page if onward == HOME else f"{page}?{urlencode({'next': onward})}"


def in_html(pages: Pages) -> type[APIRoute]:
    """Routes that say no with a page, and that know no access tokens."""

    class HtmlRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handled(request: Request) -> Response:
                try:
                    if "authorization" in request.headers:
                        raise Refusal(codes.SIGN_IN_FAILED)
                    return await handle(request)
                except (OSError, DBAPIError, NoConnectionLeft) as error:
                    log.warning("pages.database_unreachable", error=type(error).__name__)
                    refusal = Refusal(codes.SIGN_IN_BUSY, why="away")
                except Refusal as told:
                    refusal = told
                language = language_of(request.headers.get("accept-language", ""))
                return pages.page("refused", language, refusal=refusal)

            return handled

    return HtmlRoute


def router(desk: Desk) -> APIRouter:
    """All pages."""
    routes = APIRouter(prefix="/login", route_class=in_html(desk.pages), dependencies=[PUBLIC], include_in_schema=False)
    _add_sign_in(routes, desk)
    _add_password(routes, desk)
    _add_invitation(routes, desk)
    _add_account(routes, desk)
    _add_authorize(routes, desk)
    if desk.external is not None:
        _add_external(routes, desk, desk.external)

    @routes.get("/style.css")
    async def style() -> Response:
        return Response(desk.pages.style, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})

    return routes


async def _sign_in_page(
    desk: Desk, browser: Browser, onward: str, login: str = "", refusal: Refusal | None = None
) -> Response:
    visit = desk.cookies.visited(browser)
    page = desk.pages.page(
        "sign_in", browser.language, refusal=refusal, onward_to=await desk.onward_to(onward), onward=onward,
        login=login, check=desk.cookies.check_of(visit), elsewhere=bool(desk.external),
    )  # fmt: skip
    return desk.cookies.keep_visit(page, visit)


async def _code_page(desk: Desk, browser: Browser, onward: str, refusal: Refusal | None = None) -> HTMLResponse:
    return desk.pages.page(
        "code", browser.language, refusal=refusal, onward_to=await desk.onward_to(onward), onward=onward,
        check=desk.check_of(browser),
    )  # fmt: skip


def _add_sign_in(routes: APIRouter, desk: Desk) -> None:
    @routes.get("")
    async def home() -> Response:
        return go(HOME)

    @routes.get("/sign-in")
    async def sign_in_page(request: Request) -> Response:
        onward = onward_of(request.query_params.get("next", ""))
        return await _sign_in_page(desk, await desk.cookies.browser(request), onward)

    @routes.post("/sign-in", max_body_size=LARGEST_FORM)
    async def sign_in(request: Request) -> Response:
        browser, form = await desk.cookies.browser(request), await form_of(request)
        onward, login = onward_of(form.get("next", "")), form.get("login", "").strip().lower()[:64]
        try:
            desk.cookies.check(browser.visit, form)
            signed_in = await desk.sign_in.with_password(login, form.get("password", "")[:512], browser.place)
        except Refusal as refusal:
            return await _sign_in_page(desk, browser, onward, login, refusal)
        return desk.next_step(signed_in, onward)

    @routes.get("/code")
    async def code_page(request: Request) -> Response:
        browser, onward = await desk.cookies.browser(request), onward_of(request.query_params.get("next", ""))
        if await desk.who(browser, "second") is None:
            return go(with_next(SIGN_IN, onward))
        return await _code_page(desk, browser, onward)

    @routes.post("/code", max_body_size=LARGEST_FORM)
    async def code(request: Request) -> Response:
        browser, form = await desk.cookies.browser(request), await form_of(request)
        onward = onward_of(form.get("next", ""))
        desk.cookies.check(browser.session, form)
        found = await desk.who(browser, "second")
        if found is None:
            return go(with_next(SIGN_IN, onward))
        try:
            signed_in = await desk.sign_in.with_code(found[0], form.get("code", "").strip()[:64], browser.place)
        except Refusal as refusal:
            return await _code_page(desk, browser, onward, refusal)
        return desk.next_step(signed_in, onward)


def _add_password(routes: APIRouter, desk: Desk) -> None:
    async def page(browser: Browser, session: Session, onward: str, refusal: Refusal | None = None) -> Response:
        return desk.pages.page(
            "password", browser.language, refusal=refusal, onward_to=await desk.onward_to(onward), onward=onward,
            check=desk.check_of(browser), forced=session.stage == "change",
        )  # fmt: skip

    @routes.get("/password")
    async def password_page(request: Request) -> Response:
        browser, onward = await desk.cookies.browser(request), onward_of(request.query_params.get("next", ""))
        found = await desk.who(browser, "change", "full")
        return await page(browser, found[0], onward) if found else go(with_next(SIGN_IN, onward))

    @routes.post("/password", max_body_size=LARGEST_FORM)
    async def password(request: Request) -> Response:
        browser, form = await desk.cookies.browser(request), await form_of(request)
        onward = onward_of(form.get("next", ""))
        desk.cookies.check(browser.session, form)
        found = await desk.who(browser, "change", "full")
        if found is None:
            return go(with_next(SIGN_IN, onward))
        try:
            new = _both(form)
            signed_in = await desk.sign_in.change_password(found[0], form.get("old", "")[:512], new, browser.place)
        except Refusal as refusal:
            return await page(browser, found[0], onward, refusal)
        return desk.next_step(signed_in, onward)


def _both(form: dict[str, str]) -> str:
    """The new password, if it was typed twice the same."""
    if form.get("password", "") != form.get("again"):
        raise Refusal(codes.PASSWORD_WEAK, why="passwords_differ")
    return form["password"]


def _add_invitation(routes: APIRouter, desk: Desk) -> None:
    async def page(browser: Browser, token: str, refusal: Refusal | None = None) -> Response:
        person, secret = await desk.sign_in.invited(token)
        visit = desk.cookies.visited(browser)
        shown = desk.pages.page(
            "invitation", browser.language, refusal=refusal, onward_to=await desk.onward_to(""), token=token,
            check=desk.cookies.check_of(visit), name=person.name, login=person.login, secret=secret,
            square=square(address_of(secret, person.login)), elsewhere=bool(desk.external),
        )  # fmt: skip
        return desk.cookies.keep_visit(shown, visit)

    @routes.get("/invitation/{token}")
    async def invitation_page(request: Request, token: str) -> Response:
        return await page(await desk.cookies.browser(request), token)

    @routes.post("/invitation/{token}", max_body_size=LARGEST_FORM)
    async def invitation(request: Request, token: str) -> Response:
        browser, form = await desk.cookies.browser(request), await form_of(request)
        desk.cookies.check(browser.visit, form)
        try:
            signed_in = await desk.sign_in.enrol(token, _both(form), form.get("code", ""), browser.place)
        except Refusal as refusal:
            return await page(browser, token, refusal)
        shown = desk.pages.page("codes", browser.language, codes=signed_in.recovery_codes)
        return desk.cookies.keep(shown, signed_in)


def _add_account(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/account")
    async def account(request: Request) -> Response:
        browser = await desk.cookies.browser(request)
        found = await desk.who(browser, "full")
        if found is None:
            return go(SIGN_IN)
        session, person = found
        open_now = await desk.sign_in.sessions_of(person)
        return desk.pages.page(
            "account", browser.language, person=person, sessions=open_now, own=session.number,
            check=desk.check_of(browser),
        )  # fmt: skip

    @routes.post("/end", max_body_size=LARGEST_FORM)
    async def end(request: Request) -> Response:
        browser, form = await desk.cookies.browser(request), await form_of(request)
        desk.cookies.check(browser.session, form)
        found = await desk.who(browser, "full")
        if found is None:
            return go(SIGN_IN)
        session, person = found
        wanted = form.get("session", "")
        others = [one.number for one in await desk.sign_in.sessions_of(person) if one.number != session.number]
        await desk.sign_in.end(session, others if wanted == "others" else _numbers(wanted))
        return go(HOME)

    @routes.post("/sign-out", max_body_size=LARGEST_FORM)
    async def sign_out(request: Request) -> Response:
        browser, form = await desk.cookies.browser(request), await form_of(request)
        desk.cookies.check(browser.session, form)
        if found := await desk.who(browser, "change", "full"):
            await desk.sign_in.end(found[0], [found[0].number])
        return desk.cookies.drop(go(SIGN_IN))


def _numbers(text: str) -> list[UUID]:
    try:
        return [UUID(text)]
    except ValueError:
        return []


def _add_authorize(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/authorize")
    async def authorize(request: Request) -> Response:
        browser = await desk.cookies.browser(request)
        try:
            asked = await desk.authorizing.read(request.query_params.multi_items())
            found = await desk.who(browser, "full")
            if desk.authorizing.must_sign_in(asked, found[0] if found else None) or found is None:
                return go(with_next(SIGN_IN, onward_of(f"{AUTHORIZE}?{request.url.query}")))
            return go(await desk.authorizing.grant(asked, *found))
        except SentBack as back:
            return go(back.address)


def _add_external(routes: APIRouter, desk: Desk, external: External) -> None:
    @routes.post("/external", max_body_size=LARGEST_FORM)
    async def leave(request: Request) -> Response:
        browser, form = await desk.cookies.browser(request), await form_of(request)
        desk.cookies.check(browser.visit, form)
        onward, invitation = onward_of(form.get("next", "")), form.get("invitation", "")[:256]
        if invitation:
            await desk.sign_in.invited(invitation)
        return go(await external.leave(browser.visit, onward, invitation, browser.place))

    @routes.get("/external/callback")
    async def come_back(request: Request) -> Response:
        browser = await desk.cookies.browser(request)
        signed_in, onward = await external.come_back(browser.visit, dict(request.query_params), browser.place)
        return desk.next_step(signed_in, onward_of(onward))


def link_of(issuer: str, token: str) -> str:
    """The one-time link that an invitation is."""
    return f"{issuer}/login/invitation/{quote(token)}"
