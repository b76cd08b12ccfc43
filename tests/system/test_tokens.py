"""What a missing, broken or forged access token gets: 401 or 400, no word beyond the code, and nobody is asked."""

import time
from typing import Any

import pytest
from joserfc import jwk

from harness.checks import CASE, VEHICLE, check, providers_asked
from harness.forgery import forged
from harness.members import Member
from harness.platform import Platform
from runtime.http import Client

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]


@pytest.mark.requirement("GWY-10")
def test_no_token_is_told_nothing_but_that(platform: Platform, client: Client) -> None:
    with providers_asked(platform, 0):
        answer = client.get(f"/x/{VEHICLE}")
    check(answer, 401, "token/missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="tongdao"'
    assert "tongdao-record" not in answer.headers


@pytest.mark.requirement("GWY-10")
@pytest.mark.requirement("JDZ-14-15")
def test_a_well_made_token_is_let_in(platform: Platform, client: Client, member: Member) -> None:
    headers = {"Authorization": f"bearer {forged(platform, member)}", **CASE}
    answer = client.get(f"/x/{VEHICLE}", headers=headers)
    assert answer.status_code == 200, answer.text


BAD_TOKENS: dict[str, dict[str, Any]] = {
    "expired": {"iat": int(time.time()) - 400, "exp": int(time.time()) - 200},
    "too long-lived": {"exp": int(time.time()) + 3600},
    "other audience": {"aud": "https://elsewhere.example"},
    "other issuer": {"iss": "https://elsewhere.example"},
    "expiry is a text": {"exp": "2099"},
    "bound to a key": {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
    "no department": {"department": None},
}


@pytest.mark.requirement("GWY-10")
@pytest.mark.requirement("JDZ-14-15")
@pytest.mark.parametrize("claims", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_token_with_a_false_claim_is_invalid(
    platform: Platform, client: Client, member: Member, claims: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {forged(platform, member, **claims)}", **CASE}
    with providers_asked(platform, 0):
        answer = client.get(f"/x/{VEHICLE}", headers=headers)
    check(answer, 401, "token/invalid")
    assert answer.headers["www-authenticate"] == 'Bearer realm="tongdao", error="invalid_token"'


@pytest.mark.requirement("GWY-10")
def test_a_token_signed_by_somebody_else_is_invalid(platform: Platform, client: Client, member: Member) -> None:
    other = jwk.ECKey.generate_key("P-256")
    headers = {"Authorization": f"Bearer {forged(platform, member, key=other)}"}
    check(client.get(f"/x/{VEHICLE}", headers=headers), 401, "token/invalid")


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("Basic eDp5", 401, "token/missing"),
        ("Bearer", 400, "token/malformed"),
        ("Bearer a b", 400, "token/malformed"),
        ("Bearer not-a-token", 401, "token/invalid"),
        ("Bearer a.b.c", 401, "token/invalid"),
    ],
)
def test_a_broken_header_is_told_apart(client: Client, header: str, status: int, code: str) -> None:
    check(client.get(f"/x/{VEHICLE}", headers={"Authorization": header}), status, code)


def test_two_tokens_are_one_too_many(client: Client, member: Member) -> None:
    token = member.token()
    answer = client.get(f"/x/{VEHICLE}", headers=[("Authorization", f"Bearer {token}")] * 2)
    check(answer, 400, "token/malformed")
