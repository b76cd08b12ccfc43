"""One POST to an address that somebody registered for messages.

No redirect is followed, no proxy is used, and the connection goes to the very address that was held against the
registered networks. Of the answer only the status is read.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from relay.egress import Egress, EgressDenied
from relay.heads import request_head
from relay.pinned import pinned
from relay.upstream import UpstreamFault

TIMEOUT_S = 10.0
DENIED = "not allowed: "
"""How a failure begins that is our own rule about addresses, and not the other side's."""


async def failure_of_post(
    egress: Egress, url: str, networks: Sequence[str], lines: Iterable[tuple[bytes, bytes]], body: bytes,
    timeout_s: float = TIMEOUT_S,
) -> str:  # fmt: skip
    """Send a JSON body; "" if it was taken (2xx), else in a few words why not.

    networks  the only ones that the name in `url` may lead to      lines  further header fields
    """
    try:
        status = await _post(egress, url, networks, lines, body, timeout_s)
    except EgressDenied as denied:
        return DENIED + str(denied)
    except UpstreamFault as fault:
        return f"{type(fault).__name__}: {fault}"
    except (OSError, UnicodeError) as error:
        return f"name not resolved: {type(error).__name__}"
    return "" if 200 <= status < 300 else f"answered {status}"


async def _post(
    egress: Egress, address: str, networks: Sequence[str], lines: Iterable[tuple[bytes, bytes]], body: bytes,
    timeout_s: float,
) -> int:  # fmt: skip
    url = urlsplit(address)
    upstream = pinned(egress, url, networks)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    fields = [(b"content-type", b"application/json"), (b"user-agent", b"tongdao"), *lines]
    head = request_head(b"POST", target.encode(), url.netloc.encode(), fields, len(body))
    try:
        return (await upstream.send(head, body, timeout_s=timeout_s)).status
    finally:
        upstream.close()
