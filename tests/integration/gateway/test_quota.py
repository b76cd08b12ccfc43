"""Quotas leased from PostgreSQL: exact over gateways, given back, and nothing without the database."""

import asyncio
import random
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.periods import periods_at
from gateway.quota import Lease
from harness.gateways import Gateways, Replica, Way, grant
from runtime.errors import Refusal
from wire.catalog import Grant

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 22, 4, tzinfo=UTC).timestamp()
WAYS: list[Way] = [*["good"] * 8, "cut", "answers lost"]  # type: ignore[list-item]  # mypy widens the repeated word
TAKEN = "SELECT period, taken FROM gateway.quota ORDER BY period"


async def ask(one: Replica, asked: Grant, at: float = NOON) -> tuple[str, list[Lease]]:
    """The code of the refusal, "" where it was admitted; and what it used."""
    try:
        return "", list(await one.quotas.take(asked, at))
    except Refusal as refused:
        return refused.code.name, []


@pytest.mark.requirement("QUO-05")
@pytest.mark.parametrize("_row", ["M-9 twenty at once at 999 of 1000"])
async def test_of_twenty_at_once_one_gets_the_last_call(several: Gateways, _row: str) -> None:
    replicas = [Replica(name, several) for name in "abc"]
    asked = grant(quota_day=1000)
    for n in range(999):
        assert (await ask(replicas[n % 3], asked))[0] == ""
    codes = [code for code, _ in await asyncio.gather(*(ask(replicas[n % 3], asked) for n in range(20)))]
    assert sorted(codes) == ["", *["quota/day"] * 19]
    assert await several.told(TAKEN) == [("2026-11-22", 1000)]


@pytest.mark.requirement("QUO-05", "QUO-03")
@pytest.mark.parametrize("seed", range(3))
async def test_never_over_and_all_of_it_is_there(several: Gateways, seed: int) -> None:
    """Gateways come, go and lose answers; calls come to nothing; the grant changes."""
    chance = random.Random(seed)
    replicas = [Replica(name, several) for name in "abc"]
    asked, admitted = grant(quota_day=120, quota_month=130), 0
    for _ in range(300):
        one = chance.choice(replicas)
        one.line.way = chance.choice(WAYS)
        code, used = await ask(one, asked)
        if code == "" and chance.random() < 0.3:
            one.quotas.give_back(used)
        elif code == "":
            admitted += 1
        if chance.random() < 0.1:
            await several.pass_time(20)
            await one.quotas.tick()
        if chance.random() < 0.03:
            asked = msgspec.structs.replace(asked, revision=asked.revision + 1)
    assert 0 < admitted <= 120
    for one in replicas:
        one.line.way = "good"
        await one.quotas.drain()
    (_, month), (_, day) = await several.told(TAKEN)
    assert admitted <= month <= 130
    assert admitted <= day <= 120


@pytest.mark.requirement("QUO-05")
async def test_each_gateway_refuses_when_nothing_is_left_and_no_call_is_lost(several: Gateways) -> None:
    replicas = [Replica(name, several) for name in "abc"]
    asked, admitted = grant(quota_day=300), 0
    for one in replicas:
        for _ in range(10):
            admitted += (await ask(one, asked))[0] == ""
    for one in replicas:
        while (await ask(one, asked))[0] == "":
            admitted += 1
    assert admitted == 300


@pytest.mark.requirement("QUO-05")
async def test_days_and_months_begin_at_midnight_in_shanghai(several: Gateways) -> None:
    one = Replica("a", several)
    asked = grant(quota_day=2, quota_month=3)
    late = datetime(2026, 11, 29, 15, 59, 59, tzinfo=UTC).timestamp()
    assert [(await ask(one, asked, late))[0] for _ in range(3)] == ["", "", "quota/day"]
    assert [(await ask(one, asked, late + 1))[0] for _ in range(2)] == ["", "quota/month"]
    assert (await ask(one, asked, late + 86_401))[0] == ""  # December
    single = grant(id="h", quota_day=1)
    await one.quotas.take(single, late)
    with pytest.raises(Refusal) as refused:
        await one.quotas.take(single, late)
    assert refused.value.facts["resets"] == "2026-11-30T00:00:00+08:00"
    assert refused.value.facts["retry_after"] in (1, 2)


@pytest.mark.requirement("QUO-03", "QUO-05")
async def test_what_is_not_used_goes_back(several: Gateways) -> None:
    one, other = Replica("a", several), Replica("b", several)
    asked = grant(quota_day=160)
    _, used = await ask(one, asked)
    assert await several.told(TAKEN) == [("2026-11-22", 10)]
    one.quotas.give_back(used)
    assert await ask(one, asked) == ("", used)
    await several.pass_time(3)
    await one.quotas.tick()
    assert await several.told(TAKEN) == [("2026-11-22", 1)]
    await ask(one, grant(quota_day=320, revision=2))
    await one.quotas.drain()
    await ask(other, asked)
    await other.quotas.drain()
    assert await several.told(TAKEN) == [("2026-11-22", 3)]


@pytest.mark.requirement("QUO-05")
async def test_many_blocks_go_back_at_once(several: Gateways) -> None:
    one = Replica("a", several)
    for n in range(1200):
        assert (await ask(one, grant(id=f"g{n}", quota_day=160)))[0] == ""
    await one.quotas.drain()
    assert await several.told("SELECT sum(taken) FROM gateway.quota") == [(1200,)]


@pytest.mark.requirement("QUO-05")
async def test_a_block_for_what_is_no_longer_current_goes_back(several: Gateways) -> None:
    one = Replica("a", several)
    midnight = datetime(2026, 11, 22, 16, tzinfo=UTC).timestamp()
    old, new = grant(quota_day=100_000), grant(quota_day=100_000, revision=2)
    calls = [ask(one, old if n % 2 else new, midnight + (n % 3 - 1)) for n in range(20)]
    assert {code for code, _ in await asyncio.gather(*calls)} == {""}
    await one.quotas.drain()
    assert await several.told("SELECT sum(taken) FROM gateway.quota") == [(20,)]


@pytest.mark.requirement("QUO-05")
async def test_while_others_may_hold_some_it_is_worth_coming_back_soon(several: Gateways) -> None:
    one, other = Replica("a", several), Replica("b", several)
    for each in (one, other, one):
        await each.shares.tick()
    asked = grant(quota_day=64)
    await ask(other, asked)
    while (await ask(one, asked))[0] == "":
        pass
    with pytest.raises(Refusal) as early:
        await one.quotas.take(asked, NOON)
    assert early.value.facts["retry_after"] == 5
    await several.pass_time(6)
    await ask(one, asked)
    with pytest.raises(Refusal) as late:
        await one.quotas.take(asked, NOON)
    assert int(str(late.value.facts["retry_after"])) > 40_000


@pytest.mark.requirement("QUO-05")
async def test_a_smaller_quota_counts_at_once(several: Gateways) -> None:
    one = Replica("a", several)
    for _ in range(40):
        await ask(one, grant(quota_day=1000))
    assert (await ask(one, grant(quota_day=40, revision=2)))[0] == "quota/day"


@pytest.mark.requirement("QUO-06")
@pytest.mark.parametrize("_row", ["M-8 no database"])
async def test_without_the_database_what_was_leased_is_used_up(several: Gateways, _row: str) -> None:
    one = Replica("a", several)
    asked = grant(quota_day=160)
    assert (await ask(one, asked))[0] == ""
    one.line.way = "cut"
    assert [(await ask(one, asked))[0] for _ in range(11)] == [""] * 9 + ["quota/unknown"] * 2
    one.line.way = "good"
    await several.pass_time(1)
    assert (await ask(one, asked))[0] == ""


@pytest.mark.requirement("QUO-06")
@pytest.mark.parametrize("_row", ["M-8 the row is lost"])
async def test_a_lost_row_is_made_anew_from_what_is_known(several: Gateways, _row: str) -> None:
    one = Replica("a", several)
    asked = grant(quota_day=100)
    for _ in range(60):
        await ask(one, asked)
    await several.told("DELETE FROM gateway.quota")
    admitted = 60
    while (await ask(one, asked))[0] == "":
        admitted += 1
    assert admitted == 100


@pytest.mark.requirement("QUO-05")
async def test_what_is_over_is_cleared_away(several: Gateways) -> None:
    one = Replica("a", several)
    await ask(one, grant(quota_day=5), datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    await ask(one, grant(id="h", quota_day=5), datetime(2090, 1, 1, tzinfo=UTC).timestamp())
    await one.quotas.forget()
    assert [period for period, _ in await several.told(TAKEN)] == ["2090-01-01"]


async def test_periods_are_those_of_the_calendar() -> None:
    december = periods_at(datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC).timestamp())
    assert [(one.name, one.until.isoformat()) for one in december.values()] == [
        ("2026-12-31", "2027-01-01T00:00:00+08:00"),
        ("2026-12", "2027-01-01T00:00:00+08:00"),
    ]
    february = periods_at(datetime(2028, 1, 31, 16, tzinfo=UTC).timestamp())
    assert (february["day"].name, february["month"].length_s) == ("2028-02-01", 29 * 86_400)
