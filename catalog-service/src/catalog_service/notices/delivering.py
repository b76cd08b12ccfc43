"""Sending notices to webhooks: each webhook by a task of its own, so that a slow one holds up no other.

At least once and under the same id. A lease keeps two workers from sending the same message at the same time; if one
dies, its lease ends and the other sends it again.
"""

from datetime import datetime, timedelta

import structlog
from msgspec.structs import replace

from catalog_service.feed.flows import Change, Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.notices import webhook_store as store
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Notice, Subject
from catalog_service.notices.webhook import Delivery, DeliveryState, Webhook, message
from relay.egress import Egress
from relay.webhook import DENIED, TIMEOUT_S, failure_of_post
from runtime.service_auth import ServiceKey
from runtime.tasks import Served
from runtime.webhook import next_try, signature

log = structlog.get_logger()
MESSENGER = Actor("webhook-messenger", PLATFORM)
MOST_AT_ONCE = 64
LEASE = timedelta(seconds=60)
ANSWERED = "answered "


class Messenger:
    """Carries what waits."""

    def __init__(self, journal: Journal, egress: Egress, key: ServiceKey) -> None:
        self._journal = journal
        self._egress = egress
        self._key = key
        self._serving = Served("webhook", MOST_AT_ONCE, self._serve)

    async def tick(self) -> None:
        """See for whom something waits; returns before it is sent."""
        serving = self._serving
        if not serving.free:
            return
        async with self._journal.change(MESSENGER) as change:
            found = await store.waiting_webhooks(change.tx, change.at, serving.now, serving.free)
        serving.begin(found)

    async def idle(self) -> None:
        """Wait until everything that `tick` began has ended."""
        await self._serving.idle()

    async def stop(self) -> None:
        """End what is under way; leases see to it that it is sent again."""
        await self._serving.stop()

    async def _serve(self, webhook_id: str) -> None:
        """Send what waits for one webhook, one after another, until nothing does or one fails."""
        while await self._send_next(webhook_id):
            pass

    async def _send_next(self, webhook_id: str) -> bool:
        async with self._journal.change(MESSENGER) as change:
            webhook = await store.find_webhook(change.tx, webhook_id)
            until = change.at + LEASE
            leased = await store.lease(change.tx, webhook_id, change.at, until)
        if webhook is None or not webhook.active or leased is None:
            return False
        delivery, notice = leased
        error = await self._error_of(webhook, notice, int(change.at.timestamp()))
        await self._settle(webhook, delivery, until, error)
        return not error

    async def _error_of(self, webhook: Webhook, notice: Notice, at: int) -> str:
        """Send it; "" if it was taken."""
        body = message(notice)
        signed = signature(self._key.derived(webhook.purpose), at, body)
        lines = [(b"tongdao-notice", notice.id.encode()), (b"tongdao-signature", signed.encode())]
        return await failure_of_post(self._egress, webhook.url, webhook.networks, lines, body, TIMEOUT_S)

    async def _settle(self, webhook: Webhook, delivery: Delivery, leased_until: datetime, error: str) -> None:
        async with self._journal.change(MESSENGER) as change:
            attempts = delivery.attempts + 1
            later = next_try(attempts, change.at)
            state: DeliveryState = "delivered" if not error else "waiting" if later else "dead"
            settled = replace(delivery, state=state, attempts=attempts, next_at=later or change.at, error=error[:500])
            await store.settle(change.tx, settled, leased_until)
            if state == "dead":
                await _tell_dead(change, webhook, settled)


async def _tell_dead(change: Change, webhook: Webhook, delivery: Delivery) -> None:
    """To everybody in the department, once a day at most: whoever is there should see to it."""
    log.warning("webhook.dead_letter", webhook=webhook.id, delivery=delivery.n)
    await notify(
        change, to=[Address(webhook.department, "")], word="webhook.dead", about=Subject("webhook", webhook.id),
        facts={"webhook": webhook.id, "error": delivery.error, "error_zh": in_chinese(delivery.error)},
        key=f"webhook/{webhook.id}/dead/{change.at:%Y-%m-%d}",
    )  # fmt: skip


def in_chinese(error: str) -> str:
    """What kept a message from being taken, in short; its webhook shows the rest."""
    if error.startswith(ANSWERED):
        return f"对方应答 {error.removeprefix(ANSWERED)}"
    return "地址不允许" if error.startswith(DENIED) else "无法送达"
