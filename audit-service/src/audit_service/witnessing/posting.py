"""Getting checkpoints cosigned: every witness is asked by itself, and none waits for another.

A witness that holds more than the log, or says that the log contradicts it, is an alarm. It stops nothing by itself:
a witness can be wrong or lie. What it can prove with the log's own signature is for the sequencer, which asks for it
before it takes office.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from audit_service import store as log_store
from audit_service.store import Database, look_up
from audit_service.witnessing import store
from audit_service.witnessing.asking import Away, Contradicted, Cosigned, NoAnswer, Witness, WitnessClient
from audit_service.witnessing.store import Tip
from runtime.clock import Clock, SystemClock
from tlog.checkpoint import Checkpoint, open_checkpoint, parse_vkey
from tlog.hashes import SUITES
from tlog.proofs import ProofError
from tlog.tiles import edge_tiles
from tlog.tree import consistency_proof, consistency_tiles, root

log = structlog.get_logger()
CLOCKS_APART_S = 300
Keep = Callable[[Tip, Cosigned], Awaitable[None]]


class Witnessing:
    """The witnesses of this log. `tick` is called every few seconds, on every replica.

    own_keys  origin -> vkeys of the log's present keys, as `Signer.vkeys` says
    """

    def __init__(
        self,
        database: Database,
        witnesses: Sequence[Witness],
        own_keys: Callable[[str], Sequence[str]],
        clock: Clock | None = None,
        clients: Sequence[WitnessClient] | None = None,
    ) -> None:
        self.witnesses = tuple(witnesses)
        self._database = database
        self._own_keys = own_keys
        self._clock = clock or SystemClock()
        self._told: set[tuple[str, str, int]] = set()
        self._clients = [WitnessClient(witness) for witness in witnesses] if clients is None else list(clients)

    async def tick(self) -> None:
        """Offer the newest checkpoint of each shard to every witness that has not cosigned it."""
        if not self._clients:
            return
        async with log_store.turn(self._database.clerk, "witnesses") as connection:
            if connection is None:
                return
            tips, writing = await store.tips(self._database.reader), asyncio.Lock()
            serving = (self._serve(connection, writing, one, tips) for one in self._clients)
            results = await asyncio.gather(*serving, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def proven(self, origin: str) -> list[Checkpoint]:
        """What witnesses show of a log with a signature of its own, of those that answer in time."""
        notes = await asyncio.gather(*(self._proven(one, origin) for one in self._clients))
        return [note for note in notes if note is not None]

    async def close(self) -> None:
        for one in self._clients:
            await one.close()

    async def _serve(self, connection: Any, writing: asyncio.Lock, one: WitnessClient, tips: Sequence[Tip]) -> None:
        """All shards that it has not cosigned to their ends."""

        async def keep(tip: Tip, cosigned: Cosigned) -> None:
            async with writing:
                await store.add_cosignature(connection, tip, one.name, cosigned.line, self._clock.now())

        errors = []
        sizes = await store.cosigned_sizes(self._database.reader, one.name)
        for tip in reversed(tips):  # the shard that grows comes first, and trouble with an old one holds up no other
            if sizes.get(tip.shard.id, -1) >= tip.size:
                continue
            try:
                await self._offer(one, tip, sizes.get(tip.shard.id, 0), keep)
            except NoAnswer as no:
                errors.append(f"{tip.shard.origin}: {no}")
                log.warning("witness.no_cosignature", witness=one.name, origin=tip.shard.origin, reason=str(no))
                if isinstance(no, Away):
                    break
        async with writing:
            await store.note_attempt(connection, one.name, self._clock.now(), "; ".join(errors))

    async def _offer(self, one: WitnessClient, tip: Tip, old: int, keep: Keep) -> None:
        """One checkpoint; twice if the witness names another size to begin from. Raises NoAnswer."""
        for _ in range(2):
            answer = await one.submit(old, await self._proof(tip, old), tip.note)
            if isinstance(answer, Cosigned):
                self._compare_clocks(one, answer.at_s)
                await keep(tip, answer)
                log.info("checkpoint.witnessed", witness=one.name, origin=tip.shard.origin, size=tip.size)
                return
            if isinstance(answer, Contradicted):
                await self._contradicted(one, tip, answer)
            elif answer.size > tip.size:
                await self._behind(one, tip, answer.size)
            else:
                if answer.size < old:
                    log.critical("witness.forgot", alarm=True, witness=one.name, origin=tip.shard.origin,
                                 cosigned=old, holds=answer.size)  # fmt: skip
                old = answer.size
        raise NoAnswer("named one size after another")

    async def _proof(self, tip: Tip, old: int) -> list[bytes]:
        if not 0 < old < tip.size:
            return []
        tiles = await log_store.tiles(self._database.reader, consistency_tiles(old, tip.size), tip.shard.id)
        return consistency_proof(old, tip.size, look_up(tiles), suite=SUITES[tip.shard.suite])

    def _compare_clocks(self, one: WitnessClient, at_s: int) -> None:
        """Our own clock decides everything; that the other one is wrong is worth a word. Raises NoAnswer for a time to
        come: kept, it would make every right one after it look like a step back."""
        apart_s = at_s - int(self._clock.now().timestamp())
        if abs(apart_s) > CLOCKS_APART_S:
            log.warning("witness.clock_differs", witness=one.name, apart_s=apart_s)
        if apart_s > CLOCKS_APART_S:
            raise NoAnswer("cosigned with a time that has not come")

    # --- when the witness has seen another past
    async def _behind(self, one: WitnessClient, tip: Tip, size: int) -> None:
        """The witness says that it cosigned more than was offered. Raises NoAnswer, after an alarm if that is all."""
        newest = await log_store.newest_checkpoint(self._database.reader, tip.shard.id)
        if newest is not None and newest[0] >= size:
            raise NoAnswer("has cosigned a newer checkpoint already")
        proof = await self._proven(one, tip.shard.origin)
        is_proved = proof is not None and proof.size > tip.size
        self._alarm("log.rolled_back", one, tip, witnessed_size=size, proved=is_proved)
        raise NoAnswer("cosigned a larger tree than this log has")

    async def _contradicted(self, one: WitnessClient, tip: Tip, answer: Contradicted) -> None:
        """The witness says that our tree is not the one it cosigned. Raises NoAnswer, after an alarm."""
        proof = await self._proven(one, tip.shard.origin)
        is_proved = proof is not None and not await self._is_ours(tip, proof)
        witnessed_size = proof.size if proof else None
        self._alarm("log.forked", one, tip, answer=answer.reason, proved=is_proved, witnessed_size=witnessed_size)
        raise NoAnswer("says that this log contradicts what it cosigned")

    def _alarm(self, event: str, one: WitnessClient, tip: Tip, **facts: object) -> None:
        """Again and again, but for a frozen shard once: what it lost does not come back."""
        what = (event, one.name, tip.shard.id)
        is_alarm = tip.shard.size is None or what not in self._told
        self._told.add(what)
        say = log.critical if is_alarm else log.warning
        say(event, alarm=is_alarm, witness=one.name, origin=tip.shard.origin, size=tip.size, **facts)

    async def _proven(self, one: WitnessClient, origin: str) -> Checkpoint | None:
        """What the witness shows as cosigned last, if a key of this log signed it; None if it shows no such thing."""
        try:
            note = await one.held(origin)
            known = filter(_is_vkey, await store.log_keys(self._database.reader, origin))
            found = open_checkpoint(note, *{*known, *self._own_keys(origin)})
        except (NoAnswer, ProofError):
            return None
        return found if found.origin == origin else None

    async def _is_ours(self, tip: Tip, theirs: Checkpoint) -> bool:
        """Whether a checkpoint is one of the stored tree. Larger ones are another alarm."""
        if theirs.size > tip.size:
            return True
        suite = SUITES[tip.shard.suite]
        tiles = await log_store.tiles(self._database.reader, edge_tiles(theirs.size), tip.shard.id)
        try:
            return theirs.suite.name == suite.name and root(theirs.size, look_up(tiles), suite=suite) == theirs.root
        except ProofError:  # a tile is missing or cut
            return False


def _is_vkey(text: str) -> bool:
    """A row that is none must not hide what the right ones prove."""
    try:
        parse_vkey(text)
    except ProofError:
        return False
    return True
