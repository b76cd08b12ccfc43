"""The first security administrator comes in by the link of the first start, signs in at the terminal, and invites."""

import json
import re
import stat
import subprocess
from datetime import UTC, datetime
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest

from harness.people import Browser, Person
from harness.platform import COMMAND, Platform
from tongdao_cli.home import write_private
from tongdao_cli.keys import OPERATOR, new_key, public
from tongdao_cli.people import CLIENT, first_link
from tongdao_cli.services import Plan

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
    another_home = public(new_key())
    client = {"department": "platform", "scope": "call", "method": "private_key_jwt", "jwks": {"keys": [another_home]}}
    with platform.consumer(OPERATOR) as operator:
        assert operator.send("PUT", f"/oauth2/clients/{CLIENT}", client).is_success
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
    with platform.consumer(OPERATOR) as operator:
        keys = operator.send("GET", f"/oauth2/clients/{CLIENT}").json()["jwks"]["keys"]
    assert [key["kid"] for key in keys] == [another_home["kid"], platform.secrets.key_of(CLIENT)["kid"]]
    check_two_commands_at_once(platform)
    invite = ("person", "invite", "zhang-san", "--department", "gaj", "--name", "张三", "--role", "officer", "--me")
    invited = platform.tongdao(*invite)
    assert invited.stdout.startswith(f"{platform.gateway}/login/invitation/"), invited.stderr
    assert "good once, until 20" in invited.stderr
    again = platform.tongdao("person", "invite", "zhang-san", "--again", "--me")
    assert again.stdout.startswith(f"{platform.gateway}/login/invitation/"), again.stderr
    assert again.stdout != invited.stdout
    listed = platform.tongdao("person", "list", "--department", "gaj", "--me")
    assert re.search(r"zhang-san +gaj +invited +officer", listed.stdout), listed.stdout + listed.stderr
    excluded = platform.tongdao(
        "person", "role", "zhang-san", "--role", "system-administrator", "--role", "audit-administrator", "--me"
    )
    assert excluded.returncode == 1
    assert "person/roles-exclude" in excluded.stderr
    own = platform.tongdao("person", "role", "security", "--me")
    assert "person/own-rights" in own.stderr
    await check_somebody_follows_the_last_administrator(platform)
    await browser.http.aclose()


def check_two_commands_at_once(platform: Platform) -> None:
    """Both need a new token, of which there is one: the second takes what the first one got."""
    file = platform.home.secrets / "person.json"
    write_private(file, {**json.loads(file.read_text()), "ends": 0})
    command = [*COMMAND, "person", "list", "--me", "--home", str(platform.home.root)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    said = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said


async def check_somebody_follows_the_last_administrator(platform: Platform) -> None:
    """None while one is active; where none is, the next start has a link, the same until there is a newer one."""
    plan = Plan(platform.home, platform.secrets, {"gateway": platform.port}, platform.database_url)
    assert first_link(plan) == ""
    database = await asyncpg.connect(platform.database_url)  # identity lets nobody suspend the last one
    await database.execute("UPDATE identity.person SET standing = 'suspended' WHERE login = 'security'")
    await database.close()
    link = first_link(plan)
    assert link.startswith(f"{platform.gateway}/login/invitation/")
    assert first_link(plan) == link
    invited = platform.tongdao("person", "list")
    assert re.search(r"security-2 +platform +invited +security-administrator", invited.stdout), invited.stdout
    assert platform.tongdao("person", "invite", "security-2", "--again").returncode == 0
    assert first_link(plan) == ""
    assert platform.tongdao("person", "suspend", "security", "--reason", "back", "--lift").returncode == 0
    assert first_link(plan) == ""


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
