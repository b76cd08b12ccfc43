"""Providers that speak HTTP: the request is built anew from checked parts and sent over a kept, pinned connection."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from exchange_service.contract.validate import parse_query
from exchange_service.credentials.model import Credential
from exchange_service.credentials.signing import Signer, Source
from exchange_service.providers.provider import Answer, Question
from relay.egress import Egress, EgressDenied
from relay.heads import request_head
from relay.pinned import DEFAULT_IDLE_S, pinned, trusted
from relay.upstream import Cut, TimedOut, Unreachable, Upstream, UpstreamFault
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Interface
from wire.paths import Template

IDLE_S = DEFAULT_IDLE_S
ALWAYS = b"accept: */*\r\naccept-encoding: identity\r\nuser-agent: tongdao\r\n"
"""What every provider is told."""


class RestProvider:
    """One interface's provider."""

    def __init__(
        self, interface: Interface, egress: Egress, credential: Callable[[], Credential | None],
        source: Source | None = None,
    ) -> None:  # fmt: skip
        """`source` is the keychain, for tokens that are shared and to look again after a 401. Raises ValueError."""
        origin = urlsplit(interface.base_url)
        if origin.scheme not in ("http", "https") or not origin.hostname:
            raise ValueError("the address is not one of HTTP")
        self._secure = origin.scheme == "https"
        self._host = origin.netloc.encode("ascii")
        self._base_path = origin.path.rstrip("/")
        self._targets = {operation: Template(operation.target) for operation in interface.operations}
        self._signer = Signer(interface, egress, credential, source) if interface.credential else None
        self._pool = partial(
            pinned, egress, origin, interface.networks, connections=interface.max_in_flight, idle_s=IDLE_S
        )
        self._tls = trusted() if self._secure else None
        self._upstream = self._pool(tls=self._tls)

    def ask(self, question: Question, timeout_s: float) -> Coroutine[Any, Any, Answer]:
        """The provider's answer once its head is here; raises Refusal."""
        target = self._target(question)
        if self._signer is None:
            return self._send(question, target, (), timeout_s)
        return self._ask_signed(self._signer, question, target, timeout_s)

    async def _ask_signed(self, signer: Signer, question: Question, target: bytes, timeout_s: float) -> Answer:
        """The same with the provider's credential; after a 401 once more, if there is a newer one."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        method, body = question.operation.method, question.body if isinstance(question.body, bytes) else None
        for is_last in (False, True):
            signed = await asyncio.ensure_future(signer.sign(method, target, body, until - loop.time()))
            if loop.time() >= until:
                raise Refusal(codes.PROVIDER_TIMEOUT, "nothing was left of the deadline")
            answer = await self._send(question, signed.target, signed.lines, until - loop.time())
            if answer.status != 401:
                return answer
            answer.discard()
            if is_last or body is None or not await asyncio.ensure_future(signer.renewed(signed)):
                break
        raise Refusal(codes.CREDENTIAL_REFUSED, "the provider answered 401")

    async def _send(
        self, question: Question, target: bytes, lines: Sequence[tuple[bytes, bytes]], timeout_s: float
    ) -> Answer:
        method = question.operation.method
        further = (*question.lines, *lines)
        head = request_head(
            method.encode(), target, self._host, further, question.length, ready=_lines(question, timeout_s)
        )
        try:
            return await self._connections().send(
                head, question.body, timeout_s=timeout_s, is_head=method == "HEAD", new=question.again
            )
        except (UpstreamFault, EgressDenied, OSError) as failure:
            raise refusal_of(failure) from None

    def _connections(self) -> Upstream:
        """The kept connections. With another client certificate others are made; the old ones end when idle."""
        if self._signer is not None and self._secure:
            tls = self._signer.tls()
            if tls is not self._tls:
                self._tls, self._upstream = tls, self._pool(tls=tls)
        return self._upstream

    def _target(self, question: Question) -> bytes:
        path = self._base_path + self._targets[question.operation].fill(question.values)
        if question.query:
            path = f"{path}?{urlencode(list(parse_query(question.query)), quote_via=quote)}"
        return path.encode("ascii")

    async def probe(self, timeout_s: float) -> None:
        """A connection to a checked address, with TLS where the provider has it, and its end; raises Refusal."""
        try:
            await self._connections().probe(timeout_s)
        except (UpstreamFault, EgressDenied, OSError) as failure:
            raise refusal_of(failure) from None

    def close(self) -> None:
        """End the connections; calls under way fail."""
        self._upstream.close()


def _lines(question: Question, timeout_s: float) -> bytes:
    """Everything that the provider is told beside the question itself; after the time-out nobody waits for it."""
    call, left_ms = question.call.encode(), timeout_s * 1000
    lines = b"%btongdao-call: %b\r\ntongdao-timeout-ms: %d\r\n" % (ALWAYS, call, left_ms)
    if question.content_type:
        lines += b"content-type: %b\r\n" % question.content_type.encode("latin-1")
    if question.idempotency_key:
        lines += b"idempotency-key: %b\r\n" % question.idempotency_key.encode("latin-1")
    if question.trace:
        lines += b"traceparent: %b\r\n" % question.trace
    return lines


def refusal_of(failure: UpstreamFault | EgressDenied | OSError) -> Refusal:
    """What it means for the consumer that a provider failed, or that no address of it could be connected to."""
    match failure:
        case TimedOut():
            return Refusal(codes.PROVIDER_TIMEOUT, str(failure))
        case Unreachable():
            return Refusal(codes.PROVIDER_UNREACHABLE, str(failure))
        case Cut():
            return Refusal(codes.PROVIDER_CUT, str(failure))
        case EgressDenied():
            return Refusal(codes.PROVIDER_FORBIDDEN_ADDRESS, str(failure))
        case OSError():
            return Refusal(codes.PROVIDER_UNREACHABLE, f"name not resolved: {type(failure).__name__}")
    return Refusal(codes.PROVIDER_BROKEN_ANSWER, f"{failure}; the call may have taken effect")
