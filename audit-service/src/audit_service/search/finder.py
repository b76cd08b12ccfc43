"""Finding rows: newest first for people, oldest first for feeds, in the database and in the archive.

A search goes from segment to segment in the order of reading, passes over those that cannot have a row (time, sieve,
combinations), and stops as soon as the page is full and nothing that is left can come before its last row.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

import msgspec

from audit_service import store as log_store
from audit_service.archive.cold import Cold
from audit_service.search import cursors, rows
from audit_service.search.conditions import SIEVED
from audit_service.search.rows import Span, Stretch
from audit_service.summary import LONGEST_TEXT, Filter, Summary
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, scopes
from wire.tokens import AccessToken

MOST_COLD = 8
"""Files of the archive that one page opens; after that it ends early, and says where to go on."""
FIRST_LOOK, WIDER = 6, 10
AT_ONCE = 16
_TRIES = 3


class Page(NamedTuple):
    """Rows, newest first, and where the next page begins ("" after the last one). A page may be short, even empty, and
    still have a next one: then the archive was searched as far as one page goes."""

    rows: list[Summary]
    next: str


class Found(NamedTuple):
    """Rows in the order of reading; `edge` is the next index that was not looked at, None if all was."""

    rows: list[Summary]
    edge: int | None


class Finder:
    """Searches rows; who may see them is decided in `seen_by`."""

    def __init__(self, database: log_store.Database, cold: Cold) -> None:
        self._database = database
        self._cold = cold

    async def page(self, wanted: Filter, cursor: str, limit: int, token: AccessToken) -> Page:
        """One page for whoever has the token. Raises Refusal: INVALID_REQUEST (cursor), NOT_YOURS, ARCHIVE_AWAY,
        AUDIT_UNAVAILABLE."""
        wanted = seen_by(token, wanted)
        found = await self._found(wanted, Stretch(before=_place(cursor, wanted)), limit + 1, MOST_COLD)
        if len(found.rows) > limit:
            return Page(found.rows[:limit], cursors.closed(found.rows[limit - 1].leaf_index, wanted))
        return Page(found.rows, "" if found.edge is None else cursors.closed(found.edge + 1, wanted))

    async def after(self, wanted: Filter, leaf_index: int, limit: int) -> list[Summary]:
        """The next rows after an index, oldest first; fewer than `limit` only where there are no more."""
        found = await self._found(wanted, Stretch(after=leaf_index, newest_first=False), limit, None)
        return found.rows

    async def at_least(self, wanted: Filter, token: AccessToken) -> int:
        """How many rows there are, as far as daily figures know; 0 where they do not. Raises Refusal(NOT_YOURS)."""
        wanted = seen_by(token, wanted)
        if not _can_match(wanted) or any(getattr(wanted, name) for name in ("since", "before", "call_id", *SIEVED)):
            return 0
        async with log_store.answering("search"):
            return await rows.counted(self._database.reader, wanted)

    async def _found(self, wanted: Filter, stretch: Stretch, limit: int, most_cold: int | None) -> Found:
        """Again if a segment went to the archive, or came back, while it was read."""
        if not _can_match(wanted):
            return Found([], None)
        for _ in range(_TRIES):
            read: dict[str, str] = {}
            found = await self._walk(wanted, stretch, limit, most_cold, read)
            async with log_store.answering("search"):
                if await rows.states(self._database.reader, list(read)) == read:
                    return found
        raise Refusal(codes.AUDIT_UNAVAILABLE, "segments are being moved")

    async def _walk(
        self, wanted: Filter, stretch: Stretch, limit: int, most_cold: int | None, read: dict[str, str]
    ) -> Found:
        """`read` is filled in: segments that were read, and in which state."""
        stretch, spans = await self._spans(wanted, stretch)
        left, near, width = deque(span for span in spans if not span.is_gone), deque[Span](), FIRST_LOOK
        found: list[Summary] = []
        while left or near:
            edge = _edge(near, left, stretch)
            if len(found) >= limit and _is_before(found[limit - 1].leaf_index, edge, stretch):
                break
            if not near:
                among = [left.popleft() for _ in range(min(width, len(left)))]
                near.extend(await self._narrowed(wanted, among, stretch))
                width *= WIDER
                continue
            if near[0].is_cold:
                if most_cold == 0:
                    return Found([row for row in found if _is_before(row.leaf_index, edge, stretch)], edge)
                most_cold = None if most_cold is None else most_cold - 1
            step = _step(near, limit)
            read |= {span.segment: span.state for span in step}
            found += await self._rows(step, wanted, stretch, limit)
            found.sort(key=lambda row: row.leaf_index, reverse=stretch.newest_first)
            del found[limit:]
        return Found(found, None)

    async def _spans(self, wanted: Filter, stretch: Stretch) -> tuple[Stretch, list[Span]]:
        """What there is now: rows that are added meanwhile are for later, or one segment would be ahead of others."""
        async with log_store.answering("search"):
            size = await rows.indexed(self._database.reader)
            stretch = replace(stretch, before=min(stretch.before, size))
            return stretch, await rows.spans(self._database.reader, wanted, stretch)

    async def _narrowed(self, wanted: Filter, among: list[Span], stretch: Stretch) -> list[Span]:
        async with log_store.answering("search"):
            among = await rows.sifted(self._database.reader, wanted, among)
            return await rows.narrowed(self._database.reader, wanted, among, stretch)

    async def _rows(self, step: list[Span], wanted: Filter, stretch: Stretch, limit: int) -> list[Summary]:
        if not step[0].is_cold:
            async with log_store.answering("search"):
                return await rows.matching(self._database.reader, wanted, step, stretch, limit)
        try:
            return await self._cold.rows(
                step[0].segment, wanted, before=stretch.before, after=stretch.after, limit=limit,
                newest_first=stretch.newest_first,
            )  # fmt: skip
        except Refusal as refusal:
            if refusal.code in (codes.DISPOSED, codes.NOT_FOUND):
                return []  # since we looked; we shall look again
            raise


def seen_by(token: AccessToken, wanted: Filter) -> Filter:
    """The filter as far as the token goes: those who took part, and auditors (景德镇 16). Raises Refusal(NOT_YOURS)."""
    if scopes.AUDIT_READ in token.scopes:
        return wanted
    if not token.department or wanted.party not in ("", token.department):
        raise Refusal(codes.NOT_YOURS)
    return msgspec.structs.replace(wanted, party=token.department)


def shown(found: list[Summary], token: AccessToken) -> list[Summary]:
    """Rows without the pseudonyms of persons, but for whoever may look for persons."""
    if scopes.AUDIT_SUBJECT in token.scopes:
        return found
    return [msgspec.structs.replace(row, subject="") for row in found]


def _place(cursor: str, wanted: Filter) -> int:
    try:
        return cursors.opened(cursor, wanted) if cursor else rows.BEYOND
    except ValueError as error:
        told = [{"path": "/query/cursor", "error": str(error)}]
        raise Refusal(INVALID_REQUEST, "the cursor goes with another search", errors=told) from None


def _can_match(wanted: Filter) -> bool:
    """Whether some row could have all this: texts that the database would refuse stand in none."""
    for value in msgspec.structs.astuple(wanted):
        if isinstance(value, str) and ("\0" in value or len(value) > LONGEST_TEXT or _has_half_character(value)):
            return False
    return not wanted.call_id or _is_uuid(wanted.call_id)


def _has_half_character(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _edge(near: Sequence[Span], left: Sequence[Span], stretch: Stretch) -> int:
    """The next index, in the order of reading, that was not looked at."""
    if stretch.newest_first:
        return max(spans[0].last for spans in (near, left) if spans)
    return min(spans[0].first for spans in (near, left) if spans)


def _is_before(index: int, edge: int, stretch: Stretch) -> bool:
    return index > edge if stretch.newest_first else index < edge


def _step(near: deque[Span], limit: int) -> list[Span]:
    """The next segments to read together: some where the rows are rare, else one; one of the archive."""
    step = [near.popleft()]
    while (
        near and len(step) < AT_ONCE and step[0].is_rare and near[0].is_rare and sum(span.hits for span in step) < limit
        and not step[0].is_cold and not near[0].is_cold
    ):  # fmt: skip
        step.append(near.popleft())
    return step
