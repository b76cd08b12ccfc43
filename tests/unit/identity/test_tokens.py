"""Claims: what is checked of an assertion, at the exact second, and what a description may contain."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from identity.tokens import Holder, access_claims, check_assertion, described, digest
from wire.assertions import client_assertion

ISSUER = "https://tongdao.example"
NOW = 1_800_000_000.5
GOOD = {"iss": "a", "sub": "a", "aud": ISSUER, "exp": 1_800_000_060, "jti": "1"}


def word_of(**over: Any) -> str:
    claims = {name: value for name, value in {**GOOD, **over}.items() if value is not ...}
    fault = check_assertion({}, claims, client="a", issuer=ISSUER, now=NOW)
    return fault.word if fault else ""


@pytest.mark.requirement("IDN-04")
@pytest.mark.parametrize(
    ("claim", "value", "good"),
    [
        ("exp", 1_800_000_000, False),
        ("exp", 1_800_000_001, True),
        ("exp", 1_800_000_300, True),
        ("exp", 1_800_000_301, False),
        ("iat", 1_800_000_010, True),
        ("iat", 1_800_000_011, False),
        ("iat", 1_799_999_401, True),
        ("iat", 1_799_999_400, False),
        ("nbf", 1_800_000_010, True),
        ("nbf", 1_800_000_011, False),
        ("jti", "x" * 256, True),
        ("jti", "x" * 257, False),
    ],
)
def test_limits_are_exact(claim: str, value: object, good: bool) -> None:
    assert word_of(**{claim: value}) == ("" if good else claim)


@pytest.mark.requirement("IDN-04")
@given(st.one_of(st.none(), st.integers(), st.text(), st.booleans(), st.lists(st.sampled_from([ISSUER, "b"]))))
def test_no_other_audience_passes(audience: object) -> None:
    assert (word_of(aud=audience) == "") == (audience in (ISSUER, [ISSUER]))


@pytest.mark.requirement("IDN-04")
def test_what_our_own_tools_sign_passes() -> None:
    key = ECKey.generate_key("P-256", {"kid": "k"})
    token = jwt.decode(client_assertion("a", ISSUER, dict(key.as_dict(private=True)), NOW), key, algorithms=["ES256"])
    assert check_assertion(token.header, token.claims, client="a", issuer=ISSUER, now=NOW) is None
    assert token.header["kid"] == "k"


@pytest.mark.requirement("IDN-07")
@given(st.text())
def test_descriptions_have_only_characters_of_rfc_6749(text: str) -> None:
    assert all(c in " !" or "#" <= c <= "[" or "]" <= c <= "~" for c in described(text))


def test_digests_of_different_parts_differ() -> None:
    assert digest("ab", "c") != digest("a", "bc")


@pytest.mark.requirement("IDN-01")
def test_access_claims_say_what_rfc_9068_asks_for() -> None:
    claims = access_claims(
        Holder("a", "a", "gaj"), issuer=ISSUER, audience="https://gw.example", scope="call", token_id="t",
        issued=100, expires=400,
    )  # fmt: skip
    assert claims == {
        "iss": ISSUER, "sub": "a", "aud": "https://gw.example", "client_id": "a", "department": "gaj",
        "scope": "call", "iat": 100, "exp": 400, "jti": "t",
    }  # fmt: skip
