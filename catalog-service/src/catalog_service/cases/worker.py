"""What nobody decides: an application ends when its grant is live at every gateway; grants that end soon are told of;
a day that somebody set passes.

Each case is taken in a transaction of its own that holds its row, so that several workers share them without meeting.
"""

from datetime import datetime

import msgspec
import structlog

from catalog_service.cases import store
from catalog_service.cases.flows import Desk, fire
from catalog_service.cases.model import Evidence
from catalog_service.feed import store as feed
from catalog_service.feed.flows import Change, Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.grants.store import take_ending_grants
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from statute.calendar import SHANGHAI
from wire import scopes
from wire.catalog import Grant

log = structlog.get_logger()
WORKER = Actor("case-worker", PLATFORM)
PASSING = {("rectification", "notice_served"): "mark_overdue", ("contract", "active"): "end_contract"}
"""Clock that runs to a day that somebody set, and the state in which its end counts -> what happens then."""
MOST_AT_ONCE = 200
DAYS_BEFORE = (1, 7, 30)
"""When a grant's end is told of, if no profile says otherwise (A.3 share.grant_term_months)."""


class Worker:
    """Looks after what waits for machines."""

    def __init__(self, journal: Journal, desk: Desk) -> None:
        self._journal = journal
        self._desk = desk

    async def tick(self) -> int:
        """How many applications came to their end. One that cannot be looked at holds up no other."""
        async with self._journal.database.connect() as tx:
            waiting = await store.waiting_for_gateways(tx, MOST_AT_ONCE)
            slowest = await feed.slowest(tx)
        ended = 0
        for case_id, entry in waiting:
            try:
                grant = msgspec.json.decode(entry, type=Grant)
                gone = grant.state.standing == "revoked"
                if gone or (slowest is not None and grant.revision <= slowest):
                    ended += await self._end(case_id, "lapse" if gone else "live", grant.revision)
            except Exception:
                log.exception("case.stuck", case=case_id)
        return ended

    async def _end(self, case_id: str, event: str, revision: int) -> bool:
        """Source: 国务院令第809号 22: what was agreed is provided; the gateways say so by what they ask for next."""
        async with self._journal.change(WORKER) as change:
            case = await store.hold_free_case(change.tx, case_id, store.PROVISIONING)
            if case is None:
                return False
            await fire(change, self._desk, case, event, Evidence(note=f"revision {revision}"))
            return True

    async def pass_days(self) -> int:
        """How many cases went on because their day is over: 逾期未整改 (景德镇 21), 协议终止 (云南 45)."""
        passed = 0
        for (key, state), event in PASSING.items():
            async with self._journal.database.connect() as tx:
                overdue = await store.ids_overdue(tx, key, state, MOST_AT_ONCE)
            for case_id in overdue:
                try:
                    passed += await self._pass(case_id, state, event)
                except Exception:
                    log.exception("case.stuck", case=case_id)
        return passed

    async def _pass(self, case_id: str, state: str, event: str) -> bool:
        async with self._journal.change(WORKER) as change:
            case = await store.hold_free_case(change.tx, case_id, state)
            if case is not None:
                await fire(change, self._desk, case, event, Evidence(reason="期限届满"))
            return case is not None

    async def remind(self) -> int:
        """How many grants were told of, each once for each mark, the nearest mark alone where several have come."""
        told = 0
        async with self._journal.change(WORKER) as change:
            for days in await self._marks(change):
                for grant in await take_ending_grants(change.tx, int(change.at.timestamp()), days, MOST_AT_ONCE):
                    await self._tell(change, grant, days)
                    told += 1
        return told

    async def _marks(self, change: Change) -> list[int]:
        law = await self._desk.lawbook.law(change.tx, government=True)
        days = law.value("share.grant_term_months.remind_days_before").value
        return sorted(days if isinstance(days, list) else DAYS_BEFORE)

    async def _tell(self, change: Change, grant: Grant, days: int) -> None:
        facts = {
            "grant": grant.id, "system": grant.system, "interface": grant.interface, "days": str(days),
            "ends": datetime.fromtimestamp(grant.not_after, SHANGHAI).strftime("%Y-%m-%d %H:%M"),
        }  # fmt: skip
        to, about = [Address(grant.department, scopes.OFFICER)], Subject("grant", grant.id)
        key = f"grant/{grant.id}/{grant.not_after}/{days}"
        await notify(change, to=to, word="grant.ending", about=about, facts=facts, key=key)
