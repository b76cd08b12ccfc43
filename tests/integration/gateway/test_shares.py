"""Rates that several gateways share: never more than burst + rate * seconds + one call for each gateway."""

import asyncio
import random

import pytest
from sqlalchemy.exc import ProgrammingError

from harness.gateways import Gateways, Replica, grant
from runtime.errors import Refusal
from wire import codes

pytestmark = pytest.mark.anyio
NAMES = ("a", "b", "c")


async def together(several: Gateways, *names: str) -> list[Replica]:
    """Gateways that know of each other."""
    made = [Replica(name, several) for name in names]
    for _ in range(3):
        for one in made:
            await one.shares.tick()
    return made


@pytest.mark.requirement("QUO-01")
async def test_alone_a_gateway_has_everything(several: Gateways) -> None:
    (alone,) = await together(several, "a")
    asked = grant(rate_per_s=5, burst=20)
    several.stop_clock()
    assert await alone.admits(asked, 30) == 20
    await several.pass_time(2)
    assert await alone.admits(asked, 30) == 10
    await several.pass_time(3600)
    assert await alone.admits(asked, 30) == 20


@pytest.mark.requirement("QUO-02")
async def test_a_new_gateway_is_ready_when_the_others_have_left_it_something(several: Gateways) -> None:
    (old,) = await together(several, "a")
    old.shares.check()
    asked = grant(rate_per_s=100, burst=100)
    assert await old.admits(asked, 50) == 50
    await old.shares.tick()
    new = Replica("b", several)
    for _ in range(2):
        with pytest.raises(Refusal) as early:
            new.shares.check()
        assert early.value.code is codes.QUOTA_UNKNOWN
        await new.shares.tick()
    await several.pass_time(1)
    for _ in range(2):
        await old.shares.tick()
        await new.shares.tick()
        await several.pass_time(1)
    new.shares.check()
    assert await new.offer(asked) == ""


@pytest.mark.requirement("QUO-01")
async def test_the_burst_is_there_for_all_together(several: Gateways) -> None:
    replicas = await together(several, *NAMES)
    asked = grant(rate_per_s=5, burst=30)
    admitted = [await one.admits(asked, 40) for one in replicas]
    assert 27 <= sum(admitted) <= 33
    assert several.most_above(asked) <= 3
    assert all(admitted)


@pytest.mark.requirement("QUO-02")
async def test_shares_follow_demand_and_nobody_is_starved(several: Gateways) -> None:
    busy, quiet, idle = await together(several, *NAMES)
    asked = grant(rate_per_s=100, burst=100)
    for _ in range(25):
        await busy.admits(asked, 12)
        await several.pass_time(0.1)
        await busy.shares.tick()
        for other in (quiet, idle):
            await other.shares.tick()
    before = len(several.admitted)
    for _ in range(20):
        await busy.admits(asked, 12)
        await several.pass_time(0.1)
        await busy.shares.tick()
    assert len(several.admitted) - before > 120  # of 200: much more than a third
    served = 0
    for _ in range(30):
        await busy.admits(asked, 12)
        served += await quiet.admits(asked, 2)
        await several.pass_time(0.1)
        await busy.shares.tick()
        await quiet.shares.tick()
    assert served > 30  # of 60, though the other one takes all it gets
    assert several.most_above(asked) <= 3


@pytest.mark.requirement("QUO-01")
async def test_a_grant_that_allows_less_does_so_at_once(several: Gateways) -> None:
    replicas = await together(several, "a", "b")
    generous, strict = grant(rate_per_s=100, burst=100), grant(rate_per_s=2, burst=2, revision=2)
    for one in replicas:
        assert await one.admits(generous, 10) == 10
    several.admitted.clear()
    for _ in range(30):
        for one in replicas:
            await one.admits(strict, 5)
        await several.pass_time(0.2)
    assert several.most_above(strict) <= 2


@pytest.mark.requirement("QUO-03")
async def test_whoever_stops_leaves_its_share_to_the_others(several: Gateways) -> None:
    stopping, staying = await together(several, "a", "b")
    asked = grant(rate_per_s=10, burst=10)
    several.stop_clock()
    assert await stopping.admits(asked, 5) == 5
    await stopping.shares.leave()
    await staying.shares.tick()
    await several.pass_time(10)
    assert await staying.admits(asked, 20) == 10
    assert await several.told("SELECT count(*) FROM gateway.replica") == [(1,)]


# --- without the database -------------------------------------------------------------------------------------------
@pytest.mark.requirement("QUO-04")
@pytest.mark.parametrize("_row", ["M-8 one replica cut off"])
async def test_a_gateway_that_is_cut_off_keeps_to_what_the_others_leave_it(several: Gateways, _row: str) -> None:
    cut, one, other = await together(several, *NAMES)
    asked = grant(rate_per_s=30, burst=30)
    assert await cut.offer(asked) == ""
    cut.line.way = "cut"
    seen: list[set[str]] = [set(), set(), set()]
    for tick in range(100):
        for one_of_them in (cut, one, other):
            for _ in range(16):
                code = await one_of_them.offer(asked)
                if one_of_them is cut:
                    seen[0 if tick < 5 else 1 if tick < 15 else 2].add(code)
        await several.pass_time(0.5)
        if tick % 2 == 0:
            for one_of_them in (cut, one, other):
                await one_of_them.shares.tick()
    assert several.most_above(asked) <= 3
    assert "" in seen[0]
    assert "quota/unknown" in seen[1]
    assert seen[2] >= {"", "rate/exceeded"}
    assert len(several.admitted) > 30 * 50 * 0.7  # fewer than allowed, but not many fewer


@pytest.mark.requirement("QUO-04")
async def test_nobody_is_admitted_once_the_others_forget(several: Gateways) -> None:
    cut, other = await together(several, "a", "b")
    asked = grant(rate_per_s=10, burst=10)
    cut.line.way = "cut"
    await cut.shares.tick()
    await several.pass_time(60)
    assert await cut.offer(asked) == ""
    await several.pass_time(60)
    assert await cut.offer(asked) == "quota/unknown"
    await other.shares.tick()
    assert await other.admits(asked, 20) == 10


@pytest.mark.requirement("QUO-04")
async def test_a_gateway_that_never_knew_the_others_admits_nothing(several: Gateways) -> None:
    lost = Replica("a", several)
    lost.line.way = "cut"
    await lost.shares.tick()
    assert await lost.offer(grant()) == "quota/unknown"
    await several.pass_time(600)
    assert await lost.offer(grant()) == "quota/unknown"


@pytest.mark.requirement("QUO-04")
async def test_a_gateway_whose_database_is_not_migrated_is_not_ready(several: Gateways) -> None:
    (one,) = await together(several, "a")
    await several.told("ALTER TABLE gateway.replica RENAME TO elsewhere")
    with pytest.raises(ProgrammingError):
        await one.shares.tick()
    await one.shares.tick()  # once a minute is enough
    with pytest.raises(Refusal):
        one.shares.check()
    await several.told("ALTER TABLE gateway.elsewhere RENAME TO replica")
    await one.shares.tick()
    one.shares.check()


@pytest.mark.requirement("QUO-01")
async def test_first_calls_of_many_grants_wait_together_and_no_heartbeat_waits(several: Gateways) -> None:
    one, _ = await together(several, "a", "b")
    calls = [asyncio.ensure_future(one.offer(grant(id=f"g{n}"))) for n in range(600)]
    await asyncio.sleep(0)
    await one.shares.tick()
    assert not all(call.done() for call in calls)
    assert set(await asyncio.gather(*calls)) == {""}


@pytest.mark.requirement("QUO-01", "QUO-04")
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_no_window_admits_more(several: Gateways, seed: int) -> None:
    """Gateways are busy or idle, cut off, without answers, back again; time passes between all of it."""
    chance = random.Random(seed)
    replicas = [Replica(name, several) for name in NAMES]
    asked = grant(rate_per_s=chance.choice([1.5, 8.0, 40.0]), burst=chance.choice([0, 3, 60]))
    for _ in range(60):
        for one in replicas:
            if chance.random() < 0.05:
                one.line.way = chance.choice(["good", "good", "cut", "answers lost"])
            if chance.random() < 0.7:
                await one.shares.tick()
            if chance.random() < 0.6:
                await one.admits(asked, chance.choice([1, 3, 15]))
        await several.pass_time(chance.choice([0.05, 0.4, 0.9, 0.9, 4.0]))
    assert several.admitted
    assert several.most_above(asked) <= len(replicas)
