"""What was read of batches when they came in, kept for the sequencer in the same process: it need not read them again.

Only what is in the database counts. What is kept here is used where the stored batch is, byte for byte, the one that
was read; it saves work and decides nothing. Pure: no I/O, no clock.
"""

from audit_service.entry import Batch, Entry, undamaged

MOST_BYTES = 16 * 1024 * 1024
"""Content of batches: more than waits for one step. A replica that is not the sequencer keeps no more than that."""


class Fresh:
    """Batches and their records, the oldest first."""

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
