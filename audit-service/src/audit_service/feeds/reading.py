"""A department's own calls, in the order of the log, without gaps."""

from typing import NamedTuple

from audit_service.search.finder import Finder
from audit_service.summary import Filter, Summary

_ROUNDS = 8
"""So often more rows are asked for when some of them were events, before an answer goes out as it is."""


class Page(NamedTuple):
    """rows: calls only. upto: leaf index up to which all has been looked at. more: there may be more right now."""

    rows: list[Summary]
    upto: int
    more: bool


async def calls_after(finder: Finder, wanted: Filter, after: int, limit: int) -> Page:
    """The next calls after a leaf index, at most `limit`. What a department did in the log itself is passed over: a
    pull is on record too, and a poller would be fed with its own polls for ever."""
    rows: list[Summary] = []
    for _ in range(_ROUNDS):
        asked = limit - len(rows)
        found = await finder.after(wanted, after, asked)
        rows += [row for row in found if row.kind != "event"]
        after = found[-1].leaf_index if found else after
        if len(found) < asked:
            return Page(rows, after, more=False)
        if len(rows) == limit:
            break
    return Page(rows, after, more=True)


async def calls_between(finder: Finder, wanted: Filter, first: int, last: int, count: int) -> list[Summary]:
    """The calls of a batch again: what is in the log does not change, so neither does the batch."""
    rows: list[Summary] = []
    after = first - 1
    while len(rows) < count:
        page = await calls_after(finder, wanted, after, count - len(rows))
        rows += [row for row in page.rows if row.leaf_index <= last]
        after = page.upto
        if not page.more or after >= last:
            break
    return rows
