"""Where we may connect to on somebody's word: networks that they registered, and a few places never, whatever they say.

A name is resolved once; every address that it leads to is checked; the connection is made to a checked address. So a
name that changes its mind between check and connect (DNS rebinding) gains nothing. The same rules are held against
what is registered, before anybody connects: `mistake_in_url`, `mistake_in_host`, `mistake_in_network`.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Addresses of a name, all of them, as text; raises OSError where there are none."""

FORBIDDEN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",  # this network, link-local, multicast, reserved
        "100.64.0.0/10",  # shared space, where pods live; 100.100.100.200 in it is a metadata service
        "168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15",  # and other places of the cloud
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # documentation
        "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::254/128",  # and site-local of old
        "64:ff9b:1::/48", "::ffff:0:0:0/96",  # IPv4 behind a translator of the place (RFC 8215, 7915)
        "2002::/16", "2001::/32", "2001:db8::/32",  # 6to4, Teredo, documentation
    )
)  # fmt: skip
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""First half of an interface identifier whose second is an IPv4 address (RFC 5214)."""
WIDEST = {4: 8, 6: 16}
"""Shortest prefix that may be registered, by IP version: more than that is no limit at all."""

RULES = {
    "url/form": "exactly scheme://host[:port][/path] in printable ASCII, as it would be written again",
    "url/scheme": "a scheme that providers of this kind may have, in small letters",
    "url/userinfo": "no user and no password: credentials are not part of an address",
    "url/query-or-fragment": "no query and no fragment",
    "url/path": "no path that climbs, and none that hides a separator",
    "url/port": "a port from 1 to 65535 that does not belong to another protocol",
    "host/form": "a name of letters, digits, hyphens and dots, or an address; other scripts as xn--",
    "host/number": "an IPv4 address in its one usual form, four decimal numbers",
    "host/zone": "no zone id: it means something on one machine alone",
    "host/internal": "no name of this machine or of the inside of a cluster",
    "address/loopback": "no address of this machine",
    "address/forbidden": "no metadata service, link-local, multicast, reserved, translated or forbidden address",
    "network/form": "a network as address/length, without bits of a host",
    "network/too-wide": "at least /8 (IPv4) or /16 (IPv6)",
    "network/forbidden": "no network that lies inside what nobody may be sent to",
}
"""What each name that a `mistake_in_…` answers asks for."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(/[^?#]*)?", re.ASCII)
_AUTHORITY = re.compile(r"(\[[^][]*\]|[^][:]*)(?::([0-9]*))?", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
_PLAIN = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z_a-z~\[\]-]*", re.ASCII)
_HIDDEN = re.compile(r"%(?:2[eEfF]|5[cC]|[01][0-9a-fA-F]|7[fF])|%(?![0-9A-Fa-f]{2})|//|;", re.ASCII)
_INSIDE = ("localhost", "localdomain", "svc", "cluster.local", "internal")
_FOREIGN_PORTS = frozenset(
    (
        1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
        110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530,
        531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 2379, 2380, 3659,
        4045, 4190, 5060, 5061, 5432, 6000, 6379, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 10250,
    )
)  # fmt: skip
"""Ports that no HTTP server has (Fetch, "bad port"), and those of databases and of a cluster's own doors."""


class EgressDenied(Exception):
    """The address is not one that they may send us to."""


async def _by_the_system(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


@dataclass(frozen=True)
class Egress:
    """The rules of this installation.

    forbidden_networks  pods, services, databases, the log: nobody is sent there, whatever networks they registered
    resolver            who is asked for addresses; the system's own unless another is named
    """

    allow_loopback: bool
    forbidden_ports: frozenset[int]
    forbidden_networks: tuple[Network, ...] = ()
    resolver: Resolver = _by_the_system

    @classmethod
    def stated(cls, allow_loopback: bool, ports: Iterable[int], networks: Iterable[str] = ()) -> "Egress":
        """As settings state it: forbidden ports and networks (CIDR). Raises ValueError."""
        return cls(allow_loopback, frozenset(ports), tuple(ipaddress.ip_network(network) for network in networks))

    async def resolve(self, host: str, port: int, networks: Sequence[Network]) -> list[str]:
        """Checked addresses of `host`; raises EgressDenied, OSError where the name leads nowhere."""
        if port in self.forbidden_ports:
            raise EgressDenied(f"port {port} belongs to the platform")
        if rule := mistake_in_host(host, loopback=self.allow_loopback, forbidden=self.forbidden_networks):
            raise EgressDenied(f"{rule}: {RULES[rule]}")
        addresses = list(dict.fromkeys(await self.resolver(host, port)))
        for address in addresses:
            self.check(_as_address(address), networks)
        if not addresses:
            raise OSError("the name leads nowhere")
        return addresses

    def check(self, address: Address, networks: Sequence[Network]) -> None:
        """Raise EgressDenied unless every form of the address is inside `networks` and outside what is forbidden."""
        if not any(address in network for network in networks):
            raise EgressDenied("the name leads outside the registered networks")
        rule = _mistake_in_address(address, self.forbidden_networks, loopback=self.allow_loopback)
        if rule == "address/loopback":
            raise EgressDenied("the address is this machine's")
        if rule:
            raise EgressDenied("the address is nobody's to give")


def _as_address(text: str) -> Address:
    """What a resolver said; one with a zone id is no address that anybody can register."""
    try:
        return _unscoped(ipaddress.ip_address(text))
    except ValueError:
        raise EgressDenied("the name leads to what is no address") from None


def _unscoped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise ValueError("a zone id")
    return address


def _mistake_in_address(address: Address, forbidden: Sequence[Network], *, loopback: bool) -> str:
    """The rule that the address breaks in any of its forms, "" for none."""
    if address in _COMPATIBLE and int(address) > 1:
        return "address/forbidden"
    for form in (address, *_inside(address)):
        if any(form in network for network in (*FORBIDDEN, *forbidden)) or not int(form):
            return "address/forbidden"
        if not loopback and any(form in network for network in LOOPBACK):
            return "address/loopback"
    return ""


def _inside(address: Address) -> Iterator[Address]:
    """The IPv4 addresses that an IPv6 one carries inside (mapped, NAT64, ISATAP)."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address in _NAT64 or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def tls_context(authorities: str = "") -> ssl.SSLContext:
    """A client's context that trusts these authorities (PEM), or the machine's own; it takes a tenth of a second.

    SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE are not looked at: whoever sets them would choose whom we believe.
    Raises ssl.SSLError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities:
        context.load_verify_locations(cadata=authorities)
        return context
    places = ssl.get_default_verify_paths()
    file, folder = Path(places.openssl_cafile), Path(places.openssl_capath)
    if file.is_file() or folder.is_dir():
        context.load_verify_locations(file if file.is_file() else None, folder if folder.is_dir() else None)
    return context


# --- what is registered ---------------------------------------------------------------------------------------------
def mistake_in_host(host: str, *, loopback: bool = False, forbidden: Sequence[Network] = ()) -> str:
    """The rule that a host (a name, or an address without brackets) breaks, "" for none; no name is resolved.

    loopback   this machine may be named: for development
    forbidden  networks that this installation keeps to itself
    """
    if "%" in host and ":" in host:
        return "host/zone"
    if not host.isascii() or unicodedata.normalize("NFKC", host) != host:
        return "host/form"
    bare = host.lower().removesuffix(".")
    if ":" in bare or _NUMBER.fullmatch(bare.rpartition(".")[2]):
        return check_literal(bare, loopback=loopback, forbidden=forbidden)
    if len(bare) > 253 or not all(map(_LABEL.fullmatch, bare.split("."))):
        return "host/form"
    if not loopback and any(bare == name or bare.endswith("." + name) for name in _INSIDE):
        return "host/internal"
    return ""


def check_literal(text: str, *, loopback: bool = False, forbidden: Sequence[Network] = ()) -> str:
    """The rule that an address breaks, "" for none. A number in any other form than the usual is one too (127.1)."""
    try:
        address = _unscoped(ipaddress.ip_address(text))
    except ValueError:
        return "host/form" if ":" in text else "host/number"
    return _mistake_in_address(address, forbidden, loopback=loopback)


def mistake_in_network(network: str, *, loopback: bool = False, forbidden: Sequence[Network] = ()) -> str:
    """The rule that a registered network breaks, "" for none.

    One that only holds forbidden addresses among others is no mistake: those are refused at the call.
    """
    try:
        parsed = ipaddress.ip_network(network)
    except ValueError:
        return "network/form"
    if "%" in network:
        return "network/form"
    if parsed.prefixlen < WIDEST[parsed.version]:
        return "network/too-wide"
    closed = (*FORBIDDEN, *forbidden, *(() if loopback else LOOPBACK))
    inside = any(parsed.version == other.version and parsed.subnet_of(other) for other in closed)
    return "network/forbidden" if inside or not int(parsed.network_address) else ""


def mistake_in_url(
    url: str, schemes: Collection[str], *, loopback: bool = False, forbidden: Sequence[Network] = ()
) -> str:
    """The rule (a key of RULES) that an address breaks, "" for none.

    schemes  those that this kind of provider may have. "file" has no host; the host of "s3" is a bucket's name
    Source: security.md 5.4; RFC 3986 section 3.
    """
    matched = _URL.fullmatch(url)
    if not _PLAIN.fullmatch(url) or not matched:
        return _why_unlike(url)
    scheme, authority, path = matched[1], matched[2], matched[3] or ""
    if scheme not in schemes:
        return "url/scheme"
    if "@" in authority:
        return "url/userinfo"
    if _HIDDEN.search(path) or any(part in (".", "..") for part in path.split("/")):
        return "url/path"
    if scheme in ("file", "s3"):
        return _mistake_in_place(scheme, authority, path)
    return _mistake_in_authority(scheme, authority, loopback, forbidden)


def _why_unlike(url: str) -> str:
    """What is not scheme://host[:port][/path] at all; the commonest reasons have names of their own."""
    _, slashes, rest = url.partition("://")
    if not slashes or not _PLAIN.fullmatch(url):
        return "url/form"
    if "@" in re.split(r"[/?#]", rest)[0]:
        return "url/userinfo"
    return "url/query-or-fragment" if "?" in rest or "#" in rest else "url/form"


def _mistake_in_place(scheme: str, authority: str, path: str) -> str:
    """Of a folder, or of a bucket and its prefix: nothing here is a name that anybody resolves."""
    if scheme == "file":
        return "host/form" if authority else "" if path else "url/path"
    return "" if all(map(_LABEL.fullmatch, authority.split("."))) else "host/form"


def _mistake_in_authority(scheme: str, authority: str, loopback: bool, forbidden: Sequence[Network]) -> str:
    parts = _AUTHORITY.fullmatch(authority)
    if not parts:
        return "url/form"
    host, port = parts[1], parts[2]
    if port is not None and (not port or port[0] == "0" or int(port[:6]) > 65535):
        return "url/port"
    if scheme in ("http", "https") and int(port or 443) in _FOREIGN_PORTS:
        return "url/port"
    if host.startswith("[") and ":" not in host:
        return "host/form"
    return mistake_in_host(host.strip("[]"), loopback=loopback, forbidden=forbidden)
