"""Whose signature makes a checkpoint the log's word.

The newest checkpoint of a shard has to be signed by a key that the reader brought, or by one that a leaf names under
such a signature: whoever owns the database can write any key into a table, but not into a tree that somebody else
signed. Of what that newest signature covers, older checkpoints need only a key that the log had then.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from audit_service.fsck.store import Named
from audit_service.fsck.told import Statement
from audit_service.store import Shard
from tlog import checkpoint
from tlog.checkpoint import Checkpoint
from tlog.proofs import ProofError

ADDED, REMOVED, FROZEN, OPENED = "log.key_added", "log.key_removed", "log.frozen", "log.opened"


class Keys:
    """Opens checkpoints. Without a key from outside it believes the database's, and `blind` is true."""

    def __init__(self, given: Sequence[str], named: Iterable[Named], shards: Sequence[Shard]) -> None:
        self._given = tuple(given)
        self._shards = {shard.origin: shard.id for shard in shards}
        self._named: dict[int, set[str]] = defaultdict(set)
        self._vouched: dict[int, set[str]] = defaultdict(set)
        self._turns: dict[tuple[int, str], list[tuple[int, bool]]] = defaultdict(list)
        self.blind = not given
        for row in named:
            if is_vkey(row.vkey):
                self._named[row.shard].add(row.vkey)

    def hear(self, told: Statement) -> None:
        """A leaf says since when, or until when, a key signs."""
        if told.name in (ADDED, REMOVED):
            self._turns[told.shard, told.facts.get("vkey", "")].append((told.own_index, told.name == ADDED))

    def believe(self, told: Statement) -> None:
        """The same, of a leaf that a trusted signature covers. Who opens a shard also says how the last one ended."""
        if told.name == ADDED:
            self._vouched[told.shard].add(told.facts.get("vkey", ""))
        elif told.name == FROZEN:
            self._vouched[self._shards.get(told.facts.get("next", ""), 0)].update(
                told.facts.get("next_vkeys", "").split()
            )
        elif told.name == OPENED:
            before = self._shards.get(told.facts.get("previous", ""), 0)
            self._vouched[before] |= self._named[before]

    def signs(self, shard: int, vkey: str, size: int) -> bool:
        """Whether a key signs trees of that size, as far as leaves tell. One that no leaf adds was there first."""
        turns = sorted(self._turns.get((shard, vkey), []))
        stands = not (turns and turns[0][1])
        for index, added in turns:
            if index < size:
                stands = added
        return stands

    def is_trusted(self, note: str, shard: int, size: int) -> bool:
        """Whether the reader can rely on a checkpoint by itself."""
        vouched = self._named[shard] if self.blind else self._vouched[shard]
        return self._is_signed(note, [*self._given, *(key for key in vouched if self.signs(shard, key, size))])

    def open(self, note: str, shard: int, size: int) -> Checkpoint:
        """What a stored note says; raises ProofError unless a key signed it that the log had then."""
        vkeys = [*self._given, *sorted(key for key in self._named[shard] if self.signs(shard, key, size))]
        if not vkeys and self.blind:
            return checkpoint.parse(checkpoint.split_note(note).text)
        return checkpoint.open_note(note, *vkeys)

    def _is_signed(self, note: str, vkeys: Iterable[str]) -> bool:
        try:
            checkpoint.open_note(note, *filter(is_vkey, vkeys))
        except ProofError:
            return False
        return True


def is_vkey(text: str) -> bool:
    """Whether it is the key of a log."""
    try:
        checkpoint.parse_vkey(text)
    except ProofError:
        return False
    return True
