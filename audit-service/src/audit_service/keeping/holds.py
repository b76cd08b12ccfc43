"""Legal holds: what must not be disposed of, whatever its age, until another person says that it may.

A hold keeps every segment (a day and class, the unit in which anything is ever deleted) that has a record it fits,
and those where such a call began: the day before, or any other that `ends_elsewhere` knows.
"""

from datetime import timedelta
from typing import Any

from audit_service import store as log_store
from audit_service.archive import store as archive_store
from audit_service.archive.cold import Cold
from audit_service.archive.periods import parts_of
from audit_service.keeping import store
from audit_service.keeping.events import told
from audit_service.keeping.store import Hold
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from wire import codes
from wire.tokens import AccessToken

_BEYOND = 2**63 - 1


class Holds:
    """Placing, releasing, and judging what is held."""

    def __init__(self, database: log_store.Database, writer: Writer, cold: Cold, clock: Clock | None = None) -> None:
        self._database = database
        self._writer = writer
        self._cold = cold
        self._clock = clock or SystemClock()

    async def all(self) -> list[Hold]:
        """Newest first, released ones as well."""
        async with log_store.answering("holds"):
            return await store.holds(self._database.clerk)

    async def place(self, hold: Hold, token: AccessToken) -> None:
        """It stands when this returns. Raises Refusal(AUDIT_UNAVAILABLE)."""
        facts = {name: value for name in ("party", "system", "interface", "reason") if (value := getattr(hold, name))}
        facts |= {"hold": hold.id, "grant": hold.grant_id, "case": hold.case_no, "call": hold.call_id,
                  "for_case": hold.case}  # fmt: skip
        facts |= {name: at.isoformat() for name in ("since", "before") if (at := getattr(hold, name))}
        event = told("hold.placed", hold.placed_at, token, {name: value for name, value in facts.items() if value})
        async with log_store.answering("hold"), self._database.clerk.acquire() as tx, tx.transaction():
            await store.add_hold(tx, hold)
            await self._writer.write([event])

    async def release(self, number: str, reason: str, token: AccessToken) -> Hold:
        """By another person than the one who placed it. Raises Refusal: NOT_FOUND, FOUR_EYES, NOT_IN_THIS_STATE."""
        now = self._clock.now()
        async with log_store.answering("hold"), self._database.clerk.acquire() as tx, tx.transaction():
            done = await store.release(tx, number, token.client, token.department)
            hold = await store.hold(tx, number)
            if hold is None:
                raise Refusal(codes.NOT_FOUND, f"no hold {number}")
            if not done:
                raise _not_released(hold)
            await self._writer.write([told("hold.released", now, token, {"hold": number, "reason": reason})])
        return hold

    async def judge(self, connection: Any, segment: str) -> list[str] | None:
        """The holds that keep a closed segment, None while its calls cannot all be searched: what is not found then
        would be taken for what is not there. Raises Refusal(ARCHIVE_AWAY) when that cannot be found out."""
        known = await store.judged(connection, segment)
        standing = await store.holds(connection, standing=True)
        day, retention = parts_of(segment)
        places = {segment: None, f"{day + timedelta(days=1):%Y%m%d}-{retention}": None}
        if any(hold.id not in known for hold in standing):
            places |= dict.fromkeys(await store.ends_elsewhere(connection, segment))
        last = await store.last_leaf(connection, list(places))
        if last is not None and not await archive_store.is_ready(connection, last):
            return None
        for hold in standing:
            if hold.id not in known:
                known[hold.id] = await self._fits(connection, hold, list(places))
                await store.add_judgement(connection, hold.id, segment, known[hold.id])
        return [hold.id for hold in standing if known[hold.id]]

    async def _fits(self, connection: Any, hold: Hold, places: list[str]) -> bool:
        """`places` are the segment itself, and where its calls may have ended."""
        if hold.call_id:
            return await store.has_call(connection, places[0], hold.call_id)
        for place in places:
            if await self._has_row(connection, hold, place):
                return True
        return False

    async def _has_row(self, connection: Any, hold: Hold, segment: str) -> bool:
        kept = await archive_store.archived_one(connection, segment)
        if kept is None or kept.state in ("sealed", "restored"):
            return await store.has_row(connection, segment, hold.wanted)
        if kept.state == "disposed":
            return False
        found = await self._cold.rows(segment, hold.wanted, before=_BEYOND, after=-1, limit=1, newest_first=False)
        return bool(found)


def _not_released(hold: Hold) -> Refusal:
    if hold.released_at is not None:
        return Refusal(codes.NOT_IN_THIS_STATE, "it was released", state="released", possible=[])
    return Refusal(codes.FOUR_EYES, "whoever placed a hold does not release it")
