"""Where we may connect to on somebody's word: networks that they registered, and a few places never, whatever they say.

A name is resolved once; every address that it leads to is checked; the connection is made to a checked address. So a
name that changes its mind between check and connect (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FORBIDDEN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",  # this network, link-local, multicast, reserved
        "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",  # metadata services outside link-local
        "::/128", "fe80::/10", "fec0::/10", "ff00::/8", "fd00:ec2::254/128",  # and site-local of old
        "64:ff9b:1::/48", "::ffff:0:0:0/96",  # IPv4 behind a translator of the place (RFC 8215, 7915)
    )
)  # fmt: skip
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""First half of an interface identifier whose second is an IPv4 address (RFC 5214)."""


class EgressDenied(Exception):
    """The address is not one that they may send us to."""


@dataclass(frozen=True)
class Egress:
    """The rules of this installation."""

    allow_loopback: bool
    forbidden_ports: frozenset[int]

    async def resolve(self, host: str, port: int, networks: Sequence[Network]) -> list[str]:
        """Checked addresses of `host`; raises EgressDenied, OSError where the name leads nowhere."""
        if port in self.forbidden_ports:
            raise EgressDenied(f"port {port} belongs to the platform")
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        for address in addresses:
            self.check(ipaddress.ip_address(address.partition("%")[0]), networks)
        return addresses

    def check(self, address: Address, networks: Sequence[Network]) -> None:
        """Raise EgressDenied unless every form of the address is inside `networks` and outside what is forbidden."""
        if not any(address in network for network in networks):
            raise EgressDenied("the name leads outside the registered networks")
        for form in (address, *_inside(address)):
            if any(form in network for network in FORBIDDEN):
                raise EgressDenied("the address is nobody's to give")
            if not self.allow_loopback and any(form in network for network in LOOPBACK):
                raise EgressDenied("the address is this machine's")


def _inside(address: Address) -> Iterator[Address]:
    """The IPv4 addresses that an IPv6 one carries inside (mapped, 6to4, Teredo, NAT64, compatible, ISATAP)."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    yield from filter(None, (address.ipv4_mapped, address.sixtofour, address.teredo and address.teredo[1]))
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1) or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
