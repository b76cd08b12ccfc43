"""HMAC signatures, held against a verifier that was written from the description alone."""

import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.credentials.model import Hmac
from exchange_service.credentials.signing import signature

SECRET = "a secret of sixteen"
NOW = 1_763_800_000
FORM = re.compile(
    rb'HMAC-(SHA256|SM3) key="([A-Za-z0-9._~-]+)", date="([0-9]+)", digest="([0-9a-f]{64}|streamed)",'
    rb' signature="([0-9a-f]{64})"'
)
targets = st.from_regex(rb"/[A-Za-z0-9/._~%-]{0,20}(\?[A-Za-z0-9=&%]{0,20})?", fullmatch=True)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE"])
bodies = st.binary(max_size=200)
suites = st.sampled_from(["sha256", "sm3"])


def is_good(authorization: bytes, method: str, target: bytes, body: bytes, now: int) -> bool:
    """What a provider does. A streamed body is not covered, the rest of the request is."""
    found = FORM.fullmatch(authorization)
    if not found or found[2] != b"k1" or abs(int(found[3]) - now) > 300:
        return False
    suite = found[1].decode().lower()
    if found[4] not in (b"streamed", hashlib.new(suite, body).hexdigest().encode()):
        return False
    said = b"%b\n%b\n%b\n%b" % (method.encode(), target, found[3], found[4])
    return hmac.compare_digest(hmac.new(SECRET.encode(), said, suite).hexdigest().encode(), found[5])


def _signed(method: str, target: bytes, body: bytes | None, suite: str = "sha256") -> bytes:
    return signature(Hmac(key_id="k1", secret=SECRET, suite=suite), method, target, body, NOW)  # type: ignore[arg-type]


@pytest.mark.requirement("CRD-03")
@given(method=methods, target=targets, body=bodies, suite=suites)
def test_a_provider_can_verify_it(method: str, target: bytes, body: bytes, suite: str) -> None:
    assert is_good(_signed(method, target, body, suite), method, target, body, NOW + 200)
    assert is_good(_signed(method, target, None, suite), method, target, body, NOW)


@pytest.mark.requirement("CRD-03")
@given(method=methods, target=targets, body=bodies, other=st.tuples(methods, targets, bodies))
def test_it_is_good_for_no_other_request(
    method: str, target: bytes, body: bytes, other: tuple[str, bytes, bytes]
) -> None:
    if other != (method, target, body):
        assert not is_good(_signed(method, target, body), *other, NOW)
    assert not is_good(_signed(method, target, body), method, target, body, NOW + 301)


@pytest.mark.requirement("CRD-03")
def test_the_example_of_the_documents() -> None:
    """Fixed for all time: providers have built on it."""
    assert _signed("GET", b"/v1/insured/1?year=2026", b"") == (
        b'HMAC-SHA256 key="k1", date="1763800000",'
        b' digest="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", signature="'
        + hmac.new(
            SECRET.encode(),
            b"GET\n/v1/insured/1?year=2026\n1763800000\n"
            b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha256",
        ).hexdigest().encode()
        + b'"'
    )  # fmt: skip
