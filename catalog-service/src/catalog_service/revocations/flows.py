"""Tokens that count no longer: what the authorization server revokes reaches gateways in the order of the feed.

Who revoked what, and why, is in the log already: identity writes its event in the transaction that says so.
"""

from collections.abc import Sequence

from catalog_service.feed.flows import Change, Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.revocations import store
from wire.catalog import Revocation

MOST_FORGOTTEN = 1000


async def take(change: Change, revocations: Sequence[Revocation]) -> None:
    """Keep and publish these; what was said before changes nothing, so that they may come twice."""
    rows = [await store.keep(change.tx, each) for each in sorted(revocations, key=lambda each: each.id)]
    for kept in rows:
        if kept is not None:
            await change.publish(kept)


async def forget(journal: Journal) -> int:
    """Take what is past out of table and feed, a piece at a time; call it often, from any replica."""
    async with journal.change(Actor("catalog", PLATFORM)) as change:
        past = await store.take_past(change.tx, int(change.at.timestamp()), MOST_FORGOTTEN)
        for each in past:
            await change.unpublish(each)
    return len(past)
