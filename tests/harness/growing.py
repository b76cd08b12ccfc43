"""A log that grows by chance, and is looked at after each step: whatever fsck finds in it is a false alarm."""

from datetime import UTC, datetime
from random import Random
from typing import Any

import asyncpg

from audit_service import leases
from audit_service.checkpoint import Signer
from audit_service.entry import batch_of
from audit_service.fsck.check import Check, Manner
from audit_service.monitor.store import watch_writers
from audit_service.search.indexer import Indexer
from audit_service.sequencer import Sequencer
from harness.audit_log import Log, ids, record
from harness.receipts import key
from tlog.hashes import SHA256, SM3
from wire.audit import Phase

RETENTIONS = ("general", "personal")


class Growing:
    """Writers come and go, batches overtake each other and get lost, keys and shards change."""

    def __init__(self, log: Log, random: Random) -> None:
        self._log = log
        self._random = random
        self._epochs: dict[str, int] = {}
        self._next: dict[str, int] = {}
        self._open: list[tuple[str, str]] = []
        self._shards = 1
        self._keys = [1]

    async def grow(self) -> None:
        """A few things that happen in any log."""
        for _ in range(self._random.randint(1, 6)):
            await self._random.choice((self._write, self._write, self._write, self._restart, self._overtake))()
        chance = self._random.random()
        if chance < 0.03:
            await self._turn()
        elif chance < 0.08:
            await self._change_key()
        if chance < 0.8:
            await self._log.sequence()
        if chance < 0.5:
            await Indexer(self._log.database).tick()
        if chance < 0.3:
            await self._log.reaper.close_fenced()
        if chance > 0.4:
            await watch_writers(self._log.database.clerk, datetime.now(UTC))

    # --- writers
    async def _writer(self) -> str:
        name = f"gateway-{self._random.randint(2, 4)}"
        if name not in self._epochs:
            self._epochs[name], self._next[name] = await leases.start(self._log.database.ingest, name), 0
        return name

    async def _batch(self) -> Any:
        """New intents, denials, and outcomes of the same writer's open calls."""
        name = await self._writer()
        self._next[name] += self._random.choice((0, 0, 0, 0, 3))
        made = []
        for number in range(self._random.randint(1, 40)):
            call, phase = self._what(name)
            salted = self._random.random() < 0.8
            leaf, salt = record(
                call, name, self._epochs[name], self._next[name] + number, phase,
                retention=self._random.choice(RETENTIONS), status=self._random.choice((0, 200, 404, 2**40, -1)),
                case=self._random.choice(("办件-1", "", "\0", "x" * 600)),
            )  # fmt: skip
            made.append((leaf, salt if salted else b""))
        batch = batch_of(name, self._epochs[name], self._next[name], made)
        self._next[name] += len(made)
        return batch

    def _what(self, name: str) -> tuple[str, Phase]:
        own = [one for one in self._open if one[1] == name]
        if own and self._random.random() < 0.45:
            ended = self._random.choice(own)
            self._open.remove(ended)
            return ended[0], "outcome"
        [call] = ids(1)
        if self._random.random() < 0.8:
            self._open.append((call, name))
            return call, "intent"
        return call, "denied"

    async def _write(self) -> None:
        await self._log.ingest.take(await self._batch())

    async def _overtake(self) -> None:
        """Two in flight; the later one is committed first, and sequenced perhaps."""
        early, late = await self._batch(), await self._batch()
        await self._log.ingest.take(late)
        if self._random.random() < 0.5:
            await self._log.sequence()
        if self._random.random() < 0.8:
            await self._log.ingest.take(early)
        elif early.gateway in self._epochs:  # it died with the first of them still under way
            await self._end(early.gateway)

    async def _restart(self) -> None:
        """A writer dies: its epoch ends, what it left open will be closed as unknown."""
        await self._end(await self._writer())

    async def _end(self, name: str) -> None:
        await leases.drain(self._log.database.ingest, name, self._epochs.pop(name))
        self._open = [one for one in self._open if one[1] != name]

    # --- sequencers
    async def _sequencer(self, origin: str, *, sm3: bool) -> None:
        await self._log.resign()
        self._log.signer = Signer(origin, *map(key, self._keys))
        self._log.sequencer = Sequencer(
            self._log.database, self._log.signer, self._log.published, suite=SM3 if sm3 else SHA256
        )
        await self._log.sequence()  # key and name are not changed at once

    async def _change_key(self) -> None:
        """The next key beside the old one; then it alone."""
        self._keys = [self._keys[0], self._keys[0] + 1] if len(self._keys) == 1 else self._keys[1:]
        await self._sequencer(self._log.signer.origin, sm3=self._is_sm3)

    async def _turn(self) -> None:
        """A new shard."""
        self._shards += 1
        await self._sequencer(f"yunjiang.example/log-{self._shards}", sm3=self._is_sm3)

    @property
    def _is_sm3(self) -> bool:
        return self._shards % 2 == 0

    # --- looking
    async def checked(self) -> list[str]:
        """What is found in the whole log, its newest leaves, and a slice of it."""
        connection = await asyncpg.connect(self._log.url)
        found: list[str] = []
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                size = await connection.fetchval("SELECT count(*) FROM audit.entry_index")
                for kind in range(3):
                    check = Check(connection, Manner(self._log.signer.vkeys(self._log.signer.origin)))
                    if kind == 0:
                        await check.whole()
                    elif kind == 1:
                        await check.newest(self._random.randint(0, 600))
                    else:
                        await check.slice(self._random.randint(0, size), 256)
                        await check.remainder()
                    found += check.findings.lines
        finally:
            await connection.close()
        return found
