"""The first security administrator comes in by the link of the first start, signs in at the terminal, and invites."""

import json
import re
import stat
import subprocess
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2
import pytest

from harness.people import Browser, Person
from harness.platform import COMMAND, Platform

pytestmark = [pytest.mark.anyio, pytest.mark.system, pytest.mark.xdist_group("platform")]


@pytest.mark.requirement("PEO-11")
async def test_the_first_link_leads_to_a_person_who_signs_in_at_the_terminal_and_invites(platform: Platform) -> None:
    file = platform.home.secrets / "first-security-administrator.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = json.loads(file.read_text())
    assert urlsplit(told["link"]).path in platform.said()
    first = Person(told["person"]["id"], told["person"]["login"], told["link"])
    browser = Browser(None, platform.gateway)
    enrolled = await first.enrol(browser, datetime.now(UTC))
    assert enrolled.status_code == 200, enrolled.text
    assert enrolled.headers["content-security-policy"].startswith("default-src 'none'")
    login = subprocess.Popen(
        [*COMMAND, "login", "--home", str(platform.home.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert login.stdout is not None
    address = login.stdout.readline().strip()
    back = await browser.open(address.removeprefix(platform.gateway))
    assert back.headers["location"].startswith("http://127.0.0.1:")
    async with httpx2.AsyncClient() as loopback:
        assert (await loopback.get(back.headers["location"])).status_code == 200
    said, _ = login.communicate(timeout=60)
    assert (login.returncode, "signed in as security" in said) == (0, True), said
    invite = ("person", "invite", "zhang-san", "--department", "gaj", "--name", "张三", "--role", "officer", "--me")
    invited = platform.tongdao(*invite)
    assert invited.stdout.startswith(f"{platform.gateway}/login/invitation/"), invited.stderr
    listed = platform.tongdao("person", "list", "--department", "gaj", "--me")
    assert re.search(r"zhang-san +gaj +invited +officer", listed.stdout), listed.stdout + listed.stderr
    excluded = platform.tongdao(
        "person", "role", "zhang-san", "--role", "system-administrator", "--role", "audit-administrator", "--me"
    )
    assert excluded.returncode == 1
    assert "person/roles-exclude" in excluded.stderr
    own = platform.tongdao("person", "role", "security", "--me")
    assert "person/own-rights" in own.stderr
    await browser.http.aclose()


@pytest.mark.requirement("PEO-11")
async def test_cookies_open_no_call_and_tokens_open_no_page(platform: Platform) -> None:
    browser = Browser(None, platform.gateway)
    page = await browser.open("/login/sign-in")
    assert [cookie.path for cookie in browser.http.cookies.jar] == ["/login"]
    assert page.headers["referrer-policy"] == "no-referrer"
    answer = await browser.http.get("/x/gaj-vehicle-info/v1", headers={"Cookie": "tongdao-session=x"})
    assert answer.status_code == 401  # T-63
    with platform.consumer("platform-operator") as operator:
        headers = {"Authorization": f"Bearer {operator.token()}"}
    answer = await browser.http.get("/login/account", headers=headers)
    assert answer.status_code == 401
    await browser.http.aclose()
