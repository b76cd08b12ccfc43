"""Following the catalog: a snapshot first, then every change in its order, by long polls of the feed."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol
from urllib.parse import quote

import msgspec
import structlog

from runtime.http import AsyncClient, HTTPError
from runtime.service_auth import ServiceKey
from wire.catalog import Entry, Feed, Grant, Snapshot

log = structlog.get_logger()
HOLD_MS = 2000
RETRY_S = 0.3
FAREWELL_S = 1.0
PATIENCE_S = 4.0
"""With the pause between attempts a change is known within 5 s however a poll gets stuck (design P4)."""


class Follower(Protocol):
    """Whoever keeps a copy of the catalog: the gateway's snapshot, the exchange's registry."""

    def replace(self, snapshot: Snapshot) -> None:
        """Take everything anew."""

    def apply(self, entries: Sequence[Entry]) -> None:
        """Take changes, in order."""


class Gathering(Protocol):
    """A snapshot that comes piece by piece: its follower goes by what it knew until all of it has come."""

    def add(self, piece: Snapshot) -> None:
        """Take one more piece, in any order."""

    def done(self) -> None:
        """That was all: from now on it counts."""


class Whole:
    """Hands a follower everything at once.

    every_grant  False for those who only ask which interfaces are granted: one grant of each is enough for them, and a
                 million would take 1.6 GB
    """

    def __init__(self, follower: Follower, *, every_grant: bool = True) -> None:
        self._follower = follower
        self._every_grant = every_grant
        self._gathered = Snapshot(revision=0)
        self._granted: dict[str, Grant] = {}

    def add(self, piece: Snapshot) -> None:
        gathered = self._gathered
        gathered.departments.extend(piece.departments)
        gathered.systems.extend(piece.systems)
        gathered.interfaces.extend(piece.interfaces)
        gathered.revocations.extend(piece.revocations)
        self._granted |= {grant.id if self._every_grant else grant.interface: grant for grant in piece.grants}

    def done(self) -> None:
        self._gathered.grants.extend(self._granted.values())
        self._follower.replace(self._gathered)


class FeedReader:
    """Keeps a follower up to date; `age_s` says how long ago the catalog last confirmed that it is.

    name  under which the catalog notes how far a gateway has come: a permission counts as given when every gateway
          acts on it. "" for those on whom nobody waits.
    gathering  what takes in a snapshot, begun anew for each; a `Whole` for None
    """

    def __init__(
        self,
        client: AsyncClient,
        key: ServiceKey,
        follower: Follower,
        name: str = "",
        gathering: Callable[[], Gathering] | None = None,
    ) -> None:
        self._client = client
        self._key = key
        self._follower = follower
        self._gathering = gathering or partial(Whole, follower)
        self._as = f"&follower={quote(name, safe='')}" if name else ""
        self._revision: int | None = None
        self._confirmed = float("-inf")

    def age_s(self) -> float:
        """Seconds since the catalog last answered; infinite before the first snapshot."""
        return time.monotonic() - self._confirmed

    async def follow(self) -> None:
        """One long poll, or the snapshot at the start; called again and again. A failure is logged and waited out."""
        try:
            if self._revision is None:
                await self._cold_start()
            else:
                await self._poll(self._revision)
        except (HTTPError, TimeoutError, msgspec.DecodeError) as error:
            log.warning("feed.interrupted", error=repr(error))
            await asyncio.sleep(RETRY_S)

    async def leave(self) -> None:
        """Once `follow` is called no more: nobody need wait for us, and as `age_s` is infinite from now on, nothing is
        decided on what was known. A farewell that is lost does no harm: the catalog waits for half a minute."""
        self._revision, self._confirmed = None, float("-inf")
        target = "/feed?" + self._as.removeprefix("&")
        try:
            async with asyncio.timeout(FAREWELL_S):
                answer = await self._client.delete(target, headers=self._key.headers("DELETE", target))
            answer.raise_for_status()
        except (HTTPError, TimeoutError) as error:
            log.warning("feed.farewell_lost", error=repr(error))

    async def _cold_start(self) -> None:
        asked = time.monotonic()
        gathering, last = self._gathering(), None
        target = "/snapshot?pieces=true"
        loop, lines = asyncio.get_running_loop(), Lines()
        async with (
            asyncio.timeout(PATIENCE_S) as patience,
            self._client.stream("GET", target, headers=self._key.headers("GET", target)) as answer,
        ):
            answer.raise_for_status()
            async for data in answer.aiter_bytes():
                for line in lines.add(data):
                    last = _take(line, last, gathering)
                patience.reschedule(loop.time() + PATIENCE_S)  # a million grants take longer, but never stand still
        if rest := lines.rest():
            last = _take(rest, last, gathering)
        if last is None or last.more:
            raise msgspec.DecodeError("the snapshot has no end")
        gathering.done()
        self._revision = last.revision
        self._confirmed = asked
        log.info("feed.snapshot_taken", revision=last.revision, took_s=round(time.monotonic() - asked, 1))

    async def _poll(self, after: int) -> None:
        asked = time.monotonic()
        feed = msgspec.json.decode(await self._get(f"/feed?after={after}&hold_ms={HOLD_MS}{self._as}"), type=Feed)
        if feed.entries and feed.entries[0].revision != after + 1:
            self._revision = None  # a gap, or a catalog that was restored: start again from a snapshot
            return
        if feed.entries:
            self._follower.apply(feed.entries)
            self._revision = feed.entries[-1].revision
        self._confirmed = asked  # what the answer says was true then, whenever it arrives

    async def _get(self, target: str) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            answer = await self._client.get(target, headers=self._key.headers("GET", target))
        if answer.status_code == 409:
            self._revision = None  # the catalog is older than we are: it was restored
        answer.raise_for_status()
        return answer.content


class Lines:
    """Puts lines together from bytes that come in any pieces."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []

    def add(self, data: bytes) -> list[bytes]:
        """The lines that end in `data`."""
        first, *others = data.split(b"\n")
        self._begun.append(first)
        if not others:
            return []
        lines = [self.rest(), *others[:-1]]
        self._begun.append(others[-1])
        return lines

    def rest(self) -> bytes:
        """What came after the last line end; then forgotten."""
        rest = b"".join(self._begun)
        self._begun.clear()
        return rest


def _take(line: bytes, before: Snapshot | None, gathering: Gathering) -> Snapshot:
    """Decode one piece and hand it on; raises DecodeError for one that does not go on with the piece before it."""
    piece = msgspec.json.decode(line, type=Snapshot)
    if before is not None and (piece.revision != before.revision or not before.more):
        raise msgspec.DecodeError("pieces of two snapshots")
    gathering.add(piece)
    return piece
