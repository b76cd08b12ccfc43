"""Whatever is sent to the token endpoint: never a failure of ours, never a token, never a word to strangers."""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from identity import throttle
from wire.assertions import TYPE

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("IDN-07")]
LIMITS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ERRORS = {"invalid_request", "invalid_client", "invalid_scope", "invalid_target", "unsupported_grant_type"}
NAMES = st.sampled_from(
    ["grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource"]
)
VALUES = st.one_of(
    st.sampled_from(["client_credentials", TYPE, "platform-operator", "call", "", "password", "e30.e30.e30"]),
    st.text(max_size=40),
    st.binary(max_size=40),
)
FORMS = st.lists(st.tuples(st.one_of(NAMES, st.text(max_size=10)), VALUES), max_size=10).map(
    lambda pairs: urlencode(pairs, errors="surrogatepass").encode()
)
HEADERS = st.one_of(
    st.none(),
    st.binary(max_size=40).map(lambda raw: b"Basic " + raw),
    st.text(max_size=40).map(lambda text: b"Basic " + b64encode(text.encode())),
    st.sampled_from([b"Basic", b"basic ", b"Bearer x", b"Basic cGxhdGZvcm0tb3BlcmF0b3I6eA=="]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CLAIMS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("iss", "aud", "exp", "iat", "nbf", "jti", "client_id"), JSON)
)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever fails as often as here would soon be told to wait."""
    monkeypatch.setattr(throttle, "FAILURES_AT_MOST", 1_000_000)


async def known(service: Any) -> tuple[str, ECKey]:
    """One client for all examples of a test."""
    if not hasattr(service, "known"):
        service.known = await service.registered()
    client: tuple[str, ECKey] = service.known
    return client


def check(answer: Any) -> None:
    assert answer.status_code in (400, 401), answer.text
    body = answer.json()
    assert body["error"] in ERRORS
    assert answer.headers["cache-control"] == "no-store"
    assert all(0x20 <= ord(c) <= 0x7E and c not in '"\\' for c in body.get("error_description", ""))


@LIMITS
@given(form=st.one_of(FORMS, st.binary(max_size=200)), authorization=HEADERS)
async def test_any_form(service: Any, form: bytes, authorization: bytes | None) -> None:
    headers = [(b"Content-Type", b"application/x-www-form-urlencoded")]
    if authorization is not None:
        headers.append((b"Authorization", authorization))
    answer = await service.http.post("/oauth2/token", content=form, headers=headers)
    check(answer)
    assert "error_description" not in answer.json()


@LIMITS
@given(claims=CLAIMS, typ=st.one_of(st.just("JWT"), JSON), scope=st.text(max_size=20))
async def test_any_claims_under_a_good_signature(service: Any, claims: dict[str, Any], typ: object, scope: str) -> None:
    client_id, key = await known(service)
    header = {"alg": "ES256", "kid": key.kid, **({"typ": typ} if isinstance(typ, str) else {})}
    assertion = jws.serialize_compact(header, json.dumps({"sub": client_id, **claims}), key)
    answer = await service.ask(assertion, scope=scope)
    check(answer)


@LIMITS
@given(where=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=6))
async def test_any_bit_flipped_in_a_good_assertion(service: Any, where: int, bit: int) -> None:
    client_id, key = await known(service)
    assertion = bytearray(service.assertion(client_id, key).encode())
    assertion[where % len(assertion)] ^= 1 << bit
    check(await service.ask(assertion.decode("latin-1")))
