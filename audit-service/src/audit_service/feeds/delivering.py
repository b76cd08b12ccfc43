"""Sending: each subscription by a task of its own, so that a slow receiver holds up no other.

In order, at least once, the same body under the same id when it is said again. A lease keeps two replicas from serving
the same subscription at the same time; if one dies, its lease ends and another goes on. What is never taken becomes a
dead letter, and later records flow on.
"""

from datetime import datetime, timedelta

import structlog

from audit_service import store as log_store
from audit_service.feeds import store
from audit_service.feeds.model import BATCH, Delivery, Subscription, event_of, failure_told, usage_body, wanted_of
from audit_service.feeds.reading import calls_after, calls_between
from audit_service.search.finder import Finder
from audit_service.writer import Writer
from relay.egress import Egress
from relay.webhook import TIMEOUT_S, failure_of_post
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from runtime.service_auth import ServiceKey
from runtime.tasks import Served
from runtime.webhook import next_try, signature
from wire.audit import Event

log = structlog.get_logger()
MOST_AT_ONCE = 64
MOST_OF_ONE = 4
"""Subscriptions of one department under way at the same time."""
MOST_IN_TURN = 10
"""Messages to one subscription before others have their turn."""
LEASE = timedelta(seconds=60)
SENDER = "usage-feed"


class Sender:
    """Carries what waits. `tick` every few seconds; `stop` at the end."""

    def __init__(
        self, database: log_store.Database, finder: Finder, writer: Writer, egress: Egress, key: ServiceKey,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._finder = finder
        self._writer = writer
        self._egress = egress
        self._key = key
        self._clock = clock or SystemClock()
        self._serving = Served("subscription", MOST_AT_ONCE, self._serve)

    async def tick(self) -> None:
        """See for whom something waits; returns before it is sent."""
        if self._serving.free:
            now, serving = self._clock.now(), self._serving
            serving.begin(await store.due(self._database.clerk, now, serving.now, MOST_OF_ONE, serving.free))

    async def idle(self) -> None:
        """Wait until everything that `tick` began has ended."""
        await self._serving.idle()

    async def stop(self) -> None:
        """End what is under way; leases see to it that it is sent again."""
        await self._serving.stop()

    async def _serve(self, subscription_id: str) -> None:
        """Send what waits for one subscription, in order, until nothing does, one fails, or its turn is over."""
        for _ in range(MOST_IN_TURN):
            if not await self._send_next(subscription_id):
                break

    async def _send_next(self, subscription_id: str) -> bool:
        """Whether something was sent and taken."""
        now = self._clock.now()
        until = now + LEASE
        one = await store.lease(self._database.clerk, subscription_id, now, until)
        if one is None:
            return False
        try:
            delivery, upto = await self._next(one, now, until)
            error = await self._failure(one, delivery, now) if delivery else ""
        except Refusal as refusal:  # the archive or the log is away: no fault of the receiver's
            log.warning("subscription.waits", subscription=one.id, why=str(refusal))
            delivery, upto, error = None, one.position, ""
        if delivery is None:
            await store.release(self._database.clerk, one.id, until, upto)
            return False
        await self._settle(one, delivery, until, error)
        return not error

    async def _next(self, one: Subscription, now: datetime, until: datetime) -> tuple[Delivery | None, int]:
        """What to send, or None and the leaf index up to which there is nothing."""
        clerk = self._database.clerk
        waiting = await store.next_waiting(clerk, one.id, now)
        if waiting or await store.is_ahead(clerk, one.id, one.position):
            return waiting, one.position
        indexed = await store.indexed(clerk)
        page = await calls_after(self._finder, wanted_of(one.department, one.side, one.interface), one.position, BATCH)
        if not page.rows:
            return None, page.upto if page.more else max(page.upto, indexed - 1)
        first, last = page.rows[0].leaf_index, page.rows[-1].leaf_index
        return await store.add_batch(clerk, one, until, first, last, len(page.rows), now), one.position

    async def _failure(self, one: Subscription, delivery: Delivery, at: datetime) -> str:
        """Send it; "" if it was taken."""
        body = delivery.body or await self._records(one, delivery)
        signed = signature(self._key.derived(one.purpose), int(at.timestamp()), body)
        lines = [(b"tongdao-delivery", delivery.id.encode()), (b"tongdao-signature", signed.encode())]
        failure = await failure_of_post(self._egress, one.url, one.networks, lines, body, TIMEOUT_S)
        if failure:
            log.info("usage.not_taken", subscription=one.id, delivery=delivery.n, why=failure)
        return failure_told(failure)

    async def _records(self, one: Subscription, delivery: Delivery) -> bytes:
        wanted = wanted_of(one.department, delivery.side, delivery.interface)
        rows = await calls_between(self._finder, wanted, delivery.first, delivery.last, delivery.count)
        return usage_body(delivery, rows)

    async def _settle(self, one: Subscription, delivery: Delivery, until: datetime, error: str) -> None:
        """What came of it, unless the lease has gone to somebody else meanwhile."""
        now = self._clock.now()
        attempts = delivery.attempts + 1
        later = next_try(attempts, now)
        if error and later is None:  # on record before it is given up
            await self._writer.write([_dead_letter(one, delivery, now, error)])
        done = delivery.last if not error or later is None else one.position
        async with self._database.clerk.acquire() as connection, connection.transaction():
            if not await store.release(connection, one.id, until, done):
                return
            if error:
                await store.failed(connection, delivery.n, attempts, error, later, now)
            else:
                await store.sent(connection, delivery.n)


def _dead_letter(one: Subscription, delivery: Delivery, at: datetime, error: str) -> Event:
    log.warning("usage.dead_letter", subscription=one.id, delivery=delivery.n)
    return event_of(
        "usage.dead_letter", at, SENDER, one.department, subscription=one.id, delivery=str(delivery.n),
        kind=delivery.kind, first=str(delivery.first), last=str(delivery.last), error=error,
    )  # fmt: skip
