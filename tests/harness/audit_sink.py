"""A small log for tests of those who write events: keeps what it got, and fails in the ways a log fails."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx2
import msgspec

from wire.audit import EventLeaf, records
from wire.lease import EPOCH, FIRST, GATEWAY, LeaseAnswer, LeaseRequest

Message = MutableMapping[str, Any]


class AuditSink:
    """An ASGI application that answers /leases and /batches as the audit service does.

    mode  "ok"; "down": cannot be connected to; "full": answers 503 and keeps nothing;
          "forgetful": keeps the batch and then answers 503, so that its writer is in doubt
    """

    def __init__(self) -> None:
        self.mode = "ok"
        self.leaves: list[EventLeaf] = []
        self.batches = 0
        self._epochs: dict[str, int] = {}
        self._known: dict[tuple[str, int, int], bytes] = {}

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        if self.mode == "down":
            raise httpx2.ConnectError("nobody listens")
        status, answer = self._leases(body) if scope["path"] == "/leases" else self._batch(headers, body)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": answer})

    def _leases(self, body: bytes) -> tuple[int, bytes]:
        if self.mode == "full":
            return 503, b""
        request = msgspec.json.decode(body, type=LeaseRequest)
        if request.action == "start":
            self._epochs[request.gateway] = self._epochs.get(request.gateway, 0) + 1
        elif self._epochs.get(request.gateway) != request.epoch:
            return 409, b""
        return 200, msgspec.json.encode(LeaseAnswer(self._epochs[request.gateway]))

    def _batch(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self.mode == "full":
            return 503, b""
        gateway, epoch, first = headers[GATEWAY.lower()], int(headers[EPOCH.lower()]), int(headers[FIRST.lower()])
        if self._epochs.get(gateway) != epoch:
            return 409, b""
        if self._known.setdefault((gateway, epoch, first), body) != body:
            return 422, b""
        self.leaves += [msgspec.json.decode(leaf, type=EventLeaf) for leaf, _ in records(body)]
        self.batches += 1
        return (503, b"") if self.mode == "forgetful" else (204, b"")

    def end_leases(self) -> None:
        """As if every writer had been silent for too long."""
        self._epochs = {gateway: epoch + 1 for gateway, epoch in self._epochs.items()}

    def events(self, name: str, **facts: str) -> list[EventLeaf]:
        """Events of one kind whose facts, or actor, are the given ones; one that came twice counts once."""
        found = {leaf.call: leaf for leaf in self.leaves if leaf.event == name}
        return [leaf for leaf in found.values() if {"actor": leaf.actor, **leaf.facts}.items() >= facts.items()]
