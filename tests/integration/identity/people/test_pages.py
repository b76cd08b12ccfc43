"""What the pages hold browsers to, and how sessions end."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from harness.people import PASSWORD, WRONG, Request

pytestmark = pytest.mark.anyio
ISSUER = "https://tongdao.example"


async def signed_in(office: Any) -> tuple[Any, Any]:
    person = await office.invited("officer")
    browser = office.browser()
    await person.enrol(browser, office.clock.now())
    return person, browser


@pytest.mark.requirement("PEO-09")
async def test_every_page_runs_no_script_is_framed_nowhere_and_loads_only_our_style(office: Any) -> None:
    _, browser = await signed_in(office)
    invited = (await office.invited("officer")).link.removeprefix(ISSUER)
    for address in ("/login/sign-in", invited, "/login/account", "/login/password", "/login/invitation/none"):
        page = await browser.open(address)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; form-action 'self'"), address
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert not re.search(r"<script|<style|\son\w+=|style=|javascript:", page.text), address
        assert set(re.findall(r'(?:src|href)="([^"]+)"', page.text)) <= {
            "/login/style.css", "/login/account", "/login/password",
        }  # fmt: skip
    style = await browser.open("/login/style.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert not re.search(r":has\(|@layer|@container|url\(", style.text)  # Chrome 90


@pytest.mark.requirement("PEO-09")
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_pages_and_refusals_speak_two_languages(office: Any, language: str) -> None:
    browser = office.browser()
    browser.http.headers["Accept-Language"] = language
    await browser.open("/login/sign-in")
    answer = await browser.send("/login/sign-in", login="nobody", password=WRONG)
    assert ("用户名、密码或验证码不正确" in answer.text) == (language == "zh-CN")
    assert f'<html lang="{language[:2]}">' in answer.text


@pytest.mark.requirement("PEO-09")
@pytest.mark.parametrize("row", ["E-6-no-check", "E-6-other-check", "E-6-no-cookie", "E-6-json", "E-6-twice"])
async def test_a_form_that_this_browser_was_not_given_does_nothing(office: Any, row: str) -> None:
    person, browser = await signed_in(office)
    for address in ("/login/sign-in", "/login/sign-out", "/login/end", "/login/password"):
        await browser.open("/login/sign-in" if address == "/login/sign-in" else "/login/account")
        await refused(office, browser, person, row, address)
    assert (await browser.open("/login/account")).status_code == 200


async def refused(office: Any, browser: Any, person: Any, row: str, address: str) -> None:
    fields = {**browser.hidden(), "login": person.login, "password": PASSWORD, "session": "others"}
    if row == "E-6-no-check":
        fields.pop("check")
    elif row == "E-6-other-check":
        other = office.browser()
        await other.open("/login/sign-in")
        fields["check"] = other.hidden()["check"]
    elif row == "E-6-no-cookie":
        browser = office.browser()
    if row == "E-6-json":
        answer = await browser.http.post(address, json=fields)
    elif row == "E-6-twice":
        body = "&".join(f"{name}={value}" for name, value in fields.items()) + "&check=x"
        answer = await browser.http.post(
            address, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
    else:
        answer = await browser.http.post(address, data=fields)
    assert answer.status_code == 403
    assert "tongdao-session" not in str(answer.headers.get("set-cookie"))


@pytest.mark.requirement("PEO-09")
async def test_cookies_are_kept_from_scripts_from_other_sites_and_from_calls(office: Any) -> None:
    person, browser = await signed_in(office)
    cookies = {cookie.name: cookie for cookie in browser.http.cookies.jar}
    assert set(cookies) == {f"__Secure-tongdao-{name}" for name in ("visit", "session", "device")}
    for cookie in cookies.values():
        assert (cookie.path, cookie.secure) == ("/login", True)
    await browser.open("/login/sign-in")
    answer = await browser.send("/login/sign-in", login=person.login, password=PASSWORD)
    set_cookie = answer.headers["set-cookie"]
    assert all(word in set_cookie for word in ("HttpOnly", "SameSite=lax", "Secure", "Path=/login"))
    assert "Max-Age" not in set_cookie


@pytest.mark.requirement("PEO-09")
async def test_a_session_that_was_there_before_signing_in_is_worth_nothing_after(office: Any) -> None:
    """E-6: session fixation."""
    person = await office.member("officer")
    victim, attacker = office.browser(), office.browser()
    planted = uuid4().hex
    victim.http.cookies.set("__Secure-tongdao-session", planted, domain="tongdao.example", path="/login")
    await victim.open("/login/sign-in")
    half = await victim.send("/login/sign-in", login=person.login, password=PASSWORD)
    between = victim.cookie("session")
    await victim.follow(half)
    await victim.send("/login/code", code=person.code(office.clock.now()))
    assert len({planted, between, victim.cookie("session")}) == 3
    for stolen in (planted, between):
        attacker.http.cookies.set("__Secure-tongdao-session", stolen, domain="tongdao.example", path="/login")
        assert (await attacker.open("/login/account")).status_code == 303


@pytest.mark.requirement("PEO-04")
@pytest.mark.parametrize("row", ["E-6-idle", "E-6-absolute"])
async def test_a_session_ends_by_disuse_and_by_age(office: Any, row: str) -> None:
    _, browser = await signed_in(office)
    if row == "E-6-idle":
        moments = [29, 58, 87]
        last = timedelta(minutes=87 + 30, seconds=1)
    else:
        moments = list(range(20, 480, 20))
        last = timedelta(hours=8, seconds=1)
    for minutes in moments:
        office.clock.ahead = timedelta(minutes=minutes)
        assert (await browser.open("/login/account")).status_code == 200, minutes
    office.clock.ahead = last
    assert (await browser.open("/login/account")).status_code == 303


@pytest.mark.requirement("PEO-04")
@pytest.mark.parametrize("how", ["one", "others", "sign-out", "password"])
async def test_people_see_their_sessions_and_end_them_on_every_replica(office: Any, start: Any, how: str) -> None:
    person, own = await signed_in(office)
    async with start(instance="identity-2") as replica:
        other = office.browser("192.0.2.44")
        other.http = type(own)(replica.app, ISSUER, "192.0.2.44").http
        await person.sign_in(other, office.clock.now())
        assert (await other.open("/login/account")).status_code == 200
        page = await own.open("/login/account")
        assert page.text.count("Chrome/90 (test)") == 2
        assert "192.0.2.44" in page.text
        (number,) = re.findall(r'name="session" value="([0-9a-f-]{36})"', page.text)
        if how in ("one", "others"):
            await own.send("/login/end", session=number if how == "one" else "others")
        elif how == "sign-out":
            kept = own.cookie("session")
            await own.send("/login/sign-out")
            assert own.cookie("session") == ""
            own.http.cookies.set("__Secure-tongdao-session", kept, domain="tongdao.example", path="/login")
            assert (await own.open("/login/account")).status_code == 303
            own, other = other, own
        else:
            await own.open("/login/password")
            new = "Anderes-Pferd-8"
            done = await own.send("/login/password", old=PASSWORD, password=new, again=new)
            assert done.status_code == 303
        assert (await own.open("/login/account")).status_code == 200
        assert (await other.open("/login/account")).status_code == 303


@pytest.mark.requirement("PEO-04")
async def test_nobody_ends_a_session_of_somebody_else(office: Any) -> None:
    _, own = await signed_in(office)
    victim, other = await signed_in(office)
    (row,) = await office.rows("SELECT number FROM identity.session WHERE person = $1", victim.id)
    await own.open("/login/account")
    for number in (str(row["number"]), "not-a-number"):
        assert (await own.send("/login/end", session=number)).status_code == 303
    assert (await other.open("/login/account")).status_code == 200


@pytest.mark.requirement("PEO-09")
async def test_what_people_are_called_is_text_and_nothing_else(office: Any) -> None:
    """E-8: stored script."""
    name = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    body = {"login": f"x-{uuid4().hex[:8]}", "name": name, "department": "gaj", "roles": []}
    link = (await office.people("POST", "", body)).json()["link"]
    page = await office.browser().open(link.removeprefix(ISSUER))
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "<img" not in page.text


@pytest.mark.requirement("PEO-09")
async def test_a_form_may_end_at_the_client_that_asked_and_nowhere_else(office: Any) -> None:
    browser = office.browser()
    page = await browser.follow(await browser.open(Request(office.client).address))
    assert "form-action 'self' https://portal.example;" in page.headers["content-security-policy"]
    for address in (
        "https://a;script-src%20*", "https://evil.example", "http://[", "https://%25E4%25B8%25AD", "http://%255B",
        f"https://evil.example&client_id={office.client}",
    ):  # fmt: skip
        page = await browser.open(f"/login/sign-in?next=/login/authorize?redirect_uri={quote(address)}")
        assert page.status_code == 200, address
        assert "form-action 'self'; frame" in page.headers["content-security-policy"], address


@pytest.mark.requirement("PEO-09")
async def test_pages_say_which_of_several_things_is_wrong(office: Any) -> None:
    person = await office.invited("officer")
    browser = office.browser()
    path = person.link.removeprefix(ISSUER)
    await browser.open(path)
    answer = await browser.send(path, password=PASSWORD, again=WRONG, code="000000")
    assert (answer.status_code, "are not the same" in answer.text) == (422, True)
    answer = await browser.send(path, password=PASSWORD, again=PASSWORD, code="000000")
    assert (answer.status_code, "set its clock" in answer.text) == (401, True)
    await person.enrol(browser, office.clock.now())
    await browser.open("/login/password")
    answer = await browser.send("/login/password", old=WRONG, password=PASSWORD, again=PASSWORD)
    assert (answer.status_code, "present password is not right" in answer.text) == (401, True)
