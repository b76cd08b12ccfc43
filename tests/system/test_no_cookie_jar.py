"""The gateway keeps nobody's cookies: who signs in through it is signed in alone."""

from datetime import UTC, datetime

import pytest

from harness.people import Browser, Person, Request
from harness.platform import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.system, pytest.mark.xdist_group("platform")]


@pytest.mark.requirement("TOK-09")
async def test_whoever_comes_without_a_cookie_has_to_sign_in(platform: Platform) -> None:
    invited = platform.tongdao(
        "person", "invite", "no-jar", "--department", "gaj", "--name", "李四", "--role", "officer"
    )
    assert invited.returncode == 0, invited.stderr
    person = Person("", "no-jar", invited.stdout.split()[0])
    signed_in, stranger = Browser(None, platform.gateway), Browser(None, platform.gateway, "203.0.113.8")
    assert (await person.enrol(signed_in, datetime.now(UTC))).status_code == 200
    await person.sign_in(signed_in, datetime.now(UTC))
    assert (await signed_in.open("/login/account")).status_code == 200
    for page in ("/login/account", Request("portal").address):
        stranger.http.cookies.clear()
        answer = await stranger.open(page)
        assert answer.status_code in (303, 400, 401), answer.text
        assert person.login not in answer.text
        if answer.status_code == 303:
            assert answer.headers["location"].startswith("/login/sign-in")
    await signed_in.http.aclose()
    await stranger.http.aclose()
