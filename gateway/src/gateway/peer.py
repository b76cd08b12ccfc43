"""Who is at the other end of the line: address, certificate, and whether the line is encrypted.

A proxy that the operator named speaks for its client: it says the address (X-Forwarded-For), the certificate that it
verified (Client-Cert, RFC 9440) and what the client spoke (X-Forwarded-Proto; in the clear where it says nothing). From
anybody else these are just words.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from starlette.requests import Request

from relay.call import Call
from relay.protocol import CERTIFICATE

FORWARDED_FOR, FORWARDED_PROTO, CLIENT_CERT = b"x-forwarded-for", b"x-forwarded-proto", b"client-cert"
LONGEST_CERTIFICATE = 8 * 1024
_WITH_PORT = re.compile(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::[0-9]{1,5})?")
_BYTES = re.compile(rb":([A-Za-z0-9+/]+={0,2}):")
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Peer(NamedTuple):
    """The other end of the line.

    address      IP address, "" where the connection has none
    certificate  DER of the certificate that it proved to hold, verified; b"" for none
    secure       whether what it said could be read by nobody else
    """

    address: str
    certificate: bytes
    secure: bool


class Peers:
    """Tells who sent a request, on both lanes."""

    def __init__(self, trusted_proxies: Iterable[str | Network] = ()) -> None:
        """trusted_proxies  addresses or networks (CIDR) of proxies that speak for their clients; raises ValueError"""
        self._trusted = [ip_network(one) for one in trusted_proxies]

    def of_call(self, call: Call) -> Peer:
        """The peer of a call."""
        if not self._trusted:
            return Peer(_plain(call.client), call.certificate, call.secure)
        return self._peer(call.client, call.certificate, call.secure, call.headers)

    def of_request(self, request: Request) -> Peer:
        """The peer of a request on the other lane."""
        address = request.client.host if request.client else ""
        certificate: bytes = request.scope.get("state", {}).get(CERTIFICATE, b"")
        names = (FORWARDED_FOR, FORWARDED_PROTO, CLIENT_CERT)
        said = {name: ", ".join(request.headers.getlist(name.decode())).encode("latin-1") for name in names}
        return self._peer(address, certificate, request.url.scheme == "https", said)

    def trusts(self, address: str) -> bool:
        """Whether this is the address of a proxy that speaks for others."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._trusted)

    def _peer(self, address: str, certificate: bytes, secure: bool, said: dict[bytes, bytes]) -> Peer:
        if not self.trusts(address):
            return Peer(_plain(address), certificate, secure)
        spoken = said.get(FORWARDED_PROTO, b"").rpartition(b",")[2].strip().lower()
        return Peer(
            self._beyond(address, said.get(FORWARDED_FOR, b"")),
            _certificate(said.get(CLIENT_CERT, b"")),
            spoken == b"https",
        )

    def _beyond(self, proxy: str, forwarded: bytes) -> str:
        """The right-most address that is no proxy of ours: what stands left of it, anybody may have written."""
        last = proxy
        for part in reversed(forwarded.decode("latin-1").split(",")):
            address = _without_port(part.strip())
            if _parsed(address) is None:
                break
            last = address
            if not self.trusts(last):
                break
        return _plain(last)


def _without_port(written: str) -> str:
    """`203.0.113.5:1234`, `[2001:db8::1]` and `[2001:db8::1]:443` name an address too (RFC 7239 section 6)."""
    form = _WITH_PORT.fullmatch(written)
    return (form[1] or form[2]) if form else written


def _parsed(address: str) -> Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


@lru_cache(maxsize=4096)
def _plain(address: str) -> str:
    """One way to write an address, so that nobody is two peers."""
    parsed = _parsed(address)
    return address if parsed is None else str(parsed)


def _certificate(value: bytes) -> bytes:
    """RFC 9440 section 2.2: one byte sequence; anything else is no certificate."""
    form = _BYTES.fullmatch(value)
    if form is None or len(form[1]) > LONGEST_CERTIFICATE:
        return b""
    try:
        return base64.b64decode(form[1], validate=True)
    except binascii.Error:
        return b""
