"""The law in force, on a real database with a time that the test sets."""

from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from catalog_service.clocks.flows import adopt_bundled_years
from catalog_service.policy import flows
from catalog_service.policy.flows import Lawbook
from catalog_service.policy.model import Activation
from catalog_service.policy.watch import Watch
from harness.law import AUTHORITY, REPLY, Bench
from runtime.errors import INVALID_REQUEST, Refusal
from statute import profiles
from statute.calendar import bundled_calendar
from statute.model import UnknownKey
from statute.resolve import Law
from wire import codes

pytestmark = pytest.mark.anyio


async def activate(bench: Bench, profile: str, *, override: bool = False) -> Activation:
    async with bench.change(AUTHORITY) as change:
        return await flows.activate(change, bench.lawbook, profile, "a reason", override=override)


async def in_force(bench: Bench) -> str:
    async with bench.database.connect() as tx:
        return await bench.lawbook.in_force(tx)


# --- activation -------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("PRO-01")
async def test_the_setting_counts_at_the_first_start_alone(bench: Bench) -> None:
    assert await in_force(bench) == "national"
    await activate(bench, "yunnan", override=True)
    await bench.begin("changde")
    assert await in_force(bench) == "yunnan"
    started = [(e.facts["profile"], e.facts["reason"]) for e in await bench.told("policy.profile-activated")]
    assert started == [("national", "first start"), ("yunnan", "a reason")]
    assert len(await bench.rows("SELECT * FROM catalog.calendar")) == 1


@pytest.mark.requirement("PRO-02")
@pytest.mark.requirement("DQ-41-43")
@pytest.mark.parametrize(
    ("profile", "on", "why"),
    [
        ("deqing", "2026-02-13 10:00", "draft"),
        ("yunnan", "2026-02-13 10:00", "draft"),
        ("changde", "2027-08-25 00:00", "expired on 2027-08-24"),
        ("zibo", "2024-10-31 23:59", "takes effect on 2024-11-01"),
    ],
)
async def test_what_is_not_in_force_by_its_own_words_needs_an_override(
    bench: Bench, profile: str, on: str, why: str
) -> None:
    bench.clock.set(on)
    with pytest.raises(Refusal, match=why) as refused:
        await activate(bench, profile)
    assert refused.value.code is codes.PROFILE_NOT_IN_FORCE
    assert await in_force(bench) == "national"
    assert (await activate(bench, profile, override=True)).override
    assert await in_force(bench) == profile
    [_, event] = await bench.told("policy.profile-activated")
    assert (event.actor, event.facts["override"], event.facts["reason"]) == ("dsjj-officer", "true", "a reason")


@pytest.mark.requirement("PRO-02")
@pytest.mark.requirement("ZB-15")
@pytest.mark.parametrize(
    ("profile", "on", "warnings"),
    [("zibo", "2026-02-13 10:00", 1), ("changde", "2027-06-01 10:00", 1), ("changde", "2026-02-13 10:00", 0)],
)
async def test_what_is_unread_or_ends_soon_is_put_in_force_with_a_warning(
    bench: Bench, profile: str, on: str, warnings: int
) -> None:
    bench.clock.set(on)
    assert len((await activate(bench, profile)).warnings) == warnings


async def test_activating_what_is_in_force_changes_nothing(bench: Bench) -> None:
    first = await activate(bench, "changde")
    assert await activate(bench, "changde") == first
    assert len(await bench.told("policy.profile-activated")) == 2


async def test_nobody_activates_what_is_not_there(bench: Bench) -> None:
    with pytest.raises(UnknownKey, match="shangri-la"):
        await activate(bench, "shangri-la")


# --- what a running case keeps ----------------------------------------------------------------------------------------
def days_of(law: Law, key: str = REPLY) -> int:
    clock = law.clock(key)
    assert clock is not None
    return clock.base


def shorter_reply(texts: dict[str, str], file: str) -> dict[str, str]:
    changed = texts[file].replace("reply: {days: 10,", "reply: {days: 7,")
    assert changed != texts[file]
    return {**texts, file: changed}


@pytest.mark.requirement("PRO-03")
@pytest.mark.parametrize("file", ["changde.yaml", "national.yaml"])
async def test_a_case_keeps_its_law_through_an_upgrade_and_another_profile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """Whether the profile itself has changed or the floor beneath it, the version tells both laws apart."""
    await activate(bench, "changde")
    async with bench.database.connect() as tx:
        before = await bench.lawbook.law(tx, government=True)
    texts = shorter_reply(profiles.bundled_texts(), file)
    monkeypatch.setattr(flows, "bundled_texts", lambda: texts)
    monkeypatch.setattr(flows, "bundled", lambda: profiles.read(texts))
    bench.lawbook = Lawbook()
    async with bench.database.connect() as tx:
        still = await bench.lawbook.law(tx, government=True)
    assert (still.profile.version, days_of(still)) == (before.profile.version, 10)
    await activate(bench, "changde")
    await activate(bench, "jingdezhen")
    async with bench.database.connect() as tx:
        kept = await bench.lawbook.law(tx, government=True, profile="changde", version=before.profile.version)
        newer = await bench.lawbook.law(tx, government=True, profile="changde")
        now = await bench.lawbook.law(tx, government=True)
    assert days_of(kept) == 10
    assert days_of(newer) == 7
    assert newer.profile.version != before.profile.version
    assert now.profile.id == "jingdezhen"


async def test_a_version_that_was_never_in_force_is_a_mistake_of_ours(bench: Bench) -> None:
    async with bench.database.connect() as tx:
        with pytest.raises(LookupError, match="never in force"):
            await bench.lawbook.law(tx, government=True, profile="changde", version="0123456789ab")


@pytest.mark.requirement("PRO-03")
@pytest.mark.requirement("NAT-02-03")
async def test_the_floor_binds_government_alone(bench: Bench) -> None:
    await activate(bench, "yunnan", override=True)
    async with bench.database.connect() as tx:
        days = [
            days_of(await bench.lawbook.law(tx, government=government), "catalog.update_on_change")
            for government in (True, False)
        ]
    assert days == [10, 15]


# --- calendars --------------------------------------------------------------------------------------------------------
async def adopt(bench: Bench, region: str, text: str, year: int = 2027) -> Any:
    stated = flows.read_year(text, region, year)
    async with bench.change(AUTHORITY) as change:
        return await flows.import_year(change, bench.lawbook, region, stated)


def file(region: str = "CN", *, off: str = "2027-01-01", year: int = 2027, status: str = "announced") -> str:
    return (
        f"schema: dx-calendar/1\nregion: {region}\nyears: {{{year}: {{status: {status}, weekdays_off: ['{off}']}}}}\n"
    )


@pytest.mark.requirement("PRO-05")
async def test_an_imported_year_is_a_new_version_and_the_newer_one_replaces_it(bench: Bench) -> None:
    versions = [(await adopt(bench, "CN", file(off=day))).version for day in ("2027-01-01", "2027-01-04", "2027-01-04")]
    assert versions[0] != versions[1] == versions[2]
    async with bench.database.connect() as tx:
        newest = await bench.lawbook.calendar(tx)
        first = await bench.lawbook.calendar(tx, "CN", versions[0])
    assert [str(min(one.years[2027].off)) for one in (first, newest)] == ["2027-01-01", "2027-01-04"]
    imported = [(e.facts["previous"], e.facts["version"]) for e in await bench.told("policy.calendar-imported")]
    assert imported[1:] == [(imported[0][1], versions[0]), (versions[0], versions[1])]
    assert [e.actor for e in await bench.told("policy.calendar-imported")][1:] == ["dsjj-officer"] * 2


@pytest.mark.requirement("PRO-05")
async def test_what_was_stored_reads_back_as_it_was(bench: Bench) -> None:
    async with bench.database.connect() as tx:
        assert await bench.lawbook.calendar(tx) == bundled_calendar("CN")


@pytest.mark.requirement("PRO-05")
async def test_a_region_of_its_own_begins_with_the_country_and_leaves_it_alone(bench: Bench) -> None:
    ours = await adopt(bench, "CN-53", file("CN-53", off="2027-03-03"))
    assert (ours.region, 2026 in ours.years) == ("CN-53", True)
    async with bench.database.connect() as tx:
        assert 2027 not in (await bench.lawbook.calendar(tx)).years
        assert await bench.lawbook.calendar(tx, "CN-53") == ours


@pytest.mark.requirement("PRO-05")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "file"),
        ("]", "file|expected|line"),
        ("years: {}", "schema"),
        (file("CN-53"), "the file is for CN-53"),
        (file(year=2028, off="2028-01-03"), "does not announce"),
        (file(status="provisional"), "does not announce"),
        (file(off="2027-01-02"), "no Saturday|Saturday"),
        (file(off="2028-01-03"), "not in 2027"),
        (file(off="new year"), "not a date"),
    ],
)
def test_a_broken_file_is_told_what_is_wrong_with_it(text: str, why: str) -> None:
    with pytest.raises(Refusal, match=why) as refused:
        flows.read_year(text, "CN", 2027)
    assert refused.value.code is INVALID_REQUEST
    assert [one["path"] for one in refused.value.facts["errors"]] == ["/body"]  # type: ignore[attr-defined]


@pytest.mark.requirement("PRO-05")
async def test_years_that_come_with_a_release_are_adopted_at_the_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.clock.set("2026-12-25 10:00")
    clock = await bench.start()
    released = bundled_calendar("CN").with_year(flows.read_year(file(off="2027-01-04"), "CN", 2027))
    monkeypatch.setattr("catalog_service.clocks.flows.bundled_calendar", lambda _region: released)
    for _ in range(2):
        async with bench.change() as change:
            await adopt_bundled_years(change, bench.lawbook)
    [now] = await bench.clocks()
    assert clock is not None
    assert clock.provisional
    assert not now.provisional
    assert len(await bench.told("policy.calendar-imported")) == 2


# --- what is watched --------------------------------------------------------------------------------------------------
async def watched(bench: Bench, *moments: str) -> list[tuple[str, dict[str, str]]]:
    """What the authority has been told when somebody has looked at these moments."""
    for when in moments:
        bench.clock.set(when)
        await Watch(bench.journal, bench.lawbook).tick()
    found = await bench.notices()
    assert all(one["to"] == {"department": "", "office": "office:authority", "client": ""} for one in found)
    return [(one["word"], one["facts"]) for one in found]


@pytest.mark.requirement("PRO-04")
@pytest.mark.requirement("CD-29-31")
async def test_an_expiring_profile_is_told_once_before_and_once_after(bench: Bench) -> None:
    await activate(bench, "changde")
    assert await watched(bench, "2027-05-25 23:59") == []
    [(word, facts)] = await watched(bench, "2027-05-26 00:00", "2027-05-26 00:01", "2027-08-01 10:00")
    assert (word, facts["expires"], facts["days"]) == ("policy.expiring", "2027-08-24", "90")
    told = await watched(bench, "2027-08-24 23:59", "2027-08-25 00:00", "2027-09-01 10:00")
    assert [word for word, _ in told] == ["policy.expiring", "policy.expired"]


@pytest.mark.requirement("PRO-06")
async def test_a_year_that_nobody_imported_is_alarmed_once_from_1_november(bench: Bench) -> None:
    assert await watched(bench, "2026-10-31 23:59") == []
    [(word, facts)] = await watched(bench, "2026-11-01 00:00", "2026-11-02 00:00", "2026-12-31 10:00")
    assert (word, facts["year"]) == ("calendar.missing", "2027")
    await adopt(bench, "CN", file())
    assert len(await watched(bench, "2026-12-31 11:00", "2027-10-31 10:00")) == 1
    assert [facts["year"] for _, facts in await watched(bench, "2027-11-01 10:00")] == ["2027", "2028"]


@pytest.mark.requirement("PRO-06")
async def test_a_year_that_is_there_alarms_nobody(bench: Bench) -> None:
    await adopt(bench, "CN", file())
    assert await watched(bench, "2026-11-01 00:00") == []


# --- rights -----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("PRO-03")
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM catalog.activation",
        "UPDATE catalog.activation SET profile = 'changde'",
        "DELETE FROM catalog.profile_text",
        "UPDATE catalog.profile_text SET texts = ''",
        "DELETE FROM catalog.calendar",
        "UPDATE catalog.calendar SET text = ''",
        "DELETE FROM catalog.clock",
        "DELETE FROM catalog.notice",
        "UPDATE catalog.notice SET entry = ''",
        "DELETE FROM catalog.delivery",
    ],
)
async def test_the_service_cannot_rewrite_which_law_there_was(bench: Bench, statement: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        await bench.rows(statement)
