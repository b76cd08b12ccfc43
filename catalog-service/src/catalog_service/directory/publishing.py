"""Making a text live, and changing the standing of what is live, with all that rests on it.

Whoever publishes does so last (see `Change`): these flows answer the interfaces that gateways have to hear of anew.
"""

from collections.abc import Iterable

import msgspec

from catalog_service.directory import filing_store, model, store
from catalog_service.directory.difference import narrowed
from catalog_service.directory.entry import Resource
from catalog_service.directory.filing_store import Version
from catalog_service.directory.model import DONE, Act, Interface
from catalog_service.feed.flows import Change
from catalog_service.policy.flows import today


async def make_live(
    change: Change, text: Resource, known: Resource | None, step: int = 0
) -> tuple[Version, list[Interface]]:
    """A new version of an entry, in the standing that it has; interfaces follow what becomes known of their data."""
    first_day = known.published if known else text.published
    text = msgspec.structs.replace(model.carry_over(known, text), published=first_day or today(change.at).isoformat())
    await store.keep_resource(change.tx, text)
    version = Version(
        n=await filing_store.last_version(change.tx, text.code) + 1, published_at=change.at,
        published_by=change.actor.client, step=step, entry=text,
    )  # fmt: skip
    await filing_store.add_version(change.tx, version)
    less = ",".join(narrowed(known, text)) if known else ""
    verb = "registered" if known is None else "changed"
    facts = {"resource": text.code, "provider": text.provider, "version": str(version.n), "narrowed": less}
    await change.tell(f"resource.{verb}", text, **facts)
    return version, await _follow(change, text, "interface.changed")


async def move_entry(change: Change, live: Resource, act: Act, reason: str) -> tuple[Resource, list[Interface]]:
    """The entry in its next standing; all its interfaces stand as it does (国务院令第809号 27, 35; 常德 25)."""
    moved = model.move(live, act, change.actor.department, reason, change.at)
    await store.keep_resource(change.tx, moved)
    await change.tell(f"resource.{DONE[act]}", moved, resource=moved.code, provider=moved.provider, reason=reason)
    return moved, await _follow(change, moved, f"interface.entry-{DONE[act]}")


async def _follow(change: Change, entry: Resource, event: str) -> list[Interface]:
    """The entry's interfaces, held and brought into line: how long records are kept (design P3), and its standing."""
    changed = []
    for before in await store.interfaces_of_resource(change.tx, entry.code):
        after = model.keep_long_enough(msgspec.structs.replace(before, entry_state=entry.state), entry)
        if after != before and after.state.standing != "revoked":
            await store.keep_interface(change.tx, after)
            await change.tell(event, after, interface=after.key, provider=after.provider, reason=entry.state.reason)
            changed.append(after)
    return changed


async def publish_all(change: Change, interfaces: Iterable[Interface]) -> None:
    """Tell gateways and exchanges of those that they serve."""
    for interface in interfaces:
        await show(change, None, interface)


async def show(change: Change, known: Interface | None, after: Interface) -> None:
    """Gateways hear of a version while it is served; one that no longer is they forget. What they know is not news."""
    was_served = known is not None and known.is_served
    if after.is_served:
        if known is None or not was_served or known.published() != after.published():
            await change.publish(after.published())
    elif was_served:
        await change.unpublish(after.published())
