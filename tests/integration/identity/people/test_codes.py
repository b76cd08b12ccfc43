"""Codes, tokens of people, refresh tokens: what they say, what they are bound to, and when they end."""

import asyncio
import base64
import json
import time
from datetime import timedelta
from typing import Any

import pytest

from harness.people import BACK, PASSWORD, Request, said
from wire.catalog import Department, State

pytestmark = pytest.mark.anyio
ISSUER = "https://tongdao.example"


def part(token: str, index: int) -> dict[str, Any]:
    text = token.split(".")[index]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


async def signed_in(office: Any, *roles: str) -> tuple[Any, Any]:
    person = await office.invited(*(roles or ("officer",)))
    browser = office.browser()
    await person.enrol(browser, office.clock.now())
    return person, browser


@pytest.mark.requirement("PEO-06")
async def test_signing_in_at_a_client_ends_in_tokens_that_name_the_person(office: Any) -> None:
    person = await office.member("officer", "head")
    browser = office.browser()
    asked = Request(office.client, scope="openid profile office:officer catalog:write")
    sent = await browser.open(asked.address)
    assert sent.headers["location"].startswith("/login/sign-in?next=")
    back = await browser.follow(await person.sign_in(browser, office.clock.now(), sent.headers["location"]))
    told = said(back)
    assert back.headers["location"].startswith(f"{BACK}?")
    assert (told["state"], told["iss"]) == (asked.state, ISSUER)
    answer = await office.redeem(
        grant_type="authorization_code", code=told["code"], redirect_uri=BACK, code_verifier=asked.verifier
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["scope"] == "office:officer openid profile"  # not catalog:write: that is no role of theirs
    token = (await office.service.verifier()).verify(body["access_token"], time.time())
    assert token.person == token.client == f"person:{person.id}"
    assert (token.through, token.department) == (office.client, "gaj")
    claims = part(body["id_token"], 1)
    assert part(body["id_token"], 0)["typ"] == "JWT"
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, office.client, f"person:{person.id}")
    assert (claims["nonce"], claims["amr"]) == (asked.nonce, ["pwd", "otp", "mfa"])
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    about = (await office.service.http.get("/oauth2/userinfo", headers=headers)).json()
    assert about == {
        "sub": f"person:{person.id}", "name": "李雷", "preferred_username": person.login, "department": "gaj",
        "roles": ["head", "officer"],
    }  # fmt: skip
    (event,) = await office.events("token.issued", subject=f"person:{person.id}")
    assert event.department == "gaj"


@pytest.mark.requirement("PEO-06")
@pytest.mark.parametrize("token", ["of a system", "ID token"])
async def test_userinfo_is_for_access_tokens_of_people(office: Any, token: str) -> None:
    _, browser = await signed_in(office)
    tokens = await office.tokens(browser)
    given = tokens["id_token"] if token == "ID token" else await office.service.operator_token()
    answer = await office.service.http.get("/oauth2/userinfo", headers={"Authorization": f"Bearer {given}"})
    assert answer.status_code == (401 if token == "ID token" else 403)


@pytest.mark.requirement("PEO-06")
async def test_discovery_names_what_there_is(office: Any) -> None:
    found = (await office.service.http.get("/.well-known/openid-configuration")).json()
    assert found["issuer"] == ISSUER
    assert found["authorization_endpoint"] == f"{ISSUER}/login/authorize"
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert {"authorization_code", "refresh_token"} <= set(found["grant_types_supported"])
    assert "none" not in found["token_endpoint_auth_methods_supported"]


SENT_BACK: dict[str, tuple[dict[str, str | None], str]] = {
    "A-28-no-pkce": ({"code_challenge": None}, "invalid_request"),
    "A-28-plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "A-28-no-method": ({"code_challenge_method": None}, "invalid_request"),
    "A-28-state-missing": ({"state": None}, "invalid_request"),
    "A-28-implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "A-28-fragment": ({"response_mode": "fragment"}, "unsupported_response_type"),
    "A-28-request-object": ({"request": "e30.e30."}, "request_not_supported"),
    "A-28-request-uri": ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
    "A-28-scope": ({"scope": 'openid "x"'}, "invalid_scope"),
    "A-28-max-age": ({"max_age": "-5"}, "invalid_request"),
}


@pytest.mark.requirement("PEO-07")
@pytest.mark.parametrize("row", SENT_BACK)
async def test_a_request_that_is_not_as_it_should_be_is_sent_back_without_a_code(office: Any, row: str) -> None:
    _, browser = await signed_in(office)
    over, error = SENT_BACK[row]
    asked = Request(office.client, **over)
    answer = await browser.open(asked.address)
    told = said(answer)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{BACK}?")
    assert (told["error"], told["iss"], "code" in told) == (error, ISSUER, False)
    assert told.get("state") == asked.parameters.get("state")


NOT_SENT: dict[str, dict[str, str | None]] = {
    "A-28-redirect-longer": {"redirect_uri": f"{BACK}/more"},
    "A-28-redirect-query": {"redirect_uri": f"{BACK}?next=x"},
    "A-28-redirect-case": {"redirect_uri": BACK.replace("callback", "Callback")},
    "A-28-redirect-host": {"redirect_uri": "https://portal.example.evil/callback"},
    "A-28-redirect-user": {"redirect_uri": "https://portal.example@evil/callback"},
    "A-28-http": {"redirect_uri": BACK.replace("https:", "http:")},
    "A-28-redirect-none": {"redirect_uri": None},
    "A-28-redirect-relative": {"redirect_uri": "//evil.example/callback"},
    "A-28-client-unknown": {"client_id": "nobody"},
    "A-28-client-of-no-people": {"client_id": "platform-operator"},
    "A-28-client-nul": {"client_id": "a\0b"},
}


@pytest.mark.requirement("PEO-07")
@pytest.mark.parametrize("row", NOT_SENT)
async def test_what_may_be_somebody_else_s_address_is_never_sent_to(office: Any, row: str) -> None:
    _, browser = await signed_in(office)
    answer = await browser.open(Request(office.client, **NOT_SENT[row]).address)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert "evil" not in answer.text


@pytest.mark.requirement("PEO-07")
async def test_a_parameter_twice_is_refused(office: Any) -> None:
    _, browser = await signed_in(office)
    answer = await browser.open(Request(office.client).address + "&state=another")
    assert (answer.status_code, "location" in answer.headers) == (400, False)


WRONG_FORMS: dict[str, dict[str, str]] = {
    "A-28-verifier": {"code_verifier": "x" * 43},
    "A-28-verifier-none": {"code_verifier": ""},
    "A-28-verifier-short": {"code_verifier": "x"},
    "A-28-redirect-other": {"redirect_uri": f"{BACK}/more"},
    "A-28-redirect-missing": {"redirect_uri": ""},
    "A-28-code": {"code": "x" * 43},
}


@pytest.mark.requirement("PEO-07")
@pytest.mark.parametrize("row", WRONG_FORMS)
async def test_a_code_is_good_with_everything_that_belongs_to_it(office: Any, row: str) -> None:
    _, browser = await signed_in(office)
    asked = Request(office.client)
    right = {"code": await office.code(browser, asked), "redirect_uri": BACK, "code_verifier": asked.verifier}
    answer = await office.redeem(grant_type="authorization_code", **{**right, **WRONG_FORMS[row]})
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_grant", "invalid_request")


@pytest.mark.requirement("PEO-07")
async def test_a_code_of_another_client_is_none(office: Any) -> None:
    _, browser = await signed_in(office)
    asked = Request(office.client)
    code = await office.code(browser, asked)
    other, key = await office.service.registered(grants=["authorization_code"], redirect_uris=[BACK])
    answer = await office.service.ask(
        office.service.assertion(other, key), grant_type="authorization_code", code=code, redirect_uri=BACK,
        code_verifier=asked.verifier,
    )  # fmt: skip
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.requirement("PEO-07")
@pytest.mark.parametrize("row", ["A-28-code-twice", "A-28-code-late"])
async def test_a_code_is_good_once_and_for_a_minute(office: Any, row: str) -> None:
    _, browser = await signed_in(office)
    asked = Request(office.client)
    form = {"code": await office.code(browser, asked), "redirect_uri": BACK, "code_verifier": asked.verifier}
    if row == "A-28-code-late":
        office.clock.ahead = timedelta(seconds=61)
        answer = await office.redeem(grant_type="authorization_code", **form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        return
    answers = await asyncio.gather(*(office.redeem(grant_type="authorization_code", **form) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    (first,) = [answer.json() for answer in answers if answer.status_code == 200]
    token_id = part(first["access_token"], 1)["jti"]
    assert await office.is_revoked("token", token_id)
    answer = await office.redeem(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.requirement("PEO-07")
@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/login/authorize@evil", "/\\evil.example", "/login/authorize?\\evil"],
    ids=["A-28-open-redirect-url", "A-28-open-redirect-2", "A-28-open-redirect-at", "A-28-open-redirect-backslash",
         "A-28-open-redirect-query"],
)  # fmt: skip
async def test_signing_in_leads_to_nobody_else_and_repeats_no_password(office: Any, wanted: str) -> None:
    person = await office.member("officer")
    browser = office.browser()
    await browser.open("/login/sign-in")
    half = await browser.send("/login/sign-in", login=person.login, password=PASSWORD, next=wanted)
    await browser.follow(half)
    done = await browser.send("/login/code", code=person.code(office.clock.now()), next=wanted)
    assert [half.status_code, done.status_code] == [303, 303]  # 307 would send the password on
    assert done.headers["location"] == "/login/account"


@pytest.mark.requirement("PEO-07")
@pytest.mark.parametrize("prompt", ["none", "login", "old"])
async def test_a_client_may_want_a_fresh_sign_in_or_no_page_at_all(office: Any, prompt: str) -> None:
    _, browser = await signed_in(office)
    visitor = office.browser() if prompt == "none" else browser
    office.clock.ahead = timedelta(minutes=2)
    over = {"max_age": "60"} if prompt == "old" else {"prompt": prompt}
    answer = await visitor.open(Request(office.client, **over).address)
    if prompt == "none":
        assert said(answer)["error"] == "login_required"
    else:
        assert answer.headers["location"].startswith("/login/sign-in?")


@pytest.mark.requirement("PEO-07")
async def test_a_program_on_this_machine_chooses_its_own_port_and_nothing_else(office: Any) -> None:
    program, _ = await office.service.registered(
        grants=["authorization_code"], redirect_uris=["http://127.0.0.1/callback"]
    )
    _, browser = await signed_in(office)
    for address, status in (
        ("http://127.0.0.1:40123/callback", 303), ("http://127.0.0.1:40123/other", 400),
        ("http://localhost:40123/callback", 400), ("http://127.0.0.1.evil.example/callback", 400),
    ):  # fmt: skip
        assert (await browser.open(Request(program, redirect_uri=address).address)).status_code == status


@pytest.mark.requirement("PEO-08")
async def test_a_refresh_token_is_good_once_and_using_it_twice_ends_everything(office: Any) -> None:
    _, browser = await signed_in(office)
    first = await office.tokens(browser)
    answer = await office.redeem(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert answer.status_code == 200, answer.text
    second = answer.json()
    assert "id_token" not in second
    stolen = await office.redeem(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    answer = await office.redeem(grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert answer.json()["error"] == "invalid_grant"
    for issued in (first, second):
        assert await office.is_revoked("token", part(issued["access_token"], 1)["jti"])


@pytest.mark.requirement("PEO-08")
@pytest.mark.parametrize("what", ["refresh", "code"])
async def test_what_could_not_be_recorded_may_be_asked_for_again_and_once(office: Any, what: str) -> None:
    _, browser = await signed_in(office)
    asked = Request(office.client)
    if what == "refresh":
        form = {"grant_type": "refresh_token", "refresh_token": (await office.tokens(browser))["refresh_token"]}
    else:
        form = {
            "grant_type": "authorization_code", "code": await office.code(browser, asked), "redirect_uri": BACK,
            "code_verifier": asked.verifier,
        }  # fmt: skip
    office.log.mode = "down"
    assert [(await office.redeem(**form)).status_code for _ in range(2)] == [503, 503]
    office.log.mode = "ok"
    first = await office.redeem(**form)
    assert first.status_code == 200, first.text
    assert (await office.redeem(**form)).json()["error"] == "invalid_grant"
    assert await office.is_revoked("token", part(first.json()["access_token"], 1)["jti"])


@pytest.mark.requirement("PEO-08")
@pytest.mark.parametrize("how", ["E-6-sign-out", "E-6-suspended", "E-6-ended", "E-6-reuse"])
async def test_what_ends_while_tokens_are_refreshed_leaves_none_that_is_good(office: Any, how: str) -> None:
    for turn in range(5):
        person, browser = await signed_in(office)
        asked = Request(office.client)
        form = {
            "grant_type": "authorization_code", "code": await office.code(browser, asked), "redirect_uri": BACK,
            "code_verifier": asked.verifier,
        }  # fmt: skip
        issued = [(await office.redeem(**form)).json()]
        await browser.open("/login/account")
        began = asyncio.Event()

        async def refreshing(issued: list[Any] = issued, began: asyncio.Event = began) -> int:
            while True:
                answer = await office.redeem(grant_type="refresh_token", refresh_token=issued[-1]["refresh_token"])
                if answer.status_code != 200:
                    return int(answer.status_code)
                issued.append(answer.json())
                if len(issued) > turn:  # noqa: B023  # awaited in this turn
                    began.set()

        task = asyncio.create_task(refreshing())
        await began.wait()
        if how == "E-6-sign-out":
            answer = await browser.send("/login/sign-out")
        elif how == "E-6-suspended":
            body = {"standing": "suspended", "reason": "x"}
            answer = await office.people("POST", f"/{person.id}/standing", body)
        elif how == "E-6-ended":
            answer = await office.people("POST", f"/{person.id}/end-sessions", {})
        else:
            answer = await office.redeem(**form)
        assert answer.status_code == {"E-6-sign-out": 303, "E-6-suspended": 200, "E-6-ended": 204}.get(how, 400)
        assert await task == 400
        assert await office.is_revoked("token", part(issued[-1]["access_token"], 1)["jti"])


@pytest.mark.requirement("PEO-08")
async def test_a_refresh_token_that_is_given_back_ends_its_authorization(office: Any) -> None:
    person, browser = await signed_in(office)
    tokens = await office.tokens(browser)
    other, key = await office.service.registered()
    for client, own, status in ((other, key, 200), (office.client, office.key, 400)):
        answer = await office.service.ask(
            office.service.assertion(client, own), path="/oauth2/revoke", token=tokens["refresh_token"],
            token_type_hint="refresh_token",
        )  # fmt: skip
        assert answer.status_code == 200
        answer = await office.redeem(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert answer.status_code == status
        tokens = answer.json() if status == 200 else tokens
    assert await office.is_revoked("token", part(tokens["access_token"], 1)["jti"])
    (event,) = await office.events("person.authorization_revoked", person=f"person:{person.id}")
    assert event.actor == office.client


@pytest.mark.requirement("PEO-07")
async def test_max_age_0_asks_for_one_sign_in_and_not_for_ever(office: Any) -> None:
    person = await office.member("officer")
    browser = office.browser()
    first = await browser.open(Request(office.client, max_age="0").address)
    assert first.headers["location"].startswith("/login/sign-in?next=")
    done = await person.sign_in(browser, office.clock.now(), first.headers["location"])
    assert "code" in said(await browser.follow(done))


@pytest.mark.requirement("PEO-06")
async def test_people_of_a_suspended_department_get_no_tokens(office: Any) -> None:
    _, browser = await signed_in(office)
    first = await office.tokens(browser)
    token = first["refresh_token"]
    gone = State(standing="suspended", since="2026-11-22T12:00:00Z", by="authority")
    office.service.catalog.tell("department", Department(id="gaj", name="公安局", state=gone))
    answer = await office.redeem(grant_type="refresh_token", refresh_token=token)
    while answer.status_code == 200:
        token = answer.json()["refresh_token"]
        answer = await office.redeem(grant_type="refresh_token", refresh_token=token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.requirement("PEO-08")
async def test_a_role_that_was_taken_is_missing_at_the_next_refresh(office: Any) -> None:
    person, browser = await signed_in(office)
    first = await office.tokens(browser)
    await office.people("PUT", f"/{person.id}/roles", {"roles": []})
    answer = await office.redeem(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert answer.json()["scope"] == "openid profile"


@pytest.mark.requirement("PEO-08")
@pytest.mark.parametrize("end", ["E-6-idle", "E-6-absolute", "E-6-sign-out", "E-6-suspended", "E-6-ended"])
async def test_a_refresh_token_lives_no_longer_than_its_session(office: Any, end: str) -> None:
    person, browser = await signed_in(office)
    first = await office.tokens(browser)
    token = first["refresh_token"]
    if end == "E-6-idle":
        office.clock.ahead = timedelta(minutes=30, seconds=1)
    elif end == "E-6-absolute":
        for minutes in range(20, 480, 20):
            office.clock.ahead = timedelta(minutes=minutes)
            token = (await office.redeem(grant_type="refresh_token", refresh_token=token)).json()["refresh_token"]
        office.clock.ahead = timedelta(hours=8, seconds=1)
    elif end == "E-6-sign-out":
        await browser.open("/login/account")
        await browser.send("/login/sign-out")
    elif end == "E-6-suspended":
        await office.people("POST", f"/{person.id}/standing", {"standing": "suspended", "reason": "x"})
    else:
        await office.people("POST", f"/{person.id}/end-sessions", {})
    answer = await office.redeem(grant_type="refresh_token", refresh_token=token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await browser.open("/login/account")).status_code == 303
