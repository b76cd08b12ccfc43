"""Client authentication: the same work for everybody, and Basic headers of every kind."""

import base64
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from identity import clients
from identity.clients import ASSERTION_TYPE, PrivateKeyJwt, basic_pair
from identity.keys import KEYS_AT_MOST
from identity.server import TokenRequest
from identity.store import Client
from wire.assertions import client_assertion

ISSUER = "https://tongdao.example"


def client(number_of_keys: int) -> Client:
    keys = [dict(ECKey.generate_key("P-256", {"kid": f"k{n}"}).as_dict(private=False)) for n in range(number_of_keys)]
    return Client("a", "gaj", frozenset({"call"}), "private_key_jwt", keys)


@pytest.mark.requirement("IDN-03")
@pytest.mark.parametrize(("kid", "tries"), [("k0", 1), ("unknown", 1), (7, 1), (None, KEYS_AT_MOST)])
@pytest.mark.parametrize("known", [None, client(1), client(2), client(KEYS_AT_MOST)])
def test_as_many_signatures_are_checked_for_a_stranger_as_for_a_client(
    monkeypatch: pytest.MonkeyPatch, known: Client | None, kid: object, tries: int
) -> None:
    asked: list[str] = []
    verified = 0
    check = jws.deserialize_compact

    def find(_transaction: object, client_id: str) -> Client | None:
        asked.append(client_id)
        return known

    def counted(*arguments: Any, **more: Any) -> Any:
        nonlocal verified
        verified += 1
        return check(*arguments, **more)

    monkeypatch.setattr(clients, "find_client", find)
    monkeypatch.setattr(jws, "deserialize_compact", counted)
    stranger = {**ECKey.generate_key("P-256").as_dict(private=True), "kid": kid}
    if kid is None or kid == 7:  # client_assertion wants a text
        stranger["kid"] = "x"
    assertion = client_assertion("a", ISSUER, stranger, datetime.now(UTC).timestamp())
    if kid is None or kid == 7:
        assertion = with_kid(assertion, kid)
    form = {"client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE}
    request = TokenRequest(
        form, "", address=f"{ISSUER}/oauth2/token", transaction=cast(Any, None), at=datetime.now(UTC)
    )
    assert PrivateKeyJwt(ISSUER)(None, request) is None
    assert (asked, verified, request.proved) == (["a"], tries, False)


def with_kid(assertion: str, kid: object) -> str:
    """The same claims under another header; the signature is a stranger's in any case."""
    header = b'{"alg":"ES256"}' if kid is None else b'{"alg":"ES256","kid":7}'
    return ".".join([base64.urlsafe_b64encode(header).rstrip(b"=").decode(), *assertion.split(".")[1:]])


@given(st.text(max_size=40).filter(lambda text: ":" not in text), st.text(max_size=40))
def test_basic_headers_are_read_as_they_were_written(client_id: str, secret: str) -> None:
    pair = ":".join(quote_plus(part) for part in (client_id, secret))
    header = "Basic " + base64.b64encode(pair.encode()).decode()
    expected = (client_id, secret) if len(header) <= 1024 else None
    assert basic_pair(header) == expected


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda raw: base64.b64encode(raw).decode())))
def test_any_header_is_read_or_not(text: str) -> None:
    pair = basic_pair("Basic " + text)
    assert pair is None or len(pair) == 2
    assert basic_pair("Bearer " + text) is None
