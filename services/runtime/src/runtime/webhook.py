"""Webhooks: what an address may be, how a message is signed, when it is tried again. Pure; `relay.webhook` sends."""

import hmac
import ipaddress
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
"""After each failure; when all are used up the message is a dead letter."""
BROADEST = {4: 8, 6: 16}
"""Fewest bits of a network that somebody may name; a wider one would name no place of theirs."""
_IPV4_INSIDE = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
_URL = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?][!\"$-~]*)?")


def mistakes_in_address(url: str, networks: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with where messages shall go, each as (path of the member, what).

    networks  the only ones that the name in `url` may lead to
    """
    if not _URL.fullmatch(url) or not _has_port(url):
        yield "url", "http(s)://host[:port][/path], without user or fragment"
    if not networks:
        yield "networks", "at least one network that the name may lead to"
    for n, network in enumerate(networks):
        try:
            known = ipaddress.ip_network(network)
        except ValueError as error:
            yield f"networks/{n}", str(error)
        else:
            least = _fewest_bits(known)
            if known.prefixlen < least:
                yield f"networks/{n}", f"broader than /{least}"


def _fewest_bits(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> int:
    """Of a network like this one; IPv6 addresses that stand for IPv4 ones are as narrow as those."""
    if isinstance(network, ipaddress.IPv6Network) and any(network.overlaps(one) for one in _IPV4_INSIDE):
        return 96 + BROADEST[4]
    return BROADEST[network.version]


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def signature(signing_key: str, at: int, body: bytes) -> str:
    """The value of Tongdao-Signature: HMAC-SHA256 over "<at>.<body>" with the key's text; `at` in Unix seconds."""
    mac = hmac.digest(signing_key.encode(), b"%d." % at + body, "sha256").hex()
    return f"t={at},v1={mac}"


def next_try(attempts: int, at: datetime) -> datetime | None:
    """When to try again after so many attempts have failed; None: never."""
    return at + PAUSES[attempts - 1] if attempts <= len(PAUSES) else None
