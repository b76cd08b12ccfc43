"""Clocks on a real database, with a time that the test sets."""

import asyncio
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.exc import IntegrityError

from catalog_service.clocks import flows, store
from catalog_service.clocks.model import Clock, Subject
from harness.law import AUTHORITY, CASE, REPLY, Bench, shanghai
from runtime.errors import INVALID_REQUEST, Refusal
from statute.calendar import Year
from statute.model import Clock as Limit
from wire import codes

pytestmark = pytest.mark.anyio
OTHER = Subject("case", "01b")


async def extend(bench: Bench, days: int, reason: str = "量大", key: str = REPLY) -> Clock:
    async with bench.change() as change:
        return await flows.extend_clock(change, bench.lawbook, CASE, key, days, reason)


async def stop(bench: Bench, *keys: str) -> list[Clock]:
    async with bench.change() as change:
        return await flows.stop_clocks(change, CASE, keys)


async def told(bench: Bench, word: str = "") -> list[tuple[str, str, str]]:
    """(word, department, office) of every notice."""
    return [(n["word"], n["to"]["department"], n["to"]["office"]) for n in await bench.notices(word)]


# --- starting and stopping --------------------------------------------------------------------------------------------
@pytest.mark.requirement("CLK-01")
async def test_a_clock_keeps_the_law_it_runs_by(bench: Bench) -> None:
    clock = await bench.start()
    assert clock is not None
    assert (clock.profile, len(clock.profile_version), clock.region) == ("national", 12, "CN")
    assert (clock.base, clock.total, clock.unit, clock.source) == (10, 20, "WD", "local")
    assert clock.cite == "政务数据共享条例 art.21 para 1"
    assert (str(clock.due), clock.due_at) == ("2026-03-05", shanghai("2026-03-06 00:00"))
    assert await bench.clocks() == [clock]


@pytest.mark.requirement("CLK-01")
async def test_where_the_law_is_silent_only_a_date_starts_a_clock(bench: Bench) -> None:
    assert await bench.start("rectification") is None
    assert await bench.clocks() == []
    clock = await bench.start("rectification", until=date(2026, 3, 11))
    assert clock is not None
    assert (clock.source, clock.cite, str(clock.due), clock.total) == ("set", "", "2026-03-11", 0)


@pytest.mark.requirement("CLK-01")
async def test_a_limit_that_a_profile_gives_as_a_plain_value_is_kept_like_one_of_the_law(bench: Bench) -> None:
    limit = Limit("complaint.accept", 5, 5, "WD", "platform", "", "", "", "must", "", (), reason=False)
    async with bench.change() as change:
        law = await bench.lawbook.law(change.tx, government=True)
        clock = await flows.start_clock(
            change, bench.lawbook, law, "complaint.accept", CASE, responsible="rsj", limit=limit
        )
    assert clock is not None
    assert (clock.key, clock.source, clock.base, str(clock.due)) == ("complaint.accept", "platform", 5, "2026-02-27")


@pytest.mark.requirement("CLK-02")
async def test_a_limit_that_runs_goes_on_and_a_date_set_anew_replaces_the_one_before(bench: Bench) -> None:
    first = await bench.start()
    bench.clock.set("2026-02-14 10:00")
    assert await bench.start() == first
    dated = await bench.start("rectification", until=date(2026, 3, 11))
    again = await bench.start("rectification", until=date(2026, 3, 20))
    assert dated is not None
    assert again is not None
    states = {clock.id: clock.state for clock in await bench.clocks()}
    assert (states[dated.id], states[again.id]) == ("cancelled", "running")


@pytest.mark.requirement("CLK-02")
async def test_stopping_ends_the_named_clocks_of_this_subject_alone(bench: Bench) -> None:
    for key in (REPLY, "share.conditional.provide"):
        await bench.start(key)
    await bench.start(subject=OTHER)
    bench.clock.set("2026-03-02 10:00")
    [ended] = await stop(bench, REPLY)
    assert (ended.key, ended.state, ended.ended_at) == (REPLY, "met", shanghai("2026-03-02 10:00"))
    assert await stop(bench, REPLY) == []
    assert [clock.key for clock in await stop(bench)] == ["share.conditional.provide"]
    assert [clock.state for clock in await bench.clocks(OTHER)] == ["running"]
    assert await bench.at("2026-12-01 10:00") == 1  # the other one; nobody looks at what has ended


@pytest.mark.requirement("CLK-02")
async def test_no_clock_runs_on_what_is_closed(bench: Bench) -> None:
    await bench.start()
    await bench.start("rectification", until=date(2026, 2, 20))
    await bench.at("2026-02-24 10:00")
    async with bench.change() as change:
        await flows.cancel_clocks(change, CASE)
    assert [clock.state for clock in await bench.clocks()] == ["cancelled", "cancelled"]
    assert await bench.at("2026-12-01 10:00") == 0


async def test_the_database_holds_no_clock_twice_and_none_that_ended_and_is_looked_at(bench: Bench) -> None:
    clock = await bench.start()
    assert clock is not None
    another = replace(clock, id="another")
    met = replace(clock, state="met", ended_at=bench.clock.at)
    for wrong in (another, met):
        async with bench.database.connect() as tx:
            with pytest.raises(IntegrityError):
                await store.keep_clock(tx, wrong, bench.clock.at)


# --- extending --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CLK-06")
@pytest.mark.requirement("B-16")
async def test_a_clock_is_extended_up_to_the_total_of_the_law_and_no_further(bench: Bench) -> None:
    await bench.start()
    assert [(await extend(bench, days)).extended_by for days in (4, 6)] == [4, 10]
    [clock] = await bench.clocks()
    assert (clock.state, str(clock.due), clock.approve_by) == ("extended", "2026-03-19", "same_level_authority")
    with pytest.raises(Refusal) as refused:
        await extend(bench, 1)
    assert refused.value.code is codes.NOT_EXTENDABLE
    assert (refused.value.facts["longest"], refused.value.facts["article"]) == (20, clock.cite)
    assert await told(bench) == [("clock.extended", "zjj", "office:officer")] * 2
    assert [event.facts["reason"] for event in await bench.told("clock.extended")] == ["量大", "量大"]


@pytest.mark.requirement("CLK-06")
@pytest.mark.parametrize(
    ("key", "days", "reason", "code"),
    [
        (REPLY, 11, "量大", codes.NOT_EXTENDABLE),
        (REPLY, 0, "量大", INVALID_REQUEST),
        (REPLY, -3, "量大", INVALID_REQUEST),
        (REPLY, 1, "  ", INVALID_REQUEST),
        ("share.conditional.provide", 1, "量大", codes.NOT_EXTENDABLE),
        ("share.unconditional.reply", 1, "量大", codes.NO_CLOCK),
    ],
)
async def test_an_extension_that_the_law_does_not_know(
    bench: Bench, key: str, days: int, reason: str, code: Any
) -> None:
    await bench.start(REPLY)
    await bench.start("share.conditional.provide")
    before = await bench.clocks()
    with pytest.raises(Refusal) as refused:
        await extend(bench, days, reason, key)
    assert refused.value.code is code
    assert await bench.clocks() == before


@pytest.mark.requirement("CLK-06")
async def test_what_is_overdue_or_done_is_not_extended(bench: Bench) -> None:
    await bench.start()
    await bench.at("2026-03-06 10:00")
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            await extend(bench, 1)
        assert refused.value.code is codes.NO_CLOCK
        await stop(bench)


# --- the worker -------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CLK-03")
@pytest.mark.requirement("B-16")
async def test_each_mark_is_told_once_however_often_somebody_looks(bench: Bench) -> None:
    await bench.start()
    assert await bench.at("2026-02-27 23:59") == 0
    for _ in range(3):
        await bench.at("2026-02-28 00:00")
    assert await told(bench) == [("clock.warning", "rsj", "office:officer")]
    for _ in range(3):
        await bench.at("2026-03-04 00:00")
    assert [n["facts"]["stage"] for n in await bench.notices()] == ["50%", "80%"]
    assert await bench.told("clock.overdue") == []


@pytest.mark.requirement("CLK-04")
@pytest.mark.requirement("YN-03-07", "B-16")
async def test_an_end_that_has_passed_reaches_officer_head_authority_and_whoever_waits(bench: Bench) -> None:
    await bench.start()
    await bench.at("2026-03-06 00:00")
    [clock] = await bench.clocks()
    assert (clock.state, clock.violation, clock.told) == ("overdue", True, 1)
    everybody = {("rsj", "office:officer"), ("rsj", "office:head"), ("", "office:authority"), ("zjj", "office:officer")}
    assert {(department, office) for _, department, office in await told(bench, "clock.overdue")} == everybody
    [event] = await bench.told("clock.overdue")
    assert (event.facts["due"], event.facts["responsible"], event.facts["cite"]) == ("2026-03-05", "rsj", clock.cite)
    await bench.at("2026-03-14 00:00")
    assert len(await told(bench, "clock.overdue")) == 8
    [ended] = await stop(bench)
    assert (ended.state, ended.violation) == ("met_late", True)


@pytest.mark.requirement("CLK-05")
@pytest.mark.requirement("JDZ-10-2")
async def test_a_limit_in_principle_is_told_and_never_marked(bench: Bench) -> None:
    async with bench.change(AUTHORITY) as change:
        await bench.activate(change, "jingdezhen")
    await bench.start()
    await bench.at("2026-02-16 00:00")
    [clock] = await bench.clocks()
    assert (clock.binding, clock.base, clock.state, clock.violation) == ("in_principle", 1, "running", False)
    await bench.at("2026-02-28 00:00")
    assert len(await bench.told("clock.overdue")) == 0
    assert {word for word, _, _ in await told(bench)} == {"clock.passed"}
    [ended] = await stop(bench)
    assert (ended.state, ended.violation) == ("met_late", False)


@pytest.mark.requirement("CLK-03")
async def test_many_workers_at_once_tell_everything_once(bench: Bench) -> None:
    subjects = [Subject("case", f"{n:03}") for n in range(40)]
    for subject in subjects:
        await bench.start(subject=subject)
    bench.clock.set("2026-02-28 10:00")
    seen = await asyncio.gather(*[bench.worker().tick() for _ in range(4)])
    assert sum(seen) == len(subjects)
    assert sum(bool(n) for n in seen) > 1  # or nothing was shared
    assert sorted(n["about"]["id"] for n in await bench.notices()) == [subject.id for subject in subjects]


@pytest.mark.requirement("CLK-03")
async def test_a_worker_that_dies_in_between_has_told_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dies after the notice is written and before the clock is: both are gone, and the next worker does both."""
    await bench.start()
    bench.clock.set("2026-03-06 10:00")

    async def die(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("catalog_service.clocks.worker.store.keep_clock", die)
        with pytest.raises(asyncio.CancelledError):
            await bench.worker().tick()
    assert (await bench.notices(), await bench.told("clock.overdue")) == ([], [])
    assert [await bench.worker().tick() for _ in range(2)] == [1, 0]
    assert len(await bench.told("clock.overdue")) == 1


@pytest.mark.requirement("CLK-03")
async def test_a_clock_that_another_worker_holds_is_left_to_it(bench: Bench) -> None:
    await bench.start()
    await bench.start(subject=OTHER)
    bench.clock.set("2026-02-28 10:00")
    async with bench.change() as held:
        mine = await store.next_due(held.tx, held.at)
        assert mine is not None
        assert await bench.worker().tick() == 1
        assert [n["about"]["id"] for n in await bench.notices()] == [({"01a", "01b"} - {mine.subject.id}).pop()]
    assert await bench.worker().tick() == 1


@pytest.mark.requirement("CLK-08")
async def test_a_clock_that_cannot_be_looked_at_holds_up_no_other(bench: Bench) -> None:
    for subject in (CASE, OTHER):
        await bench.start(subject=subject)
    await bench.spoil(CASE)
    await bench.at("2026-02-28 10:00")
    assert [n["about"]["id"] for n in await bench.notices()] == ["01b"]
    assert await bench.at("2026-02-28 10:09") == 0
    await bench.at("2026-02-28 10:10")  # looked at again, and set aside again
    rows = await bench.rows("SELECT next_look_at FROM catalog.clock WHERE subject_id = '01a'")
    assert rows[0].next_look_at == shanghai("2026-02-28 10:20")


# --- a new year of the calendar ---------------------------------------------------------------------------------------
async def adopt(bench: Bench, *off: str, worked: tuple[str, ...] = (), year: int = 2026) -> flows.Adopted:
    async with bench.change(AUTHORITY) as change:
        calendar = await bench.lawbook.calendar(change.tx)
        before = calendar.years.get(year) or Year(year, announced=True, notice="", off=frozenset(), worked=frozenset())
        stated = Year(
            year, announced=True, notice="", off=before.off | set(map(date.fromisoformat, off)),
            worked=before.worked | set(map(date.fromisoformat, worked)),
        )  # fmt: skip
        return await flows.adopt_year(change, bench.lawbook, "CN", stated)


@pytest.mark.requirement("CLK-07")
@pytest.mark.requirement("B-16")
async def test_an_imported_year_moves_every_clock_that_runs_and_says_so(bench: Bench) -> None:
    bench.clock.set("2026-12-25 10:00")
    await bench.start()
    await bench.start(subject=OTHER)
    async with bench.change() as change:
        await flows.stop_clocks(change, OTHER)
    [before] = await bench.clocks()
    assert before.provisional
    adopted = await adopt(bench, "2027-01-01", "2027-01-04", "2027-01-05", year=2027)
    [after] = await bench.clocks()
    assert adopted.moved == [after]
    assert (after.calendar, after.provisional, after.due > before.due) == (adopted.version, False, True)
    assert [clock.calendar for clock in await bench.clocks(OTHER)] == [before.calendar]
    [event] = await bench.told("clock.recomputed")
    assert (event.facts["before"], event.facts["due"]) == (before.shown, after.shown)
    desks = [("clock.recomputed", department, "office:officer") for department in ("rsj", "zjj")]
    assert sorted(await told(bench, "clock.recomputed")) == desks
    rows = await bench.rows("SELECT due_at, next_look_at FROM catalog.clock WHERE subject_id = '01a'")
    assert rows[0].due_at == after.due_at
    assert before.started_at < rows[0].next_look_at < after.due_at


@pytest.mark.requirement("CLK-07")
async def test_an_end_that_comes_earlier_is_not_held_against_anybody(bench: Bench) -> None:
    await bench.start()
    await adopt(bench, worked=("2026-03-01",))
    [clock] = await bench.clocks()
    assert (str(clock.due), clock.latest_due_at) == ("2026-03-04", shanghai("2026-03-06 00:00"))
    await bench.at("2026-03-05 10:00")
    assert [clock.state for clock in await bench.clocks()] == ["running"]
    [event] = await bench.told("clock.recomputed")
    assert (event.facts["before"], event.facts["due"], event.facts["latest"]) == (
        "2026-03-05",
        "2026-03-04",
        "2026-03-05",
    )
    await bench.at("2026-03-06 00:00")
    assert [clock.state for clock in await bench.clocks()] == ["overdue"]


@pytest.mark.requirement("CLK-07")
async def test_reminders_of_what_stays_overdue_come_when_they_were_to_come(bench: Bench) -> None:
    await bench.start()
    await bench.at("2026-03-06 00:00")
    await adopt(bench, worked=("2026-03-01",))
    assert await bench.at("2026-03-06 10:00") == 0
    assert await bench.at("2026-03-14 00:00") == 1
    assert [clock.told for clock in await bench.clocks()] == [2]


@pytest.mark.requirement("CLK-07")
async def test_the_same_year_again_moves_nothing(bench: Bench) -> None:
    await bench.start()
    version = (await adopt(bench, "2026-03-02")).version
    again = await adopt(bench)
    assert (again.version, again.moved) == (version, [])
    assert len(await bench.told("clock.recomputed")) == 1


@pytest.mark.requirement("CLK-07")
async def test_no_clock_starts_by_a_calendar_that_is_being_replaced(bench: Bench) -> None:
    """An import waits for transactions that have touched clocks, and they for it: none keeps an end of the old year."""
    bench.clock.set("2026-02-24 10:00")
    async with bench.change() as change:
        law = await bench.lawbook.law(change.tx, government=True)
        started = await flows.start_clock(change, bench.lawbook, law, REPLY, CASE, responsible="rsj")
        importing = asyncio.create_task(adopt(bench, "2026-03-02"))
        await bench.until_somebody_waits()
    assert started is not None
    assert (await importing).moved[0].id == started.id
    [clock] = await bench.clocks()
    assert clock.due > started.due


@pytest.mark.requirement("CLK-07")
async def test_flows_and_imports_never_wait_for_each_other_for_ever(bench: Bench) -> None:
    """Each flow touches clocks of two subjects, in either order; each import touches them all."""

    async def busy(n: int) -> None:
        for mine, next_one in ((n, n + 1), (n + 1, n)):
            async with bench.change() as change:
                law = await bench.lawbook.law(change.tx, government=True)
                await change.lock(f"flow {min(mine, next_one)}")
                for case in (mine, next_one):
                    subject = Subject("case", f"{n} {case}")
                    await flows.start_clock(change, bench.lawbook, law, REPLY, subject, responsible="rsj")

    imports = [adopt(bench, f"2026-03-{day:02}") for day in (2, 3, 4)]
    await asyncio.gather(*[busy(n) for n in range(6)], *imports)
    [newest] = await bench.rows("SELECT version FROM catalog.calendar ORDER BY n DESC LIMIT 1")
    clocks = await bench.clocks(*[Subject("case", f"{n} {case}") for n in range(6) for case in (n, n + 1)])
    assert len(clocks) == 12
    assert {clock.calendar for clock in clocks} == {newest.version}
