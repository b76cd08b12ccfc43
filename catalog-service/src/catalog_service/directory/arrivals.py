"""Word from a provider that new data arrived: the heartbeat that an entry's update cycle is held against."""

from datetime import datetime

from catalog_service.directory import filing_store, store
from catalog_service.directory.contract import invalid
from catalog_service.directory.entry import Resource
from catalog_service.directory.permissions import check_own
from catalog_service.feed.flows import Change
from runtime.errors import Refusal
from wire import codes


async def report(change: Change, code: str, data_at: datetime | None) -> Resource:
    """The entry of which data arrived, now or at a moment that lies behind us. Source: 德清 10, 景德镇 18."""
    entry = await store.find_resource(change.tx, code, hold="share")
    if entry is None:
        raise Refusal(codes.NOT_FOUND, f"resource {code}")
    check_own(change.actor, entry.provider)
    if data_at is not None and data_at > change.at:
        raise invalid(("at", "lies ahead"))
    await filing_store.keep_arrival(change.tx, code, data_at or change.at, change.at, change.actor.client)
    return entry
