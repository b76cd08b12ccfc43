"""The feed: no gaps, order of commit, woken by every change, one story with the snapshot."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import msgspec
import pytest

from catalog_service.feed import flows, store
from catalog_service.feed.bell import Bell
from catalog_service.feed.flows import Journal, changes_after
from catalog_service.feed.model import Actor
from catalog_service.snapshot import snapshot
from harness.addresses import NOWHERE
from harness.catalog import GRANT, INTERFACE, RESOURCE, RESOURCE_CODE, Catalog
from harness.postgres import Database
from runtime.clock import SystemClock
from runtime.db import engine
from runtime.errors import Refusal
from runtime.outbox import Outbox
from runtime.tasks import Tasks
from wire.catalog import Entry, Snapshot, System
from wire.feed import FeedReader

pytestmark = pytest.mark.anyio
ACTOR = Actor("test", "platform")
NEVER_S = 3600.0
"""Longer than any test runs: whoever waits so long was not woken, and is cut off after `STUCK_S`."""
STUCK_S = 30.0


class Undone(Exception):
    """Ends a transaction without a commit."""


@asynccontextmanager
async def journal_of(database: Database, pool_size: int = 25) -> AsyncIterator[Journal]:
    """Another process of the catalog."""
    opened = engine(database.url_of("catalog"), pool_size=pool_size)
    yield Journal(opened, Outbox(opened, store.outbox, _nowhere), SystemClock(), NOWHERE)
    await opened.dispose()


async def _nowhere(_events: Any) -> None:
    raise AssertionError("nobody flushes here")


def system(n: int) -> System:
    return System(id=f"s{n}", department="d", name=f"system {n}")


async def publish_one(journal: Journal, n: int) -> None:
    async with journal.change(ACTOR) as change:
        await change.publish(system(n))


@pytest.mark.requirement("CAT-01")
async def test_twenty_writers_leave_no_gap_and_nobody_sees_one(database: Database) -> None:
    """Some undo their change after taking a revision; a reader that follows all the while never meets a hole."""
    committed: list[int] = []
    seen: list[Entry] = []
    done = asyncio.Event()

    async def write(writer: int, journal: Journal) -> None:
        chance = random.Random(writer)  # which transactions are undone
        for n in range(6):
            with suppress(Undone):
                async with journal.change(ACTOR) as change:
                    await change.publish(system(writer * 100 + n))
                    await asyncio.sleep(chance.random() / 500)
                    if chance.random() < 0.4:
                        raise Undone
                committed.append(writer * 100 + n)

    async def read(journal: Journal) -> None:
        while True:
            finished = done.is_set()
            async with journal.database.connect() as connection:
                feed = await store.entries_after(connection, len(seen), 7)
            seen.extend(feed.entries)
            assert feed.head >= len(seen)
            if finished and not feed.entries:
                return
            await asyncio.sleep(0)

    async with journal_of(database) as journal:
        reader = asyncio.create_task(read(journal))
        await asyncio.gather(*(write(writer, journal) for writer in range(20)))
        done.set()
        await reader

    assert 20 < len(committed) < 120
    assert [entry.revision for entry in seen] == list(range(1, len(committed) + 1))
    assert sorted(entry.id for entry in seen) == sorted(f"s{n}" for n in committed)


@asynccontextmanager
async def listening(bell: Bell) -> AsyncIterator[None]:
    """A bell that has begun to listen."""
    rung = bell.next()
    tasks = Tasks()
    tasks.forever("feed.listen", bell.listen)
    await rung.wait()
    yield
    await tasks.stop()


@pytest.mark.requirement("CAT-02")
async def test_a_change_of_another_process_wakes_the_long_poll(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows, "POLL_S", NEVER_S)  # only the bell can wake it
    bell = Bell(database.url_of("catalog"))
    async with journal_of(database) as here, journal_of(database, 1) as elsewhere, listening(bell):
        waiting = asyncio.create_task(changes_after(here.database, bell, 0, NEVER_S))
        await asyncio.sleep(0.05)
        await publish_one(elsewhere, 1)
        feed = await asyncio.wait_for(waiting, STUCK_S)
    assert [entry.id for entry in feed.entries] == ["s1"]


@pytest.mark.requirement("CAT-02")
async def test_a_lost_connection_is_opened_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "POLL_S", NEVER_S)
    bell = Bell(database.url_of("catalog"))
    admin = await asyncpg.connect(database.url)
    async with journal_of(database) as journal, listening(bell):
        again = bell.next()
        ended = await admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        await asyncio.wait_for(again.wait(), STUCK_S)  # rings when it listens anew
        waiting = asyncio.create_task(changes_after(journal.database, bell, 0, NEVER_S))
        await asyncio.sleep(0.05)
        await publish_one(journal, 1)
        feed = await asyncio.wait_for(waiting, STUCK_S)
    await admin.close()
    assert ended == 1
    assert [entry.id for entry in feed.entries] == ["s1"]


@pytest.mark.requirement("CAT-02")
async def test_without_a_bell_changes_are_found_by_polling(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "POLL_S", 0.05)
    async with journal_of(database) as journal:
        bell = Bell("postgresql://nobody@127.0.0.1:1/none")
        waiting = asyncio.create_task(changes_after(journal.database, bell, 0, NEVER_S))
        await asyncio.sleep(0.05)
        await publish_one(journal, 1)
        feed = await asyncio.wait_for(waiting, STUCK_S)
    assert [entry.id for entry in feed.entries] == ["s1"]


@pytest.mark.requirement("CAT-02")
async def test_a_poll_is_held_no_longer_than_asked(catalog: Catalog) -> None:
    feed = await catalog.feed(0, hold_ms=50)
    assert (feed.head, feed.entries) == (0, [])
    refused = await catalog.internal("/feed?after=0&hold_ms=2001")
    assert refused.status_code == 422


@pytest.mark.requirement("CAT-04")
async def test_a_catalog_older_than_the_asker_says_so(database: Database, catalog: Catalog) -> None:
    async with journal_of(database) as journal:
        await publish_one(journal, 1)
        assert (await changes_after(journal.database, Bell(""), 1, 0)).entries == []
        with pytest.raises(Refusal) as refused:
            await changes_after(journal.database, Bell(""), 2, NEVER_S)
    assert refused.value.code.name == "feed/behind"
    answer = await catalog.internal("/feed?after=2&hold_ms=2000")
    assert (answer.status_code, answer.json()["head"]) == (409, 1)


async def test_a_long_way_back_comes_in_batches(database: Database) -> None:
    async with journal_of(database) as journal:
        async with journal.change(ACTOR) as change:
            for n in range(flows.BATCH + 5):
                await change.publish(system(n))
        first = await changes_after(journal.database, Bell(""), 0, NEVER_S)
        rest = await changes_after(journal.database, Bell(""), first.entries[-1].revision, NEVER_S)
    assert (len(first.entries), len(rest.entries)) == (flows.BATCH, 5)
    assert first.head == rest.head == flows.BATCH + 5


# --- snapshot and feed tell one story -------------------------------------------------------------------------------
def state_of(snapshot: Snapshot) -> dict[tuple[str, str], Any]:
    """What a follower holds after a snapshot, under the names of the feed."""
    state: dict[tuple[str, str], Any] = {}
    for kind in ("department", "system", "grant"):
        state |= {(kind, thing.id): msgspec.to_builtins(thing) for thing in getattr(snapshot, f"{kind}s")}
    return state | {("interface", thing.key): msgspec.to_builtins(thing) for thing in snapshot.interfaces}


def replay(state: dict[tuple[str, str], Any], entries: list[Entry]) -> dict[tuple[str, str], Any]:
    return state | {(entry.kind, entry.id): msgspec.json.decode(entry.body) for entry in entries}


async def any_change(catalog: Catalog, chance: random.Random, grants: list[str]) -> None:
    """One change, refused or not."""

    async def put(path: str, body: dict[str, Any]) -> None:
        await catalog.ask("PUT", path, body)

    async def give() -> None:
        answer = await catalog.ask("POST", "/grants", {**GRANT, "burst": chance.randrange(9)})
        if answer.status_code == 201:
            grants.append(answer.json()["id"])

    async def move() -> None:
        things = ["departments/d1", "systems/zjj-housing", "interfaces/rsj-social-insurance/versions/v1"]
        thing = chance.choice([*things, *(f"grants/{grant}" for grant in grants)])
        acts = ["suspend", "resume", "suspend", "resume", "revoke" if "grants" in thing else "suspend"]
        await catalog.move(f"/{thing}", chance.choice(acts))

    word = f"name {chance.randrange(4)}"
    choices: list[Callable[[], Any]] = [
        lambda: put(f"/departments/d{chance.randrange(3)}", {"name": word, "note": word}),
        lambda: put(f"/systems/x{chance.randrange(3)}", {"department": "zjj", "name": word}),
        lambda: put("/interfaces/rsj-social-insurance/versions/v1", {**INTERFACE, "name": word}),
        lambda: put(f"/resources/{RESOURCE_CODE}", {**RESOURCE, "name": word}),
        give,
        move,
        move,
    ]
    await chance.choice(choices)()


@pytest.mark.requirement("CAT-03")
async def test_any_snapshot_and_the_feed_after_it_give_the_newest_snapshot(catalog: Catalog) -> None:
    """Snapshots are taken while four writers are at work; each must be of one moment."""
    await catalog.furnish()
    grants: list[str] = []
    taken: list[Snapshot] = [await catalog.snapshot()]

    async def write(seed: int) -> None:
        chance = random.Random(seed)  # which changes are made
        for _ in range(20):
            await any_change(catalog, chance, grants)

    async def look() -> None:
        for _ in range(8):
            taken.append(await catalog.snapshot())

    await asyncio.gather(*(write(seed) for seed in range(4)), look())
    newest = await catalog.snapshot()
    everything = await catalog.feed(0)

    assert newest.revision == everything.head > 40
    assert replay({}, everything.entries) == state_of(newest)
    for earlier in taken:
        later = [entry for entry in everything.entries if entry.revision > earlier.revision]
        assert replay(state_of(earlier), later) == state_of(newest)


@pytest.mark.requirement("CAT-03")
async def test_pieces_are_the_whole_snapshot(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    await catalog.furnish()
    await catalog.give()
    monkeypatch.setattr("catalog_service.snapshot.CHUNK_BYTES", 1)
    whole = await catalog.snapshot()
    lines = (await catalog.internal("/snapshot?pieces=true")).content.splitlines()
    pieces = [msgspec.json.decode(line, type=Snapshot) for line in lines]
    assert len(pieces) > len(whole.systems) + len(whole.grants) > 1
    assert {piece.revision for piece in pieces} == {whole.revision}
    assert [piece.more for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert {key: thing for piece in pieces for key, thing in state_of(piece).items()} == state_of(whole)


@pytest.mark.requirement("CAT-03")
async def test_a_snapshot_is_of_the_moment_when_it_began(catalog: Catalog, database: Database) -> None:
    """What changes while it is being sent is not in it: its followers get that from the feed."""
    await catalog.furnish()
    before = await catalog.snapshot()
    async with journal_of(database) as journal:
        pieces = snapshot(journal.database)
        sent = [await anext(pieces)]
        await catalog.move("/systems/zjj-housing", "suspend")
        await catalog.put("/departments/gaj", {"name": "gaj"})
        sent += [piece async for piece in pieces]
    taken = msgspec.json.decode(b"".join(sent), type=Snapshot)
    assert state_of(taken) == state_of(before)
    assert taken.revision == before.revision == await catalog.head() - 2


class Follower:
    """Keeps what the reader of gateways and exchanges hands on."""

    def __init__(self) -> None:
        self.state: dict[tuple[str, str], Any] = {}

    def replace(self, snapshot: Snapshot) -> None:
        self.state = state_of(snapshot)

    def apply(self, entries: Sequence[Entry]) -> None:
        self.state = replay(self.state, list(entries))


@pytest.mark.requirement("CAT-03")
async def test_the_reader_of_gateways_and_exchanges_keeps_up(catalog: Catalog) -> None:
    await catalog.furnish()
    follower = Follower()
    reader = FeedReader(catalog.client, catalog.service_key, follower)
    await reader.follow()
    assert follower.state == state_of(await catalog.snapshot())
    waiting = asyncio.create_task(reader.follow())
    grant_id = await catalog.give()
    await waiting
    await catalog.move(f"/grants/{grant_id}", "revoke")
    await reader.follow()
    assert follower.state[("grant", grant_id)]["state"]["standing"] == "revoked"
    assert follower.state == state_of(await catalog.snapshot())
