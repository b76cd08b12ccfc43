"""What this process has just read or written, kept for whoever comes next in it and need not read it again.

Only what is in the database counts: what is kept here saves work and decides nothing. Pure: no I/O, no clock.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from audit_service.entry import Batch, Entry, Head, NewCall, NewEvent, undamaged

Ended = tuple[str, int, bytes | NewCall | NewEvent]
"""Segment, index and leaf, read or as bytes, of what is no intent."""
MOST_LEAVES = 16_384
"""Leaves that the indexer has not followed yet. A replica where another one does that keeps no more than that."""
MOST_BYTES = 16 * 1024 * 1024
"""Content of batches: more than waits for one step. A replica that is not the sequencer keeps no more than that."""


class Fresh:
    """Batches and their records, from ingest to the sequencer. Used where the stored batch is, byte for byte, the one
    that was read."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[Batch, list[Entry]]] = {}
        self._bytes = 0

    def keep(self, batch: Batch, entries: list[Entry]) -> None:
        """Remember the records of a batch that has been committed; at the cost of the oldest ones."""
        self._forget(batch.digest)
        self._kept[batch.digest] = batch, entries
        self._bytes += len(batch.content)
        while self._bytes > MOST_BYTES:
            self._forget(next(iter(self._kept)))

    def take(self, batch: Batch) -> list[Entry]:
        """The records of a stored batch, once; raises BadBatch where it is not what was acknowledged."""
        kept = self._forget(batch.digest)
        return kept[1] if kept and kept[0] == batch else undamaged(batch)

    def _forget(self, digest: bytes) -> tuple[Batch, list[Entry]] | None:
        kept = self._kept.pop(digest, None)
        if kept is not None:
            self._bytes -= len(kept[0].content)
        return kept


class Tail:
    """The newest leaves of the tree but for intents, from the sequencer to the indexer. No gaps: what came into the
    tree in another way ends what is here."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int, list[Ended]]] = deque()

    def add(self, first: int, added: Sequence[Entry], segments: Mapping[str, str]) -> None:
        """Leaves from index `first` on that have been committed. `segments` is by retention class."""
        if self._steps and self._steps[-1][1] != first:
            self._steps.clear()
        ended: list[Ended] = [
            (segments[entry.head.retention], index, entry.leaf if isinstance(entry.head, Head) else entry.head)
            for index, entry in enumerate(added, first)
            if entry.head.phase != "intent"
        ]
        self._steps.append((first, first + len(added), ended))
        while self._steps[-1][1] - self._steps[0][0] > MOST_LEAVES and len(self._steps) > 1:
            self._steps.popleft()

    def take(self, start: int, sequenced: int) -> tuple[int, list[Ended]] | None:
        """One step that begins at index `start`: where it ends, and what ended in it. None if it has to be read."""
        while self._steps and self._steps[0][0] < start:
            self._steps.popleft()
        if not self._steps or self._steps[0][0] != start or self._steps[0][1] > sequenced:
            return None
        _, end, ended = self._steps[0]  # until it is followed for certain it stays
        return end, ended
