"""Background loops that are watched: one that fails is logged and started again after a pause."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

log = structlog.get_logger()
RESTART_PAUSE_S = 1.0


class Tasks:
    """The background loops of one process."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def every(self, seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Call `work` for ever, `seconds` after its last end."""

        async def loop() -> None:
            await work()
            await asyncio.sleep(seconds)

        self.forever(name, loop)

    def forever(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Call `work` again whenever it ends; after a failure, log it and wait a second first."""
        task = asyncio.create_task(self._watch(name, work), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _watch(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await work()
            except Exception:
                log.exception("task.failed", task=name)
                await asyncio.sleep(RESTART_PAUSE_S)

    async def stop(self) -> None:
        """Cancel all loops and wait until they are gone."""
        for task in list(self._running):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
