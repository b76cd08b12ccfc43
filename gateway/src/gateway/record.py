"""The gateway's pen: intents and outcomes go into the log in batches, and nothing goes on before they are committed.

A record joins the batch that is forming; the batch leaves as soon as fewer than two are under way (no timer: under load
batches grow by themselves). A batch that is not acknowledged is sent again with the same key and the same bytes until
it is, or until the lease it was written under has ended. Waiters give up after `PATIENCE_S`; the batch does not.
"""

import asyncio
import time
from functools import partial

import structlog

from relay.heads import request_head
from relay.upstream import Answer, Upstream, UpstreamFault
from relay.waiting import Promise, drive
from runtime.errors import Refusal
from runtime.http import AsyncClient, HTTPError
from runtime.service_auth import ServiceKey, digest_of
from wire import codes
from wire.audit import CallLeaf, EventLeaf, encode, frame
from wire.headers import SERVICE
from wire.lease import LeaseRequest, ask_lease, batch_headers

log = structlog.get_logger()
IN_FLIGHT = 2
PATIENCE_S = 1.5
"""How long a call waits for its record. With the sweep and one exchange this stays below the promised 2 s."""
RETRY_S = 0.1
BATCH_BYTES = 1024 * 1024
MOST_WAITING = 20_000
TARGET = b"/batches"


class Batch:
    """Records that are committed together."""

    __slots__ = ("born", "count", "epoch", "first", "frames", "size", "waiters")

    def __init__(self, epoch: int, first: int) -> None:
        self.epoch = epoch
        self.first = first
        self.count = 0
        self.size = 0
        self.frames: list[bytes] = []
        self.waiters: list[Promise[None]] = []
        self.born = time.monotonic()

    def settle(self, error: Exception | None) -> None:
        """Tell everybody who waits."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if error is None:
                waiter.resolve(None)
            else:
                waiter.fail(error)


class Recorder:
    """Writes under one lease; a lost lease is replaced, and what was waiting under the old one is refused."""

    def __init__(self, name: str, upstream: Upstream, leases: AsyncClient, key: ServiceKey) -> None:
        self._name = name
        self._upstream = upstream
        self._leases = leases
        self._key = key
        self._epoch = 0
        self._next = 0
        self._forming: list[Batch] = []
        self._sent: list[Batch] = []
        """Under way, the oldest first."""
        self._waiting = 0
        """Records of batches that are forming."""
        self._kicked = False

    # --- the lease
    async def hold_lease(self) -> None:
        """Start or renew; called every second."""
        try:
            if self._epoch:
                await ask_lease(self._leases, self._key, LeaseRequest(self._name, "renew", self._epoch))
            else:
                self._epoch = await ask_lease(self._leases, self._key, LeaseRequest(self._name, "start"))
                self._next = 0
                log.info("lease.started", epoch=self._epoch)
        except Refusal:
            self._lose_lease(self._epoch)
        except HTTPError as error:
            log.warning("lease.not_held", error=repr(error))

    def _lose_lease(self, epoch: int) -> None:
        """What was to be written under `epoch` can never be: whoever waits is told so."""
        if epoch != self._epoch:
            return
        log.warning("lease.lost", epoch=epoch)
        self._epoch = 0
        forming, self._forming, self._waiting = self._forming, [], 0
        for batch in [*forming, *self._sent]:
            batch.settle(Refusal(codes.AUDIT_UNAVAILABLE, "the lease on the log has ended"))

    async def drain(self) -> None:
        """Wait until everything is committed, then give the lease back."""
        deadline = time.monotonic() + PATIENCE_S
        while (self._forming or self._sent) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if self._epoch and not self._sent:
            try:
                await ask_lease(self._leases, self._key, LeaseRequest(self._name, "drain", self._epoch))
            except (HTTPError, Refusal) as error:
                log.warning("lease.not_drained", error=repr(error))

    # --- records
    def check(self) -> None:
        """Raise Refusal where a new call could not be recorded: decided at once, without asking the log."""
        if not self._epoch:
            raise Refusal(codes.AUDIT_UNAVAILABLE, "no lease on the log", retry_after=1)
        late = self._sent and time.monotonic() - self._sent[0].born > PATIENCE_S
        if late or self._waiting > MOST_WAITING:
            raise Refusal(codes.AUDIT_UNAVAILABLE, "the log is behind", retry_after=1)

    def put(self, leaf: CallLeaf | EventLeaf, private: bytes = b"") -> Promise[None]:
        """Add a record; the promise is kept when it is committed, or fails with Refusal(AUDIT_UNAVAILABLE)."""
        promise: Promise[None] = Promise()
        if not self._epoch:
            promise.fail(Refusal(codes.AUDIT_UNAVAILABLE, "no lease on the log"))
            return promise
        leaf.gateway, leaf.epoch, leaf.sequence = self._name, self._epoch, self._next
        self._next += 1
        framed = frame(encode(leaf), private)
        batch = self._batch(len(framed))
        batch.frames.append(framed)
        batch.count += 1
        batch.size += len(framed)
        batch.waiters.append(promise)
        self._waiting += 1
        self._kick()
        return promise

    def _batch(self, size: int) -> Batch:
        """The batch that is forming, or a new one when that is full."""
        if not self._forming or self._forming[-1].size + size > BATCH_BYTES:
            self._forming.append(Batch(self._epoch, self._next - 1))
        return self._forming[-1]

    def _kick(self) -> None:
        """Send at the end of this turn of the loop, so that everything that arrived with us goes along."""
        if not self._kicked and len(self._sent) < IN_FLIGHT:
            self._kicked = True
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._kicked = False
        while self._forming and len(self._sent) < IN_FLIGHT:
            batch = self._forming.pop(0)
            self._waiting -= batch.count
            self._sent.append(batch)
            drive(self._deliver(batch), partial(self._give_up, batch, "delivery failed"))

    async def _deliver(self, batch: Batch) -> None:
        body = b"".join(batch.frames)
        status = 0
        while batch.epoch == self._epoch:
            status = await self._post(batch, body)
            if status in (204, 409, 422):
                break
            await asyncio.sleep(RETRY_S)
        if status == 204:
            self._end(batch, None)
        else:
            self._give_up(batch, f"the log said {status}")

    async def _post(self, batch: Batch, body: bytes) -> int:
        """Status of one attempt, 0 where there was none."""
        lines = [
            (name.lower().encode(), value.encode())
            for name, value in batch_headers(self._name, batch.epoch, batch.first, batch.count).items()
        ]
        lines.append((SERVICE, self._key.sign(b"POST", TARGET, digest_of(body))))
        try:
            head = request_head(b"POST", TARGET, b"audit", lines, len(body))
            answer: Answer = await self._upstream.send(head, body, timeout_s=PATIENCE_S, repeatable=True)
            await answer.body.read(64 * 1024)
        except UpstreamFault as fault:
            log.warning("batch.not_acknowledged", first=batch.first, count=batch.count, error=str(fault))
            return 0
        return answer.status

    def _give_up(self, batch: Batch, reason: str) -> None:
        """The batch will never be committed by us. There may be outcomes in it: once the lease has ended the log closes
        their calls."""
        log.error("batch.given_up", first=batch.first, count=batch.count, epoch=batch.epoch, reason=reason)
        self._lose_lease(batch.epoch)
        self._end(batch, Refusal(codes.AUDIT_UNAVAILABLE, reason))

    def _end(self, batch: Batch, error: Exception | None) -> None:
        if batch in self._sent:  # not again, where telling those who wait went wrong
            self._sent.remove(batch)
        if self._forming:
            self._kick()
        batch.settle(error)

    async def give_up_late(self) -> None:
        """Called often: tell those who waited too long. Their records stay in their batches and may still arrive."""
        limit = time.monotonic() - PATIENCE_S
        for batch in [b for b in (*self._sent, *self._forming) if b.born < limit and b.waiters]:
            batch.settle(Refusal(codes.AUDIT_UNAVAILABLE, f"not committed within {PATIENCE_S:g} s", retry_after=1))
