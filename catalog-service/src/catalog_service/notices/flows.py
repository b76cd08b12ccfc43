"""Telling somebody, in the transaction of what is told: a row in an inbox, and one for each webhook that wants it."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from catalog_service.feed.flows import Change
from catalog_service.notices import store, webhook_store
from catalog_service.notices.model import Address, Notice, Subject
from catalog_service.notices.webhook import Delivery, Webhook, mistakes_in_webhook
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.ids import uuid7
from wire import codes


async def notify(
    change: Change, *, to: Iterable[Address], word: str, about: Subject, facts: Mapping[str, str], key: str
) -> bool:
    """Tell each of `to` once; answers whether anybody had not been told yet.

    key  names the event: what is told under the same key is the same message and reaches nobody twice
    """
    told: dict[Address, str] = {}
    for address in dict.fromkeys(to):
        notice_id = str(uuid7(int(change.at.timestamp() * 1000)))
        one = Notice(id=notice_id, to=address, word=word, about=about, facts=dict(facts), at=change.at)
        if await store.add_notice(change.tx, one, key):
            told[address] = notice_id
    to_offices = [address for address in told if not address.client]
    for webhook in await webhook_store.webhooks_for(change.tx, to_offices) if to_offices else ():
        if webhook.wants(word):
            await webhook_store.add_delivery(change.tx, webhook.id, told[to_offices[0]], key, change.at)
    return bool(told)


# --- webhooks -------------------------------------------------------------------------------------------------------
async def put_webhook(change: Change, stated: Webhook) -> tuple[Webhook, bool]:
    """The webhook, and whether its signing key is new: any change makes one, the same again changes nothing."""
    if mistakes := list(mistakes_in_webhook(stated)):
        errors = [{"path": f"/body/{path}", "error": error} for path, error in mistakes]
        raise Refusal(INVALID_REQUEST, mistakes[0][1], errors=errors)
    await change.lock(f"webhook/{stated.id}")
    known = await webhook_store.find_webhook(change.tx, stated.id, for_change=True)
    if known is not None and known.department != stated.department:
        raise Refusal(codes.CONFLICT, f"webhook {stated.id} belongs to another department")
    if known is not None and _content(known) == _content(stated):
        return known, False
    webhook = replace(stated, generation=known.generation + 1 if known else 1)
    await _keep(change, webhook, "registered")
    return webhook, True


def _content(webhook: Webhook) -> tuple[object, ...]:
    return webhook.active, webhook.office, webhook.url, webhook.networks, webhook.words


async def revoke_webhook(change: Change, webhook_id: str, reason: str) -> Webhook:
    """Nothing is sent there any more; what still waits is a dead letter."""
    known = await find_webhook(change, webhook_id)
    webhook = replace(known, active=False, reason=reason)
    if known.active:
        await webhook_store.give_up(change.tx, webhook_id, "the webhook was revoked")
        await _keep(change, webhook, "revoked")
    return webhook


async def find_webhook(change: Change, webhook_id: str) -> Webhook:
    """A webhook of the actor's own department, held for change; raises Refusal(NOT_FOUND)."""
    webhook = await webhook_store.find_webhook(change.tx, webhook_id, for_change=True)
    if webhook is None or webhook.department != change.actor.department:
        raise Refusal(codes.NOT_FOUND, f"webhook {webhook_id}")
    return webhook


async def retry_delivery(change: Change, webhook_id: str, n: int) -> Delivery:
    """Send a dead letter again, from the first attempt on."""
    webhook = await find_webhook(change, webhook_id)
    revived = await webhook_store.revive(change.tx, webhook.id, n, change.at) if webhook.active else None
    if revived is None:
        raise Refusal(codes.NOT_FOUND, f"no dead letter {n} that {webhook_id} could be sent")
    return revived


async def _keep(change: Change, webhook: Webhook, verb: str) -> None:
    await webhook_store.keep_webhook(change.tx, webhook)
    host = urlsplit(webhook.url).netloc  # what comes after it may be a secret of theirs
    facts = {"webhook": webhook.id, "owner": webhook.department, "host": host, "reason": webhook.reason}
    await change.tell(f"webhook.{verb}", webhook, **facts)
