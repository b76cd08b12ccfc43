"""Maintenance windows that a provider announces: gateways refuse calls within them, and users know in time."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

import msgspec

from catalog_service.directory import contract, filing_store, model, publishing, store
from catalog_service.directory.model import Interface
from catalog_service.directory.permissions import check_responsible
from catalog_service.feed.flows import Change
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from runtime.errors import Refusal
from statute.calendar import SHANGHAI
from wire import codes, scopes
from wire.catalog import Window

LONGEST_S = 7 * 86_400
"""Whoever is away for longer suspends the interface, and says on which ground."""
FARTHEST_S = 400 * 86_400


def mistakes_in_windows(windows: Sequence[Window], now_s: int) -> Iterator[contract.Mistake]:
    """Windows end after they begin, are short, in the future, and do not overlap; they may come in any order."""
    for n, window in enumerate(windows):
        where = f"windows/{n}/until"
        if window.until <= window.begins:
            yield where, "ends before it begins"
        elif window.until - window.begins > LONGEST_S:
            yield where, f"longer than {LONGEST_S // 86_400} days"
        elif window.until > now_s + FARTHEST_S:
            yield where, f"more than {FARTHEST_S // 86_400} days away"
    ordered = sorted(windows, key=lambda window: window.begins)
    if any(one.until > following.begins for one, following in pairwise(ordered)):
        yield "windows", "windows overlap"


async def announce(change: Change, interface_id: str, version: str, windows: Sequence[Window]) -> Interface:
    """The version with these windows and no others; what is over is dropped. Raises Refusal."""
    now_s = int(change.at.timestamp())
    contract.require(mistakes_in_windows(windows, now_s))
    await change.lock(f"interface/{interface_id}")
    found = await store.find_interface(change.tx, interface_id, version, hold="update")
    if found is None:
        raise Refusal(codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
    check_responsible(change.actor, found.provider)
    known = model.carry_over(found, found)  # nothing revoked is announced
    ahead = sorted((one for one in windows if one.until > now_s), key=lambda window: window.begins)
    after = msgspec.structs.replace(known, maintenance=ahead)
    if after == known:
        return known
    await store.keep_interface(change.tx, after)
    await _tell(change, after)
    await publishing.show(change, known, after)
    return after


async def _tell(change: Change, interface: Interface) -> None:
    windows = "; ".join(map(_shown, interface.maintenance))
    facts = {
        "interface": interface.key, "name": interface.name, "provider": interface.provider, "windows": windows,
    }  # fmt: skip
    await change.tell("interface.maintenance", interface, **facts)
    users = await filing_store.subscribers_of_interface(change.tx, interface.id, interface.version, change.at)
    word = "interface.maintenance" if windows else "interface.maintenance_cancelled"
    named = hashlib.sha256(f"{change.at.isoformat()} {windows}".encode()).hexdigest()[:16]
    await notify(
        change, to=[Address(department, scopes.OFFICER) for department in sorted(users)], word=word,
        about=Subject("interface", interface.key), facts=facts, key=f"interface/{interface.key}/maintenance/{named}",
    )  # fmt: skip


def _shown(window: Window) -> str:
    """A window as people read it, in the time of the place."""
    begins, until = (datetime.fromtimestamp(at, SHANGHAI) for at in (window.begins, window.until))
    said = f"{begins:%Y-%m-%d %H:%M} – {until:%Y-%m-%d %H:%M}"
    return f"{said} ({window.reason})" if window.reason else said
