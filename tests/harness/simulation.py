"""Three replicas, writers and a witness, interleaved by a seeded scheduler: one seed is one history, without processes.

Anything may fail at any wait, or only seem to; replicas crash, sleep while others take over, lose their sessions, or
two hold the office at once; shards, suites and keys change under way. In the end everything heals, and then what was
promised has to hold (security page, I5 to I8).
"""

import random
from collections import Counter
from collections.abc import Coroutine, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace

from structlog.testing import capture_logs

from audit_service.entry import Batch, batch_of
from audit_service.sequencing.ports import Ports
from audit_service.sequencing.step import FORKED, ROLLED_BACK, SUPERSEDED, Refused, SteppedDown, step, take_office
from audit_service.store import look_up
from harness.audit_log import record
from harness.log_in_memory import KEPT, LOST, Fate, Fault, RecordingSigner, Session, Wait, World, suite_of
from harness.log_in_memory import State as Rows
from harness.promises import check, vkeys_of
from harness.receipts import key
from tlog import checkpoint
from tlog.checkpoint import Checkpoint
from tlog.hashes import SHA256, SM3, Suite
from tlog.tree import consistency_proof
from witness.decide import Accept, Deny, State, decide, request

MOST_TURNS = 20_000
WANTED = (
    "a batch committed late", "a writer's commit was kept", "a writer's commit was lost",
    "a sequencer's commit was kept", "a sequencer's commit was lost", "a session was lost in its transaction",
    "somebody waited for the head", "the published file failed", "a replica crashed", "a replica was asleep",
    "two held the office", "a replica stepped down", "a shard was opened", "a superseded replica refused",
    "a key was taken away", "the witness cosigned", "the witness was behind", "the witness kept, and was not heard",
    "a shard was left frozen for a while", "the witness refused a fork",
)  # fmt: skip
"""What runs have to come to see, or they prove little."""


@dataclass(frozen=True)
class Settings:
    """What a replica is configured with."""

    origin: str
    suite: Suite
    seeds: tuple[int, ...]

    def signer(self, world: World) -> RecordingSigner:
        return RecordingSigner(world, self.origin, *(key(seed) for seed in self.seeds))


FIRST = Settings("yunjiang.example/log1", SHA256, (1,))
CHANGES = (
    replace(FIRST, seeds=(1, 2)),
    replace(FIRST, seeds=(2,)),
    Settings("yunjiang.example/log2", SHA256, (2,)),
    Settings("yunjiang.example/log3", SM3, (2,)),
)
VKEYS = {settings.origin: vkeys_of(settings.origin) for settings in (FIRST, *CHANGES)}
DAMAGED = 0
"""The id of a batch that is not what was acknowledged: it stays where it is, and holds up no other."""


class Task:
    """A coroutine driven by hand."""

    def __init__(self, name: str, coroutine: Coroutine[str, Fate, None]) -> None:
        self.name = name
        self.coroutine = coroutine
        self.at = ""
        self.asleep = 0
        self.is_over = False
        self.advance(None)

    def advance(self, fate: Fate) -> None:
        """To its next wait."""
        try:
            self.at = self.coroutine.send(fate)
        except StopIteration:
            self.is_over = True


class Replica:
    """What `audit_service.sequencer` does, over the world; `settings` may change between two starts."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.settings = FIRST
        self.session: Session | None = None
        self.in_office = False

    async def run(self) -> None:
        while True:
            try:
                await self._lead()
            except Fault:
                pass
            except SteppedDown:
                self.simulation.world.saw("a replica stepped down")
            except Refused as refused:
                if str(refused) != SUPERSEDED:
                    self.simulation.world.saw("refused in office" if self.in_office else "refused before office")
                    raise
                self.simulation.world.saw("a superseded replica refused")
            finally:
                self.in_office = False
            if self.session is not None:
                self.session.lose()
            await Wait("rest")

    async def _lead(self) -> None:
        world = self.simulation.world
        session = self.session = Session(world)
        if not await session.elect():
            return
        signer = self.settings.signer(world)
        ports = Ports(session, world, signer, self.settings.suite, witnessed=self.simulation.witness.shown)
        term = await take_office(ports)
        self.in_office = True
        if sum(replica.in_office for replica in self.simulation.replicas) > 1:
            world.saw("two held the office")
        while True:
            done = await step(ports, term)
            if not done.more:
                await Wait("idle")


class Witness:
    """Asks for the newest checkpoint, decides, keeps, answers. `held` survives whatever happens to it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.states = {origin: State(vkeys) for origin, vkeys in VKEYS.items()}

    async def shown(self, origin: str) -> list[Checkpoint]:
        """What it cosigned last."""
        held = self.states[origin].held
        return [held] if held else []

    async def run(self) -> None:
        believed: dict[str, int] = {}
        while True:
            await Wait("witness_rest")
            world = self._world
            shard = world.state.shards[-1]
            newest = world.state.newest(shard.id)
            if newest is None:
                continue
            old, size = believed.get(shard.origin, 0), newest[0]
            stored = {(level, n): hashes for (id_, level, n), hashes in world.state.tiles.items() if id_ == shard.id}
            proof = consistency_proof(old, size, look_up(stored), suite=suite_of(shard)) if 0 < old <= size else []
            try:
                believed[shard.origin] = await self._post(shard.origin, old, proof, newest[1])
            except Fault:
                continue

    async def _post(self, origin: str, old: int, proof: list[bytes], note: str) -> int:
        """The size that it holds, as the sender hears."""
        fate = await Wait("witness_post")
        if fate == LOST:
            raise Fault("witness_post")
        state = self.states[origin]
        self._forge(state, old, proof, note)
        verdict = decide(state, request(old, proof, note))
        if not isinstance(verdict, Accept):
            assert verdict.status == 409, verdict
            self._world.saw("the witness was behind")
            return verdict.size
        kept = await Wait("witness_store")
        if kept != LOST:
            held = self.states[origin].held
            assert held is None or verdict.held.size >= held.size, "the witness went back"
            self.states[origin] = replace(state, held=verdict.held)
            self._world.saw("the witness cosigned")
        if kept or fate:
            self._world.saw("the witness kept, and was not heard")
            raise Fault("witness_store")
        return verdict.held.size

    def _forge(self, state: State, old: int, proof: list[bytes], note: str) -> None:
        """Whoever has the log's key gets no second past cosigned, neither with the right proof nor with none."""
        told = checkpoint.parse(checkpoint.split_note(note).text)
        forged = checkpoint.make(told.origin, told.size, told.suite.leaf(told.root), key(2), told.suite)
        stranger = checkpoint.make(told.origin, told.size, told.root, key(9), told.suite)
        assert isinstance(decide(state, request(old, proof, stranger)), Deny), "the witness cosigned for a stranger"
        if state.held is not None and state.held.size:
            for steps in (proof, []):
                assert isinstance(decide(state, request(old, steps, forged)), Deny), "the witness cosigned a fork"
            self._world.saw("the witness refused a fork")


class Simulation:
    """One history."""

    def __init__(self, seed: int, batches: int = 5) -> None:
        self.random = random.Random(seed)
        self.world = World()
        self.witness = Witness(self.world)
        self.replicas = [Replica(self) for _ in range(3)]
        self.heals = False
        self.acknowledged: list[bytes] = []
        self._settings = FIRST
        self._changes = list(CHANGES)
        self._reap: list[Session] = []
        self.world.state.batches[DAMAGED] = _damaged()
        self._tasks = [Task(f"replica {n}", replica.run()) for n, replica in enumerate(self.replicas)]
        self._tasks += [Task(f"writer {n}", self._write(f"gateway-{n}", batches)) for n in range(3)]
        self._tasks.append(Task("witness", self.witness.run()))

    async def _write(self, name: str, batches: int) -> None:
        sequence = 0
        for number in range(batches):
            made = []
            for _ in range(self.random.choice((1, 1, 2, 5))):
                call = f"00000000-0000-7000-8000-{number:06x}{sequence:06x}"
                made.append(record(call, name, 1, sequence, "denied"))
                sequence += 1
            batch = batch_of(name, 1, sequence - len(made), made)
            while True:
                try:
                    await self.world.accept(batch)
                    break
                except Fault:
                    await Wait("retry")
            self.acknowledged += [leaf for leaf, _ in made]
            for _ in range(self.random.choice((0, 10, 40))):
                await Wait("pause")

    # --- the scheduler
    def run(self) -> None:
        """Everything: trouble first, then healing; then the promises."""
        trouble = self.random.choice((200, 500, 1000))
        for turn in range(MOST_TURNS):
            self.heals = self.heals or turn > trouble
            if self.heals and self._is_quiet():
                break
            self._turn()
        else:
            raise AssertionError("it never came to rest")
        for task in self._tasks:
            task.coroutine.close()
        check(self.world, self.acknowledged)
        assert DAMAGED in self.world.state.batches, "a damaged batch is gone"

    def _is_quiet(self) -> bool:
        state = self.world.state
        written = all(task.is_over for task in self._tasks if task.name.startswith("writer"))
        turned = not self._changes and state.shards[-1].origin == self._settings.origin
        sealed = (state.shard, state.size) in state.checkpoints and state.shards[-1].size is None
        seen = self.world.published
        told = seen is not None and (seen.shard, seen.size) == (state.shard, state.size)
        return written and turned and sealed and told and set(state.batches) <= {DAMAGED}

    def _turn(self) -> None:
        if self._reap and (self.heals or self.random.random() < 0.1):
            self._reap.pop().lose()
        turned = self.world.state.shards[-1].origin == self._settings.origin
        rolled_out = turned and all(replica.settings == self._settings for replica in self.replicas)
        if self._changes and rolled_out and (self.heals or self.random.random() < 0.01):  # one change at a time
            self._settings = self._changes.pop(0)
        if not self.heals and self.random.random() < 0.03:
            self._disturb()
        ready = [task for task in self._tasks if not task.is_over and not task.asleep]
        if ready and ready[-1].at == "witness_rest" and self.random.random() < 0.8:
            ready.pop()
        for task in self._tasks:
            task.asleep = 0 if self.heals else max(0, task.asleep - 1)
        if ready:
            self._advance(self.random.choice(ready))
        if self.world.state.shards[-1].size is not None:
            self.world.saw("a shard was left frozen for a while")

    def _advance(self, task: Task) -> None:
        number = self._tasks.index(task)
        if number < len(self.replicas) and task.at == "rest" and (self.heals or self.random.random() < 0.3):
            self.replicas[number].settings = self._settings
        elif number < len(self.replicas) and self.heals and self.replicas[number].settings != self._settings:
            self._crash(number)
            return
        fails = not self.heals and self.random.random() < 0.04
        fate = self.random.choice((LOST, KEPT)) if fails else None
        self.world.sign_fate = LOST if not self.heals and self.random.random() < 0.01 else None
        task.advance(fate)

    def _disturb(self) -> None:
        """A replica crashes, falls asleep, loses its session, or its lock."""
        number = self.random.randrange(len(self.replicas))
        replica, task = self.replicas[number], self._tasks[number]
        what = self.random.randrange(4)
        if what == 0:
            self._crash(number)
        elif what == 1:
            task.asleep = self.random.randrange(20, 200)
            self.world.saw("a replica was asleep")
        elif what == 2 and replica.session is not None:
            replica.session.lose()
        elif what == 3:
            self.world.leader = None  # the lock is not safe: that is what epochs are for

    def _crash(self, number: int) -> None:
        """The process is gone at once, its session when the server notices."""
        replica, task = self.replicas[number], self._tasks[number]
        task.coroutine.close()
        if replica.session is not None:
            self._reap.append(replica.session)
        replica.session = None
        replica.settings = self._settings
        self._tasks[number] = Task(task.name, replica.run())
        self.world.saw("a replica crashed")


def _damaged() -> Batch:
    whole = batch_of("gateway-9", 1, 0, [record(f"00000000-0000-7000-8000-{9:012}", "gateway-9", 1, 0, "denied")])
    return replace(whole, digest=bytes(32))


class PutBack(Simulation):
    """A history in which rows are put back once, from before something was published; the file stays.

    Nobody signs over what was published, and whoever is, or comes to be, in office refuses.
    """

    def run(self) -> None:
        """Until somebody refuses."""
        save_at, trouble = self.random.randrange(20, 200), self.random.choice((200, 500))
        saved: Rows | None = None
        is_done = False
        for turn in range(MOST_TURNS):
            self.heals = self.heals or turn > trouble
            if turn == save_at:
                saved = deepcopy(self.world.state)
            if saved is not None and not is_done and self._is_ahead_of(saved):
                is_done = self.random.random() < 0.1
                if is_done:
                    self._put_back(saved)
            try:
                self._turn()
            except Refused as refused:
                if not is_done or str(refused) not in (ROLLED_BACK, FORKED):
                    raise
                break
        else:
            raise AssertionError("nobody noticed")
        for task in self._tasks:
            task.coroutine.close()

    def _is_ahead_of(self, saved: Rows) -> bool:
        seen = self.world.published
        if seen is None or self.world.head_lock is not None or seen.origin != self._settings.origin:
            return False
        is_rolled_out = all(replica.settings == self._settings for replica in self.replicas)
        return is_rolled_out and (seen.shard, seen.size) > (saved.shard, saved.size)

    def _put_back(self, saved: Rows) -> None:
        """By a superuser who leaves the epoch alone, or as a backup does; what waits goes on waiting."""
        now = self.world.state
        epoch = self.random.choice((now.epoch, saved.epoch))
        self.world.state = replace(saved, epoch=epoch, batches=now.batches)
        self._changes.clear()  # another origin would be the way to go on
        self._tasks.pop().coroutine.close()  # the witness would tell as well


def histories(seeds: Iterable[int], kind: type[Simulation] = Simulation) -> Counter[str]:
    """Run many; how often each wanted state was reached. Raises AssertionError that names the seed."""
    reached: Counter[str] = Counter()
    for seed in seeds:
        simulation = kind(seed)
        try:
            with capture_logs():
                simulation.run()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        reached.update(simulation.world.sometimes)
    return reached
