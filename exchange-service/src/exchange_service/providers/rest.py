"""Providers that speak HTTP: the request is built anew from checked parts and sent over a kept, pinned connection."""

import ipaddress
import ssl
from collections.abc import AsyncIterator
from functools import cache
from urllib.parse import quote, urlencode, urlsplit

from exchange_service.contract.validate import parse_query
from relay.egress import Egress, EgressDenied
from relay.heads import request_head
from relay.upstream import Answer, TimedOut, Unreachable, Upstream, UpstreamFault
from runtime.errors import Refusal
from wire import codes
from wire.calls import CallMessage
from wire.catalog import Interface
from wire.paths import Template

REPEATABLE = ("GET", "HEAD", "PUT", "DELETE")
"""Methods that may be sent again when a kept connection turns out to be closed (RFC 9110 section 9.2.2)."""


@cache
def _trusted() -> ssl.SSLContext:
    """The machine's certificate authorities, read once: that takes a tenth of a second."""
    return ssl.create_default_context()


class RestProvider:
    """One interface's provider."""

    def __init__(self, interface: Interface, egress: Egress) -> None:
        origin = urlsplit(interface.base_url)
        secure = origin.scheme == "https"
        port = origin.port or (443 if secure else 80)
        networks = [ipaddress.ip_network(network) for network in interface.networks]
        host = origin.hostname or ""

        async def resolve() -> list[str]:
            return await egress.resolve(host, port, networks)

        self._host = origin.netloc.encode()
        self._base_path = origin.path.rstrip("/")
        self._targets = {
            (operation.method, operation.path): Template(operation.target) for operation in interface.operations
        }
        self._upstream = Upstream(
            host, port, resolve=resolve, tls=_trusted() if secure else None,
            connections=interface.max_in_flight, idle_s=2.0,
        )  # fmt: skip

    async def ask(
        self,
        message: CallMessage,
        body: bytes | AsyncIterator[bytes],
        length: int | None,
        trace: bytes,
        timeout_s: float,
    ) -> Answer:
        """The provider's answer once its head is here; raises Refusal.

        length  of the body in bytes, None where it streams in chunks    trace  the traceparent, or b""
        """
        target = self._target(message)
        head = request_head(message.method.encode(), target, self._host, _lines(message, trace), length)
        try:
            return await self._upstream.send(
                head,
                body,
                timeout_s=timeout_s,
                repeatable=message.method in REPEATABLE,
                is_head=message.method == "HEAD",
            )
        except EgressDenied as denied:
            raise Refusal(codes.PROVIDER_FORBIDDEN_ADDRESS, str(denied)) from None
        except UpstreamFault as fault:
            raise refusal_of(fault) from None
        except OSError as error:
            raise Refusal(codes.PROVIDER_UNREACHABLE, f"name not resolved: {type(error).__name__}") from None

    def _target(self, message: CallMessage) -> bytes:
        path = self._targets[message.method, message.path].fill(message.values)
        query = urlencode(list(parse_query(message.query)), quote_via=quote)
        return f"{self._base_path}{path}{'?' if query else ''}{query}".encode("ascii")

    def close(self) -> None:
        """End the connections; calls under way fail."""
        self._upstream.close()


def _lines(message: CallMessage, trace: bytes) -> list[tuple[bytes, bytes]]:
    """Everything that the provider is told beside the question itself."""
    lines = [
        (b"accept", b"*/*"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", b"tongdao"),
        (b"tongdao-call", message.call.encode()),
    ]
    if message.content_type:
        lines.append((b"content-type", message.content_type.encode("latin-1")))
    if message.idempotency_key:
        lines.append((b"idempotency-key", message.idempotency_key.encode("latin-1")))
    if trace:
        lines.append((b"traceparent", trace))
    return lines


def refusal_of(fault: UpstreamFault) -> Refusal:
    """What a provider's failure means for the consumer."""
    if isinstance(fault, TimedOut):
        return Refusal(codes.PROVIDER_TIMEOUT, str(fault))
    if isinstance(fault, Unreachable):
        return Refusal(codes.PROVIDER_UNREACHABLE, str(fault))
    return Refusal(codes.PROVIDER_BROKEN_ANSWER, f"{fault}; the call may have taken effect")
