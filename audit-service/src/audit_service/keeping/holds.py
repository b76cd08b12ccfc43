"""Legal holds: what must not be disposed of, whatever its age, until another person says that it may.

A hold keeps every segment (a day and class, the unit in which anything is ever deleted) that has a record it fits,
and the day before as well: a call that ended after midnight began there.
"""

from datetime import timedelta
from typing import Any

from audit_service import store as log_store
from audit_service.archive import store as archive_store
from audit_service.archive.cold import Cold
from audit_service.keeping import store
from audit_service.keeping.events import told
from audit_service.keeping.periods import parts_of
from audit_service.keeping.store import Hold
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from wire import codes
from wire.tokens import AccessToken

_BEYOND = 2**63 - 1


class Holds:
    """Placing, releasing, and judging what is held. Without an archive `cold` is None."""

    def __init__(
        self, database: log_store.Database, writer: Writer, cold: Cold | None, clock: Clock | None = None
    ) -> None:
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
            done = await store.release(tx, number, token.client, token.department, now)
            hold = await store.hold(tx, number)
            if hold is None:
                raise Refusal(codes.NOT_FOUND, f"no hold {number}")
            if not done:
                raise _not_released(hold)
            await self._writer.write([told("hold.released", now, token, {"hold": number, "reason": reason})])
        return hold

    async def judge(self, connection: Any, segment: str) -> list[str]:
        """The holds that keep a closed segment. Raises Refusal(ARCHIVE_AWAY) when that cannot be found out."""
        known = await store.judged(connection, segment)
        held: list[str] = []
        for hold in await store.holds(connection, standing=True):
            if hold.id not in known:
                known[hold.id] = await self._fits(connection, hold, segment)
                await store.add_judgement(connection, hold.id, segment, known[hold.id])
            if known[hold.id]:
                held.append(hold.id)
        return held

    async def _fits(self, connection: Any, hold: Hold, segment: str) -> bool:
        if hold.call_id:
            return await store.has_call(connection, segment, hold.call_id)
        day, retention = parts_of(segment)
        following = f"{day + timedelta(days=1):%Y%m%d}-{retention}"
        return await self._has_row(connection, hold, segment) or await self._has_row(connection, hold, following)

    async def _has_row(self, connection: Any, hold: Hold, segment: str) -> bool:
        kept = await archive_store.archived_one(connection, segment)
        if kept is None or kept.state in ("sealed", "restored"):
            return await store.has_row(connection, segment, hold.wanted)
        if kept.state == "disposed":
            return False
        if self._cold is None:
            raise Refusal(codes.ARCHIVE_AWAY, "there is no archive to look into")
        found = await self._cold.rows(segment, hold.wanted, before=_BEYOND, after=-1, limit=1, newest_first=False)
        return bool(found)


def _not_released(hold: Hold) -> Refusal:
    if hold.released_at is not None:
        return Refusal(codes.NOT_IN_THIS_STATE, "it was released", state="released", possible=[])
    return Refusal(codes.FOUR_EYES, "whoever placed a hold does not release it")
