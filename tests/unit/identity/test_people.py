"""What can be said of people without a database: passwords, codes, roles, addresses."""

import asyncio
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.api.browser import HOME, onward_of
from identity.pages.words import WORDS
from identity.people.authorize import is_registered
from identity.people.lockout import Devices, Place
from identity.people.passwords import Passwords
from identity.people.roles import ADMINISTRATIONS, ROLES, check_together, scopes_of
from identity.people.totp import STEP_S, recovery_codes, spelled, step_of
from runtime.errors import Refusal
from wire import codes, scopes

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.mark.anyio
@pytest.mark.requirement("PEO-02")
async def test_passwords_are_kept_as_argon2id_of_the_cost_that_owasp_names() -> None:
    passwords = Passwords()
    kept = await passwords.hashed("Korrekt-Pferd-7", "192.0.2.1")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.is_right(kept, "Korrekt-Pferd-7", "192.0.2.1")
    assert not await passwords.is_right(kept, "Korrekt-Pferd-8", "192.0.2.1")
    assert not await passwords.is_right(None, "nobody's password", "192.0.2.1")
    passwords.close()


@pytest.mark.anyio
@pytest.mark.requirement("PEO-03")
async def test_one_network_takes_some_places_and_leaves_the_others() -> None:
    passwords = Passwords(memory_kib=64)
    ours = [asyncio.ensure_future(passwords.hashed("Korrekt-Pferd-7", f"192.0.2.{n}")) for n in range(20)]
    other = passwords.hashed("Korrekt-Pferd-7", "198.51.100.1")
    done = await asyncio.gather(*ours, other, return_exceptions=True)
    assert [isinstance(each, Refusal) for each in done] == [False] * 6 + [True] * 14 + [False]
    passwords.close()


@pytest.mark.requirement("PEO-02")
@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_good_one_step_early_or_late(steps: int, good: bool) -> None:
    code = pyotp.TOTP(SECRET).at(NOON + timedelta(seconds=steps * STEP_S))
    found = step_of(SECRET, code, NOON, 0)
    assert (found is not None) == good
    if found is not None:
        assert step_of(SECRET, code, NOON, found) is None


def test_recovery_codes_are_long_and_read_however_they_are_typed() -> None:
    made = recovery_codes()
    assert len(set(made)) == 10
    assert all(len(code.replace("-", "")) == 16 for code in made)
    assert spelled(f" {made[0].lower().replace('-', ' ')} ") == made[0]


@pytest.mark.requirement("PEO-05")
@pytest.mark.parametrize("held", [{a, b} for a in ADMINISTRATIONS for b in ADMINISTRATIONS if a < b])
def test_two_administrations_in_one_hand_are_refused(held: set[str]) -> None:
    with pytest.raises(Refusal) as refused:
        check_together(frozenset(held))
    assert refused.value.code is codes.ROLES_EXCLUDE


@pytest.mark.requirement("PEO-05")
def test_no_two_administrations_share_a_right_and_no_role_may_call() -> None:
    for a in ADMINISTRATIONS:
        for b in ADMINISTRATIONS - {a}:
            assert not ROLES[a] & ROLES[b]
    assert scopes.CALL not in scopes_of(ROLES)
    assert set(ROLES) <= set(WORDS)


@pytest.mark.requirement("PEO-07")
@pytest.mark.parametrize(
    ("address", "registered", "good"),
    [
        ("https://a.example/cb", "https://a.example/cb", True),
        ("https://a.example/cb/", "https://a.example/cb", False),
        ("https://a.example/cb?x", "https://a.example/cb", False),
        ("http://a.example/cb", "http://a.example/cb", False),
        ("http://127.0.0.1:9/cb", "http://127.0.0.1/cb", True),
        ("http://[::1]:9/cb", "http://[::1]/cb", True),
        ("http://localhost:9/cb", "http://localhost/cb", False),
        ("http://127.0.0.1:9/cb", "https://127.0.0.1/cb", False),
        ("http://127.0.0.1:9@evil/cb", "http://127.0.0.1/cb", False),
        ("javascript:alert(1)", "javascript:alert(1)", False),
    ],
)
def test_where_people_are_sent_back_to(address: str, registered: str, good: bool) -> None:
    assert is_registered(address, [registered]) is good


@pytest.mark.requirement("PEO-07")
@given(st.text())
def test_onward_is_home_or_an_authorization_request_of_ours(wanted: str) -> None:
    for text in (wanted, f"/login/authorize{wanted}", f"/login/authorize?{wanted}"):
        onward = onward_of(text)
        assert onward == HOME or (onward.startswith("/login/authorize?") and onward.isascii() and "\\" not in onward)


@pytest.mark.requirement("PEO-03")
def test_a_device_cookie_is_good_for_one_name() -> None:
    devices = Devices(b"k" * 32)
    cookie = devices.new("li")
    assert devices.known("li", Place("192.0.2.1", cookie)) == cookie.partition(".")[0]
    for login, given_cookie in (("wang", cookie), ("li", "x" + cookie), ("li", ""), ("li", "."), ("li", cookie[:-1])):
        assert devices.known(login, Place("192.0.2.1", given_cookie)) == ""
