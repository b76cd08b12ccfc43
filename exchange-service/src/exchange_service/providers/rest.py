"""Providers that speak HTTP: the request is built anew from checked parts and sent over a kept, pinned connection."""

import ipaddress
import ssl
from functools import cache
from urllib.parse import quote, urlencode, urlsplit

from exchange_service.contract.validate import parse_query
from exchange_service.providers.provider import Answer, Question
from relay.egress import Egress, EgressDenied
from relay.heads import request_head
from relay.upstream import TimedOut, Unreachable, Upstream, UpstreamFault
from runtime.errors import Refusal
from wire import codes
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
        self._targets = {operation: Template(operation.target) for operation in interface.operations}
        self._upstream = Upstream(
            host, port, resolve=resolve, tls=_trusted() if secure else None,
            connections=interface.max_in_flight, idle_s=2.0,
        )  # fmt: skip

    async def ask(self, question: Question, timeout_s: float) -> Answer:
        """The provider's answer once its head is here; raises Refusal."""
        method = question.operation.method
        head = request_head(method.encode(), self._target(question), self._host, _lines(question), question.length)
        try:
            return await self._upstream.send(
                head,
                question.body,
                timeout_s=timeout_s,
                repeatable=method in REPEATABLE or question.operation.repeatable,
                is_head=method == "HEAD",
            )
        except EgressDenied as denied:
            raise Refusal(codes.PROVIDER_FORBIDDEN_ADDRESS, str(denied)) from None
        except UpstreamFault as fault:
            raise refusal_of(fault) from None
        except OSError as error:
            raise Refusal(codes.PROVIDER_UNREACHABLE, f"name not resolved: {type(error).__name__}") from None

    def _target(self, question: Question) -> bytes:
        path = self._targets[question.operation].fill(dict(question.values))
        query = urlencode(list(parse_query(question.query)), quote_via=quote)
        return f"{self._base_path}{path}{'?' if query else ''}{query}".encode("ascii")

    async def probe(self, timeout_s: float) -> None:
        """A connection to the provider, and its end; raises Refusal."""
        raise NotImplementedError

    def close(self) -> None:
        """End the connections; calls under way fail."""
        self._upstream.close()


def _lines(question: Question) -> list[tuple[bytes, bytes]]:
    """Everything that the provider is told beside the question itself."""
    lines = [
        (b"accept", b"*/*"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", b"tongdao"),
        (b"tongdao-call", question.call.encode()),
    ]
    if question.content_type:
        lines.append((b"content-type", question.content_type.encode("latin-1")))
    if question.idempotency_key:
        lines.append((b"idempotency-key", question.idempotency_key.encode("latin-1")))
    if question.trace:
        lines.append((b"traceparent", question.trace))
    return lines


def refusal_of(fault: UpstreamFault) -> Refusal:
    """What a provider's failure means for the consumer."""
    if isinstance(fault, TimedOut):
        return Refusal(codes.PROVIDER_TIMEOUT, str(fault))
    if isinstance(fault, Unreachable):
        return Refusal(codes.PROVIDER_UNREACHABLE, str(fault))
    return Refusal(codes.PROVIDER_BROKEN_ANSWER, f"{fault}; the call may have taken effect")
