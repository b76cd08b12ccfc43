"""Signing in with an account elsewhere; elsewhere is a second authorization server of ours."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx2
import pytest

from harness.people import Browser, Request, said
from harness.postgres import Cluster, Database
from identity.app import create
from identity.settings import Settings

pytestmark = pytest.mark.anyio
ELSEWHERE, ISSUER = "https://tongdao.example", "https://county.example"
CALLBACK = f"{ISSUER}/login/external/callback"


@pytest.fixture(scope="module")
def county_database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("identity", "identity")) as lent:
        yield lent


class County:
    """The server that trusts the one elsewhere, and a browser that goes to and fro."""

    def __init__(self, service: Any, office: Any) -> None:
        self.service = service
        self.office = office

    async def invited(self) -> str:
        """Path of the link of somebody new."""
        operator = self.service.home.operator
        token = await self.service.ask(self.service.assertion("platform-operator", operator, aud=ISSUER))
        headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
        body = {"login": f"wang-{uuid4().hex[:8]}", "name": "王", "department": "gaj", "roles": ["officer"]}
        answer = await self.service.http.post("/oauth2/people", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return urlsplit(str(answer.json()["link"])).path

    def browser(self) -> Browser:
        return Browser(self.service.app, ISSUER)

    async def to_and_fro(self, browser: Browser, outside: Browser, page: str, **over: str) -> httpx2.Response:
        """Leave from this page, sign in elsewhere (where somebody is signed in already), and come back."""
        shown = await browser.open(page)
        form = shown.text.partition('action="/login/external"')[2].partition("</form>")[0]
        browser.page = httpx2.Response(200, text=f"<form {form}")
        away = await browser.send("/login/external")
        assert away.headers["location"].startswith(f"{ELSEWHERE}/login/authorize?")
        back = await outside.open(away.headers["location"].removeprefix(ELSEWHERE))
        told = {**said(back), **over}
        return await browser.http.get("/login/external/callback", params=told)


@pytest.fixture
async def county(office: Any, home: Any, county_database: Database, tmp_path: Path) -> AsyncIterator[County]:
    client, key = await office.service.registered(grants=["authorization_code"], redirect_uris=[CALLBACK])
    own = type(home)(tmp_path, county_database)
    (tmp_path / "outside.jwk.json").write_text(json.dumps(key.as_dict(private=True)))
    settings = {
        **own.settings, "issuer": ISSUER, "external_issuer": ELSEWHERE, "external_client_id": client,
        "external_key_file": tmp_path / "outside.jwk.json", "operator_jwks_file": home.settings["operator_jwks_file"],
    }  # fmt: skip
    log, catalog = type(office.log)(), type(office.service.catalog)(own.service_key("catalog"))
    audit = httpx2.AsyncClient(transport=httpx2.ASGITransport(log), base_url="http://log.test")
    outside = httpx2.AsyncClient(transport=httpx2.ASGITransport(office.app))
    app = create(Settings(**settings), audit=audit, catalog=catalog.client(), outside=outside)
    async with app.router.lifespan_context(app):
        service = type(office.service)(app, home, log, office.clock, catalog)
        yield County(service, office)
        await service.http.aclose()


async def somebody_elsewhere(county: County) -> Browser:
    person = await county.office.invited()
    outside: Browser = county.office.browser()
    await person.enrol(outside, county.office.clock.now())
    return outside


@pytest.mark.requirement("PEO-10")
async def test_an_invitation_links_the_account_elsewhere_which_signs_in_from_then_on(county: County) -> None:
    outside, link = await somebody_elsewhere(county), await county.invited()
    first = county.browser()
    done = await county.to_and_fro(first, outside, link)
    assert (done.status_code, done.headers["location"]) == (303, "/login/account")
    assert (await first.open("/login/account")).status_code == 200
    assert (await county.browser().open(link)).status_code == 404
    later = county.browser()
    wanted = Request("x").address
    done = await county.to_and_fro(later, outside, f"/login/sign-in?next={quote(wanted, safe='')}")
    assert done.headers["location"].startswith("/login/authorize?")
    assert (await later.open("/login/account")).status_code == 200


@pytest.mark.requirement("PEO-10")
@pytest.mark.parametrize("row", ["nobody-here", "state", "issuer", "code", "other-browser", "twice"])
async def test_whoever_was_not_linked_or_comes_back_otherwise_stays_out(county: County, row: str) -> None:
    outside = await somebody_elsewhere(county)
    browser = county.browser()
    over = {"state": {"state": "x"}, "issuer": {"iss": "https://evil.example"}, "code": {"code": "x"}}.get(row, {})
    page = "/login/sign-in" if row == "nobody-here" else await county.invited()
    if row == "other-browser":
        browser.http.cookies.clear()
        shown = await browser.open(page)
        form = shown.text.partition('action="/login/external"')[2].partition("</form>")[0]
        browser.page = httpx2.Response(200, text=f"<form {form}")
        away = await browser.send("/login/external")
        back = await outside.open(away.headers["location"].removeprefix(ELSEWHERE))
        victim = county.browser()
        await victim.open("/login/sign-in")
        answer = await victim.http.get("/login/external/callback", params=said(back))
    else:
        answer = await county.to_and_fro(browser, outside, page, **over)
        if row == "twice":
            answer = await browser.http.get("/login/external/callback", params=dict(answer.request.url.params))
    assert answer.status_code == 403
    assert "tongdao-session" not in str(answer.headers.get("set-cookie"))
