"""Who is at the other end of the line, and who may say so."""

import base64
from collections.abc import Mapping

import pytest
from starlette.requests import Request

from gateway.peer import Peer, Peers
from relay.call import Call
from relay.inflow import Inflow
from relay.protocol import CERTIFICATE

pytestmark = pytest.mark.requirement("FRO-04")
PROXIES = ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32")
DER = b"0\x82 a certificate"
SHOWN = f":{base64.b64encode(DER).decode()}:"
Said = Mapping[str, str]


def of_call(peers: Peers, address: str, said: Said, certificate: bytes, *, secure: bool) -> Peer:
    headers = {name.encode(): value.encode("latin-1") for name, value in said.items()}
    body = Inflow(lambda: None, lambda: None)
    return peers.of_call(
        Call(
            b"GET", b"/x/", headers, address, "1.1", body, None, lambda: b"", lambda keep: None,  # type: ignore[arg-type]  # nothing is answered
            certificate, secure,
        )
    )  # fmt: skip


def of_request(peers: Peers, address: str, said: Said, certificate: bytes, *, secure: bool) -> Peer:
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "server": ("gateway", 80),
        "scheme": "https" if secure else "http", "client": (address, 1),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in said.items()],
        "state": {CERTIFICATE: certificate} if certificate else {},
    }  # fmt: skip
    return peers.of_request(Request(scope))


LANES = pytest.mark.parametrize("of", [of_call, of_request], ids=["call", "fastapi"])


def peer(of: object, address: str, said: Said, certificate: bytes = b"", *, secure: bool = False) -> Peer:
    found: Peer = of(Peers(PROXIES), address, said, certificate, secure=secure)  # type: ignore[operator]  # of LANES
    return found


@LANES
@pytest.mark.parametrize(
    ("connected", "forwarded", "address"),
    [
        pytest.param("203.0.113.5", "198.51.100.7", "203.0.113.5", id="H-83 from a stranger"),
        pytest.param("10.1.2.3", "198.51.100.7", "198.51.100.7", id="one proxy"),
        pytest.param("10.1.2.3", "1.1.1.1, 198.51.100.7", "198.51.100.7", id="H-83 the client wrote the left one"),
        pytest.param("10.1.2.3", "1.1.1.1, 198.51.100.7, 192.0.2.1", "198.51.100.7", id="two proxies"),
        pytest.param("10.1.2.3", "", "10.1.2.3", id="the proxy itself"),
        pytest.param("10.1.2.3", "10.9.9.9", "10.9.9.9", id="inside"),
        pytest.param("10.1.2.3", "198.51.100.7, unknown", "10.1.2.3", id="H-83 what is no address ends it"),
        pytest.param("10.1.2.3", "<script>", "10.1.2.3", id="H-83 what is no address at all"),
        pytest.param("::ffff:10.1.2.3", "::ffff:198.51.100.7", "198.51.100.7", id="mapped"),
        pytest.param("2001:db8::1", "2001:0DB9:0::0001", "2001:db9::1", id="one way to write it"),
        pytest.param("10.1.2.3", "198.51.100.7:5555, 192.0.2.1:80", "198.51.100.7", id="with ports"),
        pytest.param("10.1.2.3", "[2001:db9::1]:443", "2001:db9::1", id="version 6 with a port"),
        pytest.param("10.1.2.3", "[2001:db9::1]", "2001:db9::1", id="version 6 in brackets"),
        pytest.param("10.1.2.3", "1.1.1.1, 198.51.100.7:x", "10.1.2.3", id="H-83 with what is no port"),
    ],
)
def test_the_address_is_what_the_nearest_trusted_proxy_says(
    of: object, connected: str, forwarded: str, address: str
) -> None:
    assert peer(of, connected, {"x-forwarded-for": forwarded}).address == address


@LANES
@pytest.mark.parametrize("header", ["x-real-ip", "forwarded", "x-client-ip", "true-client-ip"])
def test_other_headers_say_nothing(of: object, header: str) -> None:
    assert peer(of, "10.1.2.3", {header: "for=198.51.100.7"}).address == "10.1.2.3"


@LANES
@pytest.mark.requirement("FRO-02")
def test_a_certificate_is_that_of_the_connection_or_what_the_proxy_verified(of: object) -> None:
    own = b"of the connection"
    assert peer(of, "203.0.113.5", {"client-cert": SHOWN}, own).certificate == own
    assert peer(of, "203.0.113.5", {"client-cert": SHOWN}).certificate == b""
    assert peer(of, "10.1.2.3", {"client-cert": SHOWN}, own).certificate == DER
    assert peer(of, "10.1.2.3", {}, own).certificate == b"", "the proxy's own certificate is not its client's"


@LANES
@pytest.mark.requirement("FRO-02")
@pytest.mark.parametrize(
    "value", ["", DER.hex(), SHOWN[1:], SHOWN[:-1], f"{SHOWN}, {SHOWN}", ":a:", ":!!!!:", ":" + "A" * 9000 + ":", "::"]
)
def test_what_is_no_certificate_is_none(of: object, value: str) -> None:
    assert peer(of, "10.1.2.3", {"client-cert": value}).certificate == b""


@LANES
@pytest.mark.requirement("FRO-03")
def test_a_line_is_secure_with_tls_or_where_the_proxy_says_so(of: object) -> None:
    https, http = {"x-forwarded-proto": "https"}, {"x-forwarded-proto": "https, http"}
    assert peer(of, "203.0.113.5", http, secure=True).secure
    assert not peer(of, "203.0.113.5", https).secure
    assert peer(of, "10.1.2.3", https).secure
    assert not peer(of, "10.1.2.3", {}).secure
    assert not peer(of, "10.1.2.3", {}, secure=True).secure
    assert not peer(of, "10.1.2.3", http, secure=True).secure


def test_without_proxies_nobody_speaks_for_others() -> None:
    said = {"x-forwarded-for": "198.51.100.7", "client-cert": SHOWN, "x-forwarded-proto": "https"}
    for of in (of_call, of_request):
        assert of(Peers(), "::ffff:203.0.113.5", said, b"", secure=False) == Peer("203.0.113.5", b"", secure=False)


def test_a_proxy_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="has host bits set"):
        Peers(["10.0.0.1/8"])
