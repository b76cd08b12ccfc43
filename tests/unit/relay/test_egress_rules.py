"""Where we may connect to on somebody's word."""

import ipaddress
import socket
from typing import Any

import pytest

from relay.egress import Egress, EgressDenied

OPEN = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
STRICT = Egress(allow_loopback=False, forbidden_ports=frozenset({9000}))
HOME = Egress(allow_loopback=True, forbidden_ports=frozenset())


@pytest.mark.requirement("REL-12")
@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.7", "127.0.0.1", "127.8.8.8", "::1", "169.254.169.254", "100.100.100.200", "168.63.129.16", "224.0.0.1",
        "255.255.255.255", "::", "fe80::1", "ff02::1", "fd00:ec2::254",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1",
        "::127.0.0.1", "::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:2:3::", "::ffff:0:a9fe:a9fe", "::ffff:0:7f00:1", "fec0::1", "feff::1",
        "2001:db8::5efe:7f00:1", "2001:db8::200:5efe:a9fe:a9fe", "fd12::5efe:a9fe:a9fe", "2002:a01:203::5efe:7f00:1",
        "2002:7f00:1::5efe:a01:203", "2002:7f00:1::200:5efe:a01:203",
    ],
)  # fmt: skip
def test_some_addresses_are_nobodys_to_give(address: str) -> None:
    """Metadata services, link-local, this machine, and each of them inside an IPv6 address."""
    with pytest.raises(EgressDenied):
        STRICT.check(ipaddress.ip_address(address), OPEN)


@pytest.mark.requirement("REL-12")
@pytest.mark.parametrize(
    ("address", "networks", "may"),
    [
        ("10.1.2.3", ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.1.0.0/16"], False),
        ("10.2.2.3", ["10.1.0.0/16", "10.2.2.3/32"], True),
        ("10.1.2.3", [], False),
        ("fd12::7", ["fd12::/16"], True),
        ("fd12::5efe:a01:203", ["fd12::/16"], True),
        ("fd12::100:5efe:7f00:1", ["fd12::/16"], True),
        ("::ffff:10.1.2.3", ["10.1.0.0/16"], False),
    ],
)
def test_an_address_is_inside_the_registered_networks(address: str, networks: list[str], may: bool) -> None:
    registered = [ipaddress.ip_network(network) for network in networks]
    if may:
        STRICT.check(ipaddress.ip_address(address), registered)
    else:
        with pytest.raises(EgressDenied):
            STRICT.check(ipaddress.ip_address(address), registered)


@pytest.mark.requirement("REL-12")
def test_this_machine_is_allowed_for_development_and_nothing_else_with_it() -> None:
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        HOME.check(ipaddress.ip_address(address), OPEN)
    with pytest.raises(EgressDenied):
        HOME.check(ipaddress.ip_address("169.254.169.254"), OPEN)


@pytest.mark.anyio
@pytest.mark.requirement("REL-12")
async def test_every_address_of_a_name_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def leads_to(*addresses: str) -> None:
        def resolver(_host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", resolver)

    networks = [ipaddress.ip_network("10.1.0.0/16")]
    leads_to("10.1.0.1", "10.1.0.2", "10.1.0.1")
    assert await STRICT.resolve("oa.example", 80, networks) == ["10.1.0.1", "10.1.0.2"]
    leads_to("10.1.0.1", "169.254.169.254")
    with pytest.raises(EgressDenied):
        await STRICT.resolve("oa.example", 80, networks)
    leads_to("10.1.0.1")
    with pytest.raises(EgressDenied, match="9000"):
        await STRICT.resolve("oa.example", 9000, networks)
