"""A writer's lease on the log, and the ordinary way to write events: for services that are not on the fast lane.

The gateway has its own recorder over kept fast-lane connections; both speak the same messages:
`POST /leases {"gateway": …, "action": "start"|"renew"|"drain", "epoch": …}` answers `{"epoch": …}`;
`POST /batches` carries frames and the headers below, 204 after commit, 409 when the epoch has ended.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from runtime.errors import Refusal
from runtime.http import AsyncClient, HTTPError, Response
from runtime.service_auth import ServiceKey
from wire import codes
from wire.audit import Event, encode, event_leaf, frames

log = structlog.get_logger()
RENEW_S = 1.0
GATEWAY = "Tongdao-Gateway"
EPOCH = "Tongdao-Epoch"
FIRST = "Tongdao-First-Sequence"
COUNT = "Tongdao-Count"


class LeaseRequest(msgspec.Struct, frozen=True):
    """Start, renew or end a lease. `epoch` is 0 with `start`."""

    gateway: str
    action: str
    epoch: int = 0


class LeaseAnswer(msgspec.Struct, frozen=True):
    """The epoch that every batch has to carry."""

    epoch: int


def batch_headers(gateway: str, epoch: int, first: int, count: int) -> dict[str, str]:
    """Headers of `POST /batches`."""
    return {GATEWAY: gateway, EPOCH: str(epoch), FIRST: str(first), COUNT: str(count)}


async def ask_lease(client: AsyncClient, key: ServiceKey, request: LeaseRequest) -> int:
    """The epoch; raises Refusal(STALE_EPOCH) when a lease to be renewed has ended, HTTPError when unreachable."""
    body = msgspec.json.encode(request)
    answer = await client.post("/leases", content=body, headers=key.headers("POST", "/leases", body))
    if answer.status_code == 409:
        raise Refusal(codes.STALE_EPOCH)
    answer.raise_for_status()
    return msgspec.json.decode(answer.content, type=LeaseAnswer).epoch


class EventWriter:
    """Writes events of one service instance into the log, one batch at a time, each acknowledged after commit."""

    def __init__(self, name: str, client: AsyncClient, key: ServiceKey) -> None:
        self._name = name
        self._client = client
        self._key = key
        self._epoch = 0
        self._next = 0
        self._lock = asyncio.Lock()

    async def write(self, events: Sequence[bytes]) -> None:
        """Commit the events (encoded `Event`s); raises Refusal(AUDIT_UNAVAILABLE).

        After a failure nobody knows whether the log has the batch, so its numbers are not used for other events:
        the next write starts a new lease. At worst an event stands in the log twice, under one id.
        """
        async with self._lock:
            decoded = [msgspec.json.decode(event, type=Event) for event in events]
            acknowledged = False
            try:
                await self._write(decoded)
                acknowledged = True
            except (HTTPError, msgspec.DecodeError, Refusal) as error:
                raise Refusal(codes.AUDIT_UNAVAILABLE, f"{type(error).__name__}") from None
            finally:
                if not acknowledged:
                    self._epoch = 0

    async def _write(self, events: Sequence[Event]) -> None:
        if not self._epoch:
            await self._start()
        answer = await self._post(events)
        if answer.status_code == 409:  # the lease ran out while there was nothing to say
            await self._start()
            answer = await self._post(events)
        answer.raise_for_status()
        self._next += len(events)

    async def _start(self) -> None:
        self._epoch = await ask_lease(self._client, self._key, LeaseRequest(self._name, "start"))
        self._next = 0

    async def _post(self, events: Sequence[Event]) -> Response:
        body = frames(
            (encode(event_leaf(event, self._name, self._epoch, self._next + i)), b"") for i, event in enumerate(events)
        )
        headers = {
            **batch_headers(self._name, self._epoch, self._next, len(events)),
            **self._key.headers("POST", "/batches", body),
        }
        return await self._client.post("/batches", content=body, headers=headers)

    async def renew(self) -> None:
        """Keep the lease alive; called every RENEW_S seconds. A lost lease is started anew with the next event."""
        if not self._epoch:
            return
        try:
            await ask_lease(self._client, self._key, LeaseRequest(self._name, "renew", self._epoch))
        except Refusal:
            self._epoch = 0
        except HTTPError as error:
            log.warning("lease.not_renewed", error=repr(error))
