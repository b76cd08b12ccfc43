"""Credentials by themselves: which are refused when they are put, and that none shows itself."""

import traceback
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from rich.pretty import pretty_repr

from exchange_service.credentials.check import OURS, mistakes_in
from exchange_service.credentials.model import (
    ApiKey,
    Basic,
    Certificate,
    Credential,
    Hmac,
    OAuthClient,
    PrivateKey,
    kind_of,
)
from exchange_service.credentials.tls import context_of
from harness.papers import Authority
from relay.egress import Egress

EGRESS = Egress(allow_loopback=False, forbidden_ports=frozenset())
AUTHORITY = Authority()
PAPER, OTHER = AUTHORITY.paper("exchange"), AUTHORITY.paper("somebody else")
ED25519 = Ed25519PrivateKey.generate()
SSH = ED25519.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
LOCKED = ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p")).decode()
CANARY = "kanarienvogel-7f3a"

GOOD: dict[str, Credential] = {
    "basic": Basic(user="tongdao", password=CANARY),
    "basic-of-other-scripts": Basic(user="同道", password=CANARY),
    "api-key-in-header": ApiKey(value=CANARY, header="X-API-Key"),
    "api-key-in-query": ApiKey(value=CANARY, query="apikey"),
    "oauth": OAuthClient(token_url="https://login.rsj.gov.example/oauth2/token", client_id="t", client_secret=CANARY),
    "mtls": Certificate(certificate=PAPER.certificate, key=PAPER.key, authorities=AUTHORITY.pem),
    "mtls-of-the-machines-authorities": Certificate(certificate=PAPER.certificate, key=PAPER.key),
    "hmac": Hmac(key_id="k1", secret=CANARY),
    "hmac-sm3": Hmac(key_id="k1", secret=CANARY, suite="sm3"),
    "private-key": PrivateKey(user="tongdao", key=SSH),
    "private-key-pem": PrivateKey(user="tongdao", key=PAPER.key),
}


def _mistakes(credential: Credential) -> list[tuple[str, str]]:
    return [(member, rule) for member, _, rule in mistakes_in(credential, EGRESS)]


@pytest.mark.requirement("CRD-08")
@pytest.mark.parametrize("kind", GOOD)
def test_one_that_can_work_is_taken(kind: str) -> None:
    assert _mistakes(GOOD[kind]) == []


def _with(kind: str, **changed: str) -> Credential:
    return msgspec.structs.replace(GOOD[kind], **changed)


@pytest.mark.requirement("CRD-08")
@pytest.mark.parametrize(
    ("credential", "member"),
    [
        pytest.param(_with("basic", user=""), "user", id="basic-without-user"),
        pytest.param(_with("basic", password="a\r\nb"), "password", id="control-characters"),
        pytest.param(_with("basic", password="a" * 4097), "password", id="too-long"),
        pytest.param(_with("api-key-in-header", query="q"), "header", id="header-and-query"),
        pytest.param(_with("api-key-in-header", header=""), "header", id="neither-header-nor-query"),
        pytest.param(_with("api-key-in-header", header="a b"), "header", id="header-with-space"),
        pytest.param(_with("api-key-in-header", header="Tongdao-Call"), "header", id="our-header"),
        pytest.param(_with("api-key-in-header", value="密钥"), "value", id="value-outside-latin-1"),
        pytest.param(_with("api-key-in-header", value=" a"), "value", id="value-with-leading-space"),
        pytest.param(_with("api-key-in-header", value=""), "value", id="empty-value"),
        pytest.param(_with("api-key-in-query", query="a=b&c"), "query", id="query-name-with-separators"),
        pytest.param(_with("oauth", client_id=""), "client_id", id="oauth-without-client"),
        pytest.param(_with("oauth", client_secret=""), "client_secret", id="oauth-without-secret"),
        pytest.param(_with("hmac", secret="short"), "secret", id="short-hmac-secret"),
        pytest.param(_with("hmac", key_id='a"b'), "key_id", id="key-id-with-quote"),
        pytest.param(_with("mtls", key=OTHER.key), "certificate", id="key-of-another-certificate"),
        pytest.param(_with("mtls", key="-"), "certificate", id="no-pem"),
        pytest.param(_with("mtls", authorities="-"), "certificate", id="authorities-no-pem"),
        pytest.param(_with("mtls", key=LOCKED), "certificate", id="key-under-a-password"),
        pytest.param(_with("private-key", key=LOCKED), "key", id="ssh-key-under-a-password"),
        pytest.param(_with("private-key", key="-"), "key", id="no-ssh-key"),
        pytest.param(_with("private-key", user=""), "user", id="ssh-without-user"),
    ],
)
def test_one_that_cannot_is_refused_at_the_member(credential: Credential, member: str) -> None:
    told = list(mistakes_in(credential, EGRESS))
    assert (member, "") in [(name, rule) for name, _, rule in told]
    secrets = [text for text in msgspec.structs.astuple(credential) if len(text) > 3]
    assert not any(secret in wrong for _, wrong, _ in told for secret in secrets)


@pytest.mark.requirement("CRD-08")
@pytest.mark.parametrize("name", sorted(OURS))
def test_a_header_field_that_the_exchange_writes_is_nobodys_key(name: str) -> None:
    assert _mistakes(ApiKey(value="v", header=name.title())) == [("header", "")]


@pytest.mark.requirement("CRD-08")
@pytest.mark.parametrize(
    ("url", "rule"),
    [
        pytest.param("ftp://rsj.example/token", "url/scheme", id="scheme"),
        pytest.param("https://user:word@rsj.example/token", "url/userinfo", id="userinfo"),
        pytest.param("https://169.254.169.254/token", "address/forbidden", id="metadata"),
        pytest.param("https://127.0.0.1/token", "address/loopback", id="loopback"),
        pytest.param("https://2130706433/token", "host/number", id="number"),
        pytest.param("https://rsj.example/token#here", "url/query-or-fragment", id="fragment"),
        pytest.param("token", "url/form", id="no-address"),
    ],
)
def test_a_token_address_obeys_the_rules_of_addresses(url: str, rule: str) -> None:
    assert _mistakes(_with("oauth", token_url=url)) == [("token_url", rule)]


@pytest.mark.requirement("CRD-06")
@pytest.mark.parametrize("kind", GOOD)
def test_none_shows_itself(kind: str) -> None:
    credential = GOOD[kind]

    def fail(shown: Credential) -> None:
        raise ValueError(
            f"{shown} {shown!r} {[shown]} {pretty_repr(shown)} {pretty_repr({'c': shown}, expand_all=True)}"
        )

    try:
        fail(credential)
    except ValueError as error:
        said = str(error) + "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert type(credential).__name__ in said
    for member in credential.__struct_fields__:
        value = str(getattr(credential, member))
        assert len(value) < 8 or value not in said  # words such as sm3 and form are no secrets


def test_they_travel_as_json_with_their_kind() -> None:
    for name, credential in GOOD.items():
        sent = msgspec.json.encode(credential)
        assert msgspec.json.decode(sent, type=Credential) == credential
        assert name.startswith(kind_of(credential))
        assert _object(sent)["kind"] == kind_of(credential)


def _object(sent: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(sent)
    return decoded


def test_the_same_certificate_makes_the_same_context_and_another_another() -> None:
    first = Certificate(certificate=PAPER.certificate, key=PAPER.key)
    again = Certificate(certificate=PAPER.certificate, key=PAPER.key)
    other = Certificate(certificate=OTHER.certificate, key=OTHER.key)
    assert context_of(first) is context_of(again)
    assert context_of(first) is not context_of(other)
