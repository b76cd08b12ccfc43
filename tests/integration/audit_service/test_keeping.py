"""Nothing is deleted before its time, by one person alone, or while somebody needs it; and the rest stays provable."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest

from audit_service.archive import store as archive_sql
from audit_service.keeping import store as sql
from audit_service.keeping.disposing import encoded
from harness.audit_archive import Keeping
from harness.audit_log import ids
from harness.audit_office import REASON, Office, files, old_days, told
from runtime.errors import Refusal
from wire import codes, scopes

pytestmark = pytest.mark.anyio


# --- two people -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("KEP-06")
@pytest.mark.requirement("B-15-r")
async def test_what_two_people_gave_up_is_gone_and_the_rest_verifies(keeping: Keeping, office: Office) -> None:
    segment, day, _ = await old_days(keeping)
    figures = await sql.figures(keeping.log.database.reader, segment)
    kept = (await archive_sql.archived(keeping.log.database.reader))[segment]
    number = await office.decided(day)
    await keeping.carry_out()
    assert (await office.ask("ana", "GET", f"/disposals/{number}")).json()["state"] == "executed"
    assert (await keeping.states())[segment] == "disposed"
    assert await files(keeping, segment) == []
    [told] = await keeping.said("disposal.executed")
    assert told["facts"] == {
        "disposal": number, "segment": segment, "first": str(kept.first_index), "last": str(kept.last_index),
        "count": str(kept.count), "figures": hashlib.sha256(encoded(figures)).hexdigest(),
        "root": told["facts"]["root"],
        "proposed_by": "ana", "approved_by": "bo", "before": day, "reason": REASON, "case": "",
    }  # fmt: skip
    assert await sql.figures(keeping.log.database.reader, segment) == figures
    assert await keeping.log.check() == []
    with pytest.raises(Refusal) as refused:
        await keeping.cold.leaves(segment, [kept.first_index])
    gone = (await archive_sql.archived(keeping.log.database.reader))[segment]
    assert refused.value.code is codes.DISPOSED
    assert (refused.value.facts["by"], refused.value.facts["leaf"]) == ("ana, bo", gone.disposal_leaf)


@pytest.mark.requirement("KEP-06")
async def test_the_second_person_is_another_one(keeping: Keeping, office: Office) -> None:
    _, day, _ = await old_days(keeping)
    number = (await office.propose("ana", day)).json()["id"]
    own = await office.ask("ana", "POST", f"/disposals/{number}/approve")
    assert (own.status_code, own.json()["code"]) == (403, codes.FOUR_EYES.name)
    await keeping.carry_out()
    assert await keeping.said("disposal.executed") == []
    async with keeping.log.database.clerk.acquire() as connection:
        assert not await sql.decide(connection, number, "approved", "ana", "")


@pytest.mark.requirement("KEP-06")
async def test_of_two_who_decide_at_once_one_is_first(keeping: Keeping, office: Office) -> None:
    _, day, _ = await old_days(keeping)
    number = (await office.propose("ana", day)).json()["id"]
    answers = await asyncio.gather(*(office.ask(f"p-{n}", "POST", f"/disposals/{number}/approve") for n in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    await keeping.settle()
    assert len(await keeping.said("disposal.approved")) == 1


async def test_a_disposal_that_is_rejected_stays_so_and_its_days_can_be_proposed_again(
    keeping: Keeping, office: Office
) -> None:
    segment, day, _ = await old_days(keeping)
    number = (await office.propose("ana", day)).json()["id"]
    assert (await office.propose("cy", day)).status_code == 404
    rejected = await office.ask("ana", "POST", f"/disposals/{number}/reject", {"reason": "错了"})
    assert rejected.json()["state"] == "rejected"
    assert (await office.ask("bo", "POST", f"/disposals/{number}/approve")).status_code == 409
    again = await office.propose("cy", day)
    assert [due["segment"] for due in again.json()["segments"]] == [segment]


@pytest.mark.requirement("KEP-06")
async def test_what_never_got_into_the_archive_is_disposed_of_too(keeping: Keeping, office: Office) -> None:
    segment, day, _ = await old_days(keeping, archived=False)
    await office.decided(day)
    await keeping.carry_out()
    assert (await keeping.states())[segment] == "disposed"
    assert segment not in await keeping.hot()
    assert await keeping.log.check() == []


# --- not yet --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("KEP-07")
async def test_what_still_has_to_be_kept_cannot_be_proposed(keeping: Keeping, office: Office) -> None:
    await old_days(keeping)
    for retention, days in (("general", 180), ("general", 0), ("general", -1), ("personal", 1080)):
        before = (keeping.clock.at - timedelta(days=days)).date().isoformat()
        answer = await office.propose("ana", before, retention)
        assert (answer.status_code, answer.json()["code"]) == (409, codes.TOO_EARLY.name), (retention, days)


# --- holds ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("KEP-08")
@pytest.mark.parametrize("archived", [True, False])
async def test_a_hold_keeps_what_it_fits_until_another_person_releases_it(
    keeping: Keeping, office: Office, archived: bool
) -> None:
    began = keeping.clock.at
    keeping.pass_days(1)
    await keeping.calls(1, "general", case="跨夜")
    await keeping.settle()
    keeping.pass_days(-1)
    segment, day, calls = await old_days(keeping, archived=archived)
    fitting: list[dict[str, Any]] = [
        {"party": "民政局"}, {"case": "办件-旧"}, {"call": calls[1]}, {"case": "跨夜"}, {"system": "mzj-relief"},
        {"interface": "gaj-identity-verify", "grant": "g-1"},
        {"since": began.isoformat(), "before": (began + timedelta(hours=1)).isoformat()},
    ]  # fmt: skip
    others = [{"party": "税务局"}, {"case": "办件-新"}, {"since": (began + timedelta(days=50)).isoformat()}]
    placed = [await office.ask("cy", "POST", "/holds", {**one, "reason": "诉讼"}) for one in [*fitting, *others]]
    standing = {answer.json()["id"] for answer in placed[: len(fitting)]}
    number = await office.decided(day)
    await keeping.settle()
    while standing:
        await keeping.disposing.tick()
        [due] = (await office.ask("ana", "GET", f"/disposals/{number}")).json()["segments"]
        assert set(due["trouble"].removeprefix("held by ").split(", ")) == standing
        release = f"/holds/{standing.pop()}/release"
        assert (await office.ask("cy", "POST", release, {"reason": "结案"})).status_code == 403
        assert (await office.ask("di", "POST", release, {"reason": "结案"})).json()["state"] == "released"
        assert (await office.ask("di", "POST", release, {"reason": "结案"})).status_code == 409
    await keeping.settle()
    assert await keeping.said("disposal.executed") == []
    await keeping.carry_out()
    assert (await keeping.states())[segment] == "disposed"


@pytest.mark.requirement("KEP-08")
async def test_a_hold_placed_after_the_leaf_was_written_still_holds(keeping: Keeping, office: Office) -> None:
    segment, day, _ = await old_days(keeping)
    await told(keeping, office, day)
    await office.ask("cy", "POST", "/holds", {"party": "公安局", "reason": "诉讼"})
    await keeping.carry_out()
    assert (await keeping.states())[segment] == "archived"
    assert [hold["facts"]["party"] for hold in await keeping.said("hold.placed")] == ["公安局"]


@pytest.mark.requirement("KEP-08")
async def test_what_a_hold_stops_after_its_leaf_is_told_once_and_goes_on_months_later(
    keeping: Keeping, office: Office
) -> None:
    """Also when that leaf has gone to the archive meanwhile."""
    keeping.pass_days(-100)
    segment, day, _ = await old_days(keeping)
    number = await told(keeping, office, day)
    placed = (await office.ask("cy", "POST", "/holds", {"party": "公安局", "reason": "诉讼"})).json()["id"]
    for _ in range(5):
        keeping.pass_days(12)
        await keeping.tick()
        await keeping.disposing.tick()
        await keeping.settle()
    [due] = (await office.ask("ana", "GET", f"/disposals/{number}")).json()["segments"]
    assert due["trouble"] == f"stopped, held by {placed}"
    [stopped] = [one.facts for one in await keeping.told() if one.event == "disposal.stopped"]
    assert stopped == {"disposal": number, "segment": segment, "holds": placed}
    await office.ask("di", "POST", f"/holds/{placed}/release", {"reason": "结案"})
    await keeping.carry_out()
    assert (await keeping.states())[segment] == "disposed"
    assert await keeping.log.check() == []


@pytest.mark.requirement("KEP-08")
@pytest.mark.parametrize("days", [0, 1])
async def test_a_hold_is_not_judged_before_everything_can_be_searched(
    keeping: Keeping, office: Office, days: int
) -> None:
    """Neither what the segment itself has, nor the day after, on which its last calls ended."""
    segment, day = f"{keeping.today}-general", f"{keeping.clock.at + timedelta(days=1):%Y-%m-%d}"
    await keeping.calls(1, "general", case="办件-甲")
    await keeping.settle()
    keeping.pass_days(days)
    await keeping.calls(1, "general", case="办件-旧")
    await keeping.log.sequence()
    keeping.pass_days(220 - days)
    placed = (await office.ask("cy", "POST", "/holds", {"case": "办件-旧", "reason": "诉讼"})).json()["id"]
    number = await office.decided(day)
    await keeping.log.sequence()
    for trouble in ("not all of it can be searched yet", f"held by {placed}"):
        await keeping.disposing.tick()
        [due] = (await office.ask("ana", "GET", f"/disposals/{number}")).json()["segments"]
        assert (due["segment"], due["trouble"]) == (segment, trouble)
        await keeping.settle()


@pytest.mark.requirement("KEP-08")
@pytest.mark.parametrize("archived", [True, False])
async def test_a_hold_keeps_the_day_on_which_a_call_began_that_ended_much_later(
    keeping: Keeping, office: Office, archived: bool
) -> None:
    """A gateway was away, and the outcome is one of the reaper's."""
    day, [call] = f"{keeping.clock.at + timedelta(days=1):%Y-%m-%d}", ids(1)
    facts = {"retention": "general", "at_in": int(keeping.clock.at.timestamp() * 1000), "case": "办件-旧"}
    await keeping.log.write((call, "intent"), **facts)
    await keeping.settle()
    keeping.pass_days(3)
    await keeping.log.write((call, "outcome"), **facts)
    await keeping.settle()
    keeping.pass_days(217)
    if archived:
        await keeping.tick()
    placed = (await office.ask("cy", "POST", "/holds", {"case": "办件-旧", "reason": "诉讼"})).json()["id"]
    number = await office.decided(day)
    await keeping.settle()
    await keeping.disposing.tick()
    [due] = (await office.ask("ana", "GET", f"/disposals/{number}")).json()["segments"]
    assert due["trouble"] == f"held by {placed}"


@pytest.mark.requirement("KEP-06")
async def test_what_was_approved_can_be_taken_back_until_it_has_begun(keeping: Keeping, office: Office) -> None:
    segment, day, _ = await old_days(keeping)
    placed = (await office.ask("cy", "POST", "/holds", {"party": "民政局", "reason": "诉讼"})).json()["id"]
    number = await office.decided(day)
    await keeping.carry_out()
    back = await office.ask("ana", "POST", f"/disposals/{number}/reject", {"reason": "还需要"})
    assert (back.status_code, back.json()["state"]) == (200, "rejected")
    await office.ask("di", "POST", f"/holds/{placed}/release", {"reason": "结案"})
    await keeping.carry_out()
    assert (await keeping.states())[segment] == "archived"
    number = await told(keeping, office, day)
    late = await office.ask("ana", "POST", f"/disposals/{number}/reject", {"reason": "还需要"})
    assert (late.status_code, late.json()["state"]) == (409, "approved")


# --- the doors ------------------------------------------------------------------------------------------------------
GOOD = {"retention": "general", "before": "2026-01-01", "reason": "x"}
BAD: list[dict[str, Any]] = [
    {}, {**GOOD, "retention": "permanent"}, {"before": "2026-01-01", "reason": "x"}, {**GOOD, "before": "0001-01-01"},
    {**GOOD, "before": "9999-12-31"}, {**GOOD, "reason": ""}, {**GOOD, "reason": "\u0000"}, {**GOOD, "force": True},
    {**GOOD, "before": 1735689600}, {**GOOD, "reason": " \u3000"}, {**GOOD, "case": 1},
]  # fmt: skip
BAD_HOLDS: list[dict[str, Any]] = [
    {}, {"reason": "x"}, {"party": "x"}, {"party": "\u0000", "reason": "x"}, {"call": "x", "reason": "x"},
    {"since": "2026-01-01", "reason": "x"}, {"since": "0001-01-01T00:00:00+14:00", "reason": "x"},
    {"before": "9999-12-31T23:59:59-14:00", "reason": "x"}, {"party": "x", "reason": "x", "subject": "y"},
    {"since": 1735689600, "reason": "x"}, {"party": " ", "reason": "x"}, {"party": "x", "reason": " "},
]  # fmt: skip


async def test_what_is_not_understood_is_refused(keeping: Keeping, office: Office) -> None:
    for body in BAD:
        assert (await office.ask("ana", "POST", "/disposals", body)).status_code == 422, body
    for body in BAD_HOLDS:
        assert (await office.ask("ana", "POST", "/holds", body)).status_code == 422, body
    for text in (b'"\\ud800"', b'"\xff"', b"1e999", b"[" * 5000):
        content = b'{"party": %b, "reason": "x"}' % text
        assert (await office.post("/holds", content)).status_code in {400, 422}, content[:40]
    for path in ("/disposals?x=1", "/holds?x=1", "/archive?x=1", "/disposals/x"):
        assert (await office.ask("ana", "GET", path)).status_code == 422, path
    nobody = "01234567-89ab-7def-8123-456789abcdef"
    for path in (f"/disposals/{nobody}/approve", f"/disposals/{nobody}/reject", f"/holds/{nobody}/release"):
        assert (await office.ask("ana", "POST", path, {"reason": "x"})).status_code == 404, path
    assert (await office.ask("ana", "POST", "/archive/x'--/restore")).status_code == 422
    assert (await office.ask("ana", "POST", "/archive/20990101-general/restore")).status_code == 404


async def test_only_keepers_come_in(office: Office) -> None:
    for method, path in (
        ("GET", "/disposals"), ("POST", "/disposals"), ("GET", "/holds"), ("POST", "/holds"), ("GET", "/archive"),
        ("POST", "/archive/20260101-general/restore"),
    ):  # fmt: skip
        for scope in (scopes.CALL, scopes.AUDIT_READ, scopes.CATALOG_WRITE):
            assert (await office.ask("ana", method, path, scope=scope)).status_code == 403


@pytest.mark.requirement("KEP-04")
async def test_the_archive_is_listed_and_gives_back(keeping: Keeping, office: Office) -> None:
    segment, _, _ = await old_days(keeping)
    items = {item["segment"]: item for item in (await office.ask("ana", "GET", "/archive")).json()["items"]}
    item = items[segment]
    assert (item["state"], item["count"], item["in_database"]) == ("archived", 6, False)
    assert item["kept_until"] == str(keeping.periods.kept_until(segment))
    assert items[f"{keeping.today}-permanent"]["state"] == "hot"
    assert items[f"{keeping.today}-permanent"]["kept_until"] is None
    answer = await office.ask("ana", "POST", f"/archive/{segment}/restore")
    assert answer.status_code == 202
    await keeping.tick()
    assert (await keeping.states())[segment] == "restored"
    again = await office.ask("ana", "POST", f"/archive/{segment}/restore")
    assert (again.status_code, again.json()["state"]) == (409, "restored")
    assert [leaf["facts"]["segment"] for leaf in await keeping.said("segment.restored")] == [segment]
