"""Seven months of a log, day by day by an injected clock, through ingest, sequencer, indexer, archive and disposal.

The clock ends at the present: the database compares with its own, which nobody can set.
"""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from audit_service import store
from audit_service.archive import store as archive_sql
from audit_service.archive.periods import parts_of, plus_months
from audit_service.records import Records
from audit_service.search.finder import Finder
from audit_service.summary import Filter
from harness.audit_archive import Keeping, days_ago, folder_store
from harness.audit_doors import opened, token
from harness.audit_log import Log
from harness.postgres import Database
from runtime.errors import Refusal
from runtime.http import AsyncClient, Response
from tlog import receipt
from wire import codes, scopes
from wire.tokens import AccessToken

pytestmark = pytest.mark.anyio
DAYS = 216
ROLES = (store.INGEST, store.SEQUENCER, store.READER, store.KEEPER, store.INDEXER, store.ARCHIVIST, store.CLERK)
AUDITOR = AccessToken("auditor", "审计局", frozenset({scopes.AUDIT_READ}), 2**40, "t-1")


@pytest.fixture
async def keeping(log: Log, tmp_path: Path) -> Keeping:
    return Keeping(log, days_ago(DAYS), folder_store(tmp_path))


@pytest.fixture
async def client(keeping: Keeping) -> AsyncIterator[AsyncClient]:
    async with opened(keeping.router) as doors:
        yield doors.client


class People:
    """Who keeps the log."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def post(self, who: str, path: str, body: dict[str, str] | None = None) -> Response:
        headers = {"Authorization": f"Bearer {token('数据局', scopes.AUDIT_KEEP, client=who)}"}
        return await self._client.post(path, headers=headers, json=body)

    async def propose(self, retention: str, before: date) -> Response:
        body = {"retention": retention, "before": before.isoformat(), "reason": "保存期限届满"}
        return await self.post("ana", "/disposals", body)


async def seven_months(keeping: Keeping) -> dict[str, list[str]]:
    """The calls of each segment."""
    calls: dict[str, list[str]] = {}
    for day in range(DAYS):
        for retention, every in (("general", 4), ("personal", 8)):
            if day % every == 0:
                calls[f"{keeping.today}-{retention}"] = await keeping.calls(1, retention, case=f"办件-{day}")
        await keeping.settle()
        if day % 8 == 5:  # the jobs are late at times, too
            await keeping.archive.tick()
            await keeping.disposing.tick()
        keeping.pass_days(1)
    await keeping.settle()
    await keeping.tick()
    return calls


@pytest.mark.requirement("KEP-09")
@pytest.mark.requirement("KEP-04")
@pytest.mark.requirement("KEP-06")
@pytest.mark.requirement("KEP-07")
async def test_seven_months(keeping: Keeping, client: AsyncClient, database: Database) -> None:
    calls, people = await seven_months(keeping), People(client)
    today = keeping.clock.at.date()
    due = [segment for segment in sorted(calls) if keeping.periods.is_due(segment, today)]
    assert 5 < len(due) < 12
    assert {segment[9:] for segment in due} == {"general"}
    assert {(await keeping.states())[segment] for segment in due} == {"archived"}
    old_receipts = [await proved(keeping, calls[segment][0]) for segment in due]

    await refuse_what_is_kept(keeping, people, database, [segment for segment in calls if segment not in due])
    proposed = await people.propose("general", parts_of(due[-1])[0] + timedelta(days=1))
    assert [one["segment"] for one in proposed.json()["segments"]] == due
    approve = f"/disposals/{proposed.json()['id']}/approve"
    assert [(await people.post(who, approve)).status_code for who in ("ana", "bo")] == [403, 200]
    await keeping.carry_out()

    gone = {segment for segment, state in (await keeping.states()).items() if state == "disposed"}
    assert gone == set(due)
    for segment in due:
        with pytest.raises(Refusal) as refused:
            await records(keeping).receipt(calls[segment][0], AUDITOR)
        assert refused.value.code is codes.DISPOSED
    for told in old_receipts:
        assert receipt.verify(receipt.parse(told), keeping.log.signer.vkey)
    await expect_all_there(keeping, {segment: made for segment, made in calls.items() if segment not in gone}, today)


def records(keeping: Keeping) -> Records:
    return Records(keeping.log.database, keeping.writer, cold=keeping.cold)


async def proved(keeping: Keeping, call: str) -> bytes:
    """The receipt of a call, once it verifies offline."""
    found = await records(keeping).receipt(call, AUDITOR)
    assert found is not None
    file = msgspec.json.encode(found.body)
    leaves = receipt.verify(receipt.parse(file), keeping.log.signer.vkey)
    assert [(leaf["call"], leaf["phase"]) for leaf in leaves] == [(call, "intent"), (call, "outcome")]
    return file


async def refuse_what_is_kept(keeping: Keeping, people: People, database: Database, kept: list[str]) -> None:
    """At the doors, and as each of the service's roles in the database itself."""
    for retention in ("general", "personal"):
        oldest = min(parts_of(segment)[0] for segment in kept if segment.endswith(retention))
        answer = await people.propose(retention, oldest + timedelta(days=1))
        assert (answer.status_code, answer.json()["code"]) == (409, codes.TOO_EARLY.name)
    tomorrow = keeping.clock.at.date() + timedelta(days=1)  # the database's clock is as far as that
    kept = [segment for segment in kept if not keeping.periods.is_due(segment, tomorrow)]
    for role in ROLES:
        connection = await asyncpg.connect(database.url_of("audit"), server_settings={"role": role})
        for segment in kept if role == store.ARCHIVIST else kept[:1]:
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RaiseError)) as refused:
                await connection.execute("SELECT audit.dispose_segment($1, gen_random_uuid())", segment)
            assert "has to be kept" in str(refused.value) or role != store.ARCHIVIST
        await connection.close()


async def expect_all_there(keeping: Keeping, calls: dict[str, list[str]], today: date) -> None:
    """Found, proved and, one of them, restored; and the whole log is what it was."""
    finder = Finder(keeping.log.database, keeping.cold)
    six_months_ago = plus_months(today, -6)
    old = [segment for segment in sorted(calls) if parts_of(segment)[0] < six_months_ago]
    assert "personal" in {segment[9:] for segment in old}
    for segment in [*old, *sorted(calls)[len(old) :: 6]]:
        [call] = calls[segment]
        page = await finder.page(Filter(call_id=call), "", 10, AUDITOR)
        assert [(row.call_id, row.segment) for row in page.rows] == [(call, segment)]
        await proved(keeping, call)
    await archive_sql.ask_restore(keeping.log.database.clerk, old[0], keeping.clock.at)
    await keeping.settle()
    await keeping.tick()
    assert (await keeping.states())[old[0]] == "restored"
    assert old[0] in await keeping.hot()
    await proved(keeping, calls[old[0]][0])
    assert await keeping.log.check() == []
