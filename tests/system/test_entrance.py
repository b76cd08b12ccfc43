"""The listener with TLS of a real gateway: who gets in, with which certificate, and what it says to plain text."""

import base64
import hashlib
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jwk, jwt

from harness.certificates import Authority, Holder
from harness.checks import CASE, VEHICLE, check, providers_asked
from harness.members import Authority as CatalogAuthority
from harness.members import Member
from harness.platform import Platform
from harness.replicas import replica
from runtime.http import Response
from tongdao_cli.postgres import free_port

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
PROXY = "127.0.0.9"
"""An address of this machine that the gateway takes for its proxy."""


@dataclass(frozen=True)
class Front:
    """A gateway that the world knows under https."""

    plain: str
    secure: str
    authority: Authority
    folder: Path
    revoked: Holder

    @property
    def other(self) -> Path:
        """A folder for another authority."""
        folder = self.folder / "other"
        folder.mkdir(exist_ok=True)
        return folder

    def ask(
        self, url: str, token: str, client: Holder | Path | None = None, *, source: str = "127.0.0.1", **headers: Any
    ) -> Response:
        """One call, on a connection of its own."""
        trust = self.authority.trusting()
        if client is not None:
            trust.load_cert_chain(client if isinstance(client, Path) else client.file)
        transport = httpx2.HTTPTransport(verify=trust, local_address=source)
        fields = {"Authorization": f"Bearer {token}", **CASE, **{k.replace("_", "-"): v for k, v in headers.items()}}
        with httpx2.Client(transport=transport, timeout=10) as line:
            deadline = time.monotonic() + 15
            while True:  # the other gateway lets go of its part of the rate within a few seconds
                answer = line.get(f"{url}/x/{VEHICLE}", headers=fields)
                if answer.status_code != 429 or time.monotonic() > deadline:
                    return answer
                time.sleep(0.1)


@pytest.fixture(scope="module")
def front(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    (folder / "ca.pem").write_text(authority.pem)
    revoked = authority.client("revoked")
    (folder / "crl.pem").write_bytes(authority.revoked(revoked))
    server = authority.server_file("gateway.example")
    port = free_port()
    secure = f"https://127.0.0.1:{port}"
    told = {
        "public_url": secure, "tls_port": str(port), "tls_cert_file": str(server), "tls_key_file": str(server),
        "tls_client_ca_file": str(folder / "ca.pem"), "tls_crl_file": str(folder / "crl.pem"),
        "trusted_proxies": json.dumps([f"{PROXY}/32"]),
    }  # fmt: skip
    with replica(platform, "gateway", "gateway-tls", **told) as plain:
        yield Front(plain, secure, authority, folder, revoked)


def token(platform: Platform, member: Member, front: Front, holder: Holder | None = None) -> str:
    """A token of identity's own for this door; bound to the certificate of `holder`, where there is one."""
    own = jwk.import_key(json.loads(platform.secrets.identity_signing.read_text())["keys"][0])
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": front.secure, "aud": front.secure, "sub": member.name, "client_id": member.name,
        "department": "sthjj", "scope": "call", "iat": now, "exp": now + 60, "jti": "x",
    }  # fmt: skip
    if holder is not None:
        thumbprint = base64.urlsafe_b64encode(hashlib.sha256(holder.der).digest()).rstrip(b"=")
        claims["cnf"] = {"x5t#S256": thumbprint.decode()}
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": own.kid}, claims, own)


def client_cert(holder: Holder) -> str:
    """RFC 9440 section 2.2."""
    return f":{base64.b64encode(holder.der).decode()}:"


@pytest.mark.requirement("FRO-01")
def test_a_client_needs_no_certificate_for_a_token_that_is_not_bound(
    platform: Platform, member: Member, front: Front
) -> None:
    answer = front.ask(front.secure, token(platform, member, front))
    assert answer.status_code == 200, answer.text
    assert answer.http_version == "HTTP/1.1"


# --- T-50: tokens that are bound to a certificate
@pytest.mark.requirement("FRO-02")
def test_a_bound_token_is_taken_from_whoever_holds_the_certificate(
    platform: Platform, member: Member, front: Front
) -> None:
    holder = front.authority.client("holder")
    bound = token(platform, member, front, holder)
    assert front.ask(front.secure, bound, holder).status_code == 200
    assert (
        front.ask(
            front.plain, bound, source=PROXY, Client_Cert=client_cert(holder), X_Forwarded_Proto="https"
        ).status_code
        == 200
    )


@pytest.mark.requirement("FRO-02")
@pytest.mark.parametrize(
    "how",
    [
        "T-50 another certificate", "T-50 none", "T-50 forged headers", "T-50 the proxy sends none",
        "T-51 right name, another key",
    ],
)  # fmt: skip
def test_a_bound_token_is_worth_nothing_to_others(platform: Platform, member: Member, front: Front, how: str) -> None:
    holder = front.authority.client("holder")
    other = front.authority.client("holder" if how.startswith("T-51") else "other")
    bound = token(platform, member, front, holder)
    with providers_asked(platform, 0):
        if how in ("T-50 another certificate", "T-51 right name, another key"):
            answer = front.ask(front.secure, bound, other)
        elif how == "T-50 forged headers":
            value = client_cert(holder)
            answer = front.ask(front.secure, bound, other, Client_Cert=value, X_Client_Cert=value, X_SSL_Cert=value)
        elif how == "T-50 none":
            answer = front.ask(front.secure, bound)
        else:
            answer = front.ask(front.plain, bound, source=PROXY, X_Forwarded_Proto="https")
    check(answer, 401, "token/invalid")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


# --- T-51: certificates that nobody vouches for
def wrong(front: Front, how: str) -> Path:
    """A file with a certificate that is not to be taken, and a key."""
    own, other = front.authority, Authority(front.other)
    if how == "expired":
        return own.client("expired", until=-timedelta(seconds=5)).file
    if how == "revoked":
        return front.revoked.file
    if how == "another authority":
        return other.client("holder").file
    if how == "self-signed":
        return other.self_signed("holder").file
    return own.server_file("127.0.0.1")  # good, but for servers


@pytest.mark.requirement("FRO-02")
@pytest.mark.parametrize(
    "how", [f"T-51 {how}" for how in ("expired", "revoked", "another authority", "self-signed", "for servers only")]
)
def test_a_certificate_that_nobody_vouches_for_ends_the_connection(
    platform: Platform, member: Member, front: Front, how: str
) -> None:
    with (
        providers_asked(platform, 0),
        pytest.raises((httpx2.NetworkError, httpx2.RemoteProtocolError, ssl.SSLError)) as ended,
    ):
        front.ask(front.secure, token(platform, member, front), wrong(front, how.removeprefix("T-51 ")))
    assert not isinstance(ended.value, httpx2.ConnectError), "nobody listens there"
    assert front.ask(front.secure, token(platform, member, front)).status_code == 200, "another caller comes in"


# --- T-60: plain text
@pytest.mark.requirement("FRO-03")
@pytest.mark.parametrize(
    "how", ["T-60 a call", "T-60 says it is a proxy", "T-60 the proxy heard plain text", "T-60 the proxy is silent"]
)
def test_a_good_token_in_the_clear_is_refused_and_not_redirected(
    platform: Platform, member: Member, front: Front, how: str
) -> None:
    more: dict[str, Any] = {}
    source = "127.0.0.1"
    if how != "T-60 a call":
        more = {"X_Forwarded_For": "10.0.0.1", "X_Forwarded_Proto": "https", "Client_Cert": ":aa==:"}
    if how.startswith("T-60 the proxy"):
        more, source = {"X_Forwarded_Proto": "http"} if "heard" in how else {}, PROXY
    with providers_asked(platform, 0):
        answer = front.ask(front.plain, token(platform, member, front), source=source, **more)
    check(answer, 403, "request/not-encrypted")
    assert "location" not in answer.headers


@pytest.mark.requirement("FRO-03")
@pytest.mark.parametrize("path", ["/", "/oauth2/token", "/api/catalog/grants", "/.well-known/jwks.json", "/nothing"])
def test_the_other_lane_answers_plain_text_no_better(front: Front, path: str) -> None:
    with httpx2.Client() as line:
        check(line.post(front.plain + path, content=b"x"), 403, "request/not-encrypted")


# --- H-83: who says where the client is
@pytest.fixture(scope="module")
def near(authority: CatalogAuthority) -> Member:
    """A system that may ask from one network only."""
    made = authority.system("near", "sthjj")
    authority.grant(made.name, "gaj-vehicle-info/v1", ["status"], networks=["198.51.100.0/24"])
    return made


@pytest.mark.requirement("FRO-04")
@pytest.mark.parametrize(
    ("source", "says", "status"),
    [
        pytest.param(PROXY, "198.51.100.7", 200, id="the proxy"),
        pytest.param(PROXY, "198.51.100.7, 203.0.113.9", 403, id="H-83 the client, to the proxy"),
        pytest.param("127.0.0.1", "198.51.100.7", 403, id="H-83 the client itself"),
    ],
)
def test_only_the_proxy_may_say_where_a_client_is(
    platform: Platform, near: Member, front: Front, source: str, says: str, status: int
) -> None:
    url = front.plain if source == PROXY else front.secure
    deadline = time.monotonic() + 15
    while True:  # until the gateway knows of the grant
        answer = front.ask(
            url, token(platform, near, front), source=source, X_Forwarded_For=says, X_Forwarded_Proto="https"
        )
        if answer.status_code == 200 or answer.json()["code"] != "grant/none":
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["code"] == "grant/network"


def test_health_is_told_in_plain_text_too(front: Front) -> None:
    with httpx2.Client() as line:
        assert line.get(f"{front.plain}/health/live").text == "ok\n"
