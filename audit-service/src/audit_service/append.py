"""Ingest: a batch is stored as one row, committed, and only then acknowledged (design section 7).

Words: *accepted* is committed in a batch, *sequenced* has an index in the tree, *published* is covered by a checkpoint.
"""

from collections.abc import Callable

import structlog

from audit_service import store
from audit_service.entry import BadBatch, Batch, Entry, check
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from wire import codes

log = structlog.get_logger()


class Ingest:
    """The one way into the log. `wake` tells the sequencer that there is work; `admit` raises the Refusal that says why
    nothing is taken now; `keep` is given what was read of a batch that has been committed."""

    def __init__(
        self,
        database: store.Database,
        wake: Callable[[], None],
        clock: Clock | None = None,
        admit: Callable[[], None] = lambda: None,
        keep: Callable[[Batch, list[Entry]], None] = lambda _batch, _entries: None,
    ) -> None:
        self._database = database
        self._wake = wake
        self._clock = clock or SystemClock()
        self._admit = admit
        self._keep = keep

    async def take(self, batch: Batch) -> None:
        """Commit a batch, or find that it was committed before.

        Raises Refusal: BROKEN_FRAME, OTHER_BYTES, STALE_EPOCH, AUDIT_UNAVAILABLE (then it may have been committed: say
        it again with the same key, or never use that epoch again).
        """
        self._admit()
        try:
            read = check(batch, int(self._clock.now().timestamp() * 1000))
        except BadBatch as error:
            log.critical("batch.broken", batch=batch.key, reason=str(error), alarm=True)
            raise Refusal(codes.BROKEN_FRAME, str(error)) from None
        async with store.answering("ingest", self._database.ingest):
            verdict = await store.accept(self._database.ingest, batch)
            if not verdict.fresh and verdict.before is None:  # or it came in between, by another connection
                verdict = await store.accept(self._database.ingest, batch)
        judge(batch, verdict)
        if verdict.fresh:
            self._keep(batch, read)
        self._wake()


def judge(batch: Batch, verdict: store.Verdict) -> None:
    """Raise Refusal unless the batch is stored. What was committed before its writer was fenced stays accepted."""
    if verdict.fresh or verdict.before == batch.digest:
        return
    if verdict.before is not None:
        log.critical("batch.other_bytes", batch=batch.key, alarm=True)
        raise Refusal(codes.OTHER_BYTES, batch.key)
    raise Refusal(codes.STALE_EPOCH, f"{batch.gateway} has no lease with epoch {batch.epoch}")
