"""Kept connections to a place that somebody registered, made only to addresses that were held against its networks."""

import ipaddress
import ssl
from collections.abc import Sequence
from functools import cache
from urllib.parse import SplitResult

from relay.egress import Egress, tls_context
from relay.upstream import Upstream

DEFAULT_IDLE_S = 2.0
"""Connections unused for so long are ended by us: many servers end theirs after five seconds."""


@cache
def trusted() -> ssl.SSLContext:
    """The machine's certificate authorities, read once: that takes a tenth of a second."""
    return tls_context()


def pinned(
    egress: Egress, url: SplitResult, networks: Sequence[str], *, connections: int = 1,
    tls: ssl.SSLContext | None = None, idle_s: float = DEFAULT_IDLE_S,
) -> Upstream:  # fmt: skip
    """A pool of connections to the origin of an http or https address.

    networks  CIDRs that its name may lead to    tls  what https needs, the machine's authorities unless it is said
    Raises ValueError for a port or a network that is none.
    """
    secure = url.scheme == "https"
    host, port = url.hostname or "", url.port or (443 if secure else 80)
    allowed = [ipaddress.ip_network(network) for network in networks]
    return Upstream(
        host, port, resolve=lambda: egress.resolve(host, port, allowed), tls=(tls or trusted()) if secure else None,
        connections=connections, idle_s=idle_s,
    )  # fmt: skip
