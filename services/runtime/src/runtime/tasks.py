"""Background loops that are watched: one that fails is logged and started again after a pause."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar, TypeVarTuple

import structlog

log = structlog.get_logger()
RESTART_PAUSE_S = 1.0
LARGE_BYTES = 256 * 1024
"""What is longer is worked on in a thread."""
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def apart(size: int, work: Callable[[*Ts], T], *args: *Ts, above: int = LARGE_BYTES) -> T:
    """Do the work in a thread where it works on more than `above` bytes, so that nobody else waits; here otherwise."""
    if size > above:
        return await asyncio.get_running_loop().run_in_executor(None, work, *args)
    return work(*args)


async def happens(event: asyncio.Event, within_s: float) -> bool:
    """Whether it is set within so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), within_s)
    except TimeoutError:
        return False
    return True


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


class Served:
    """Those who are being served, each by a task of its own, so that a slow one holds up no other.

    what   what they are, in log lines      most   how many at once      serve  has its turn with one of them
    """

    def __init__(self, what: str, most: int, serve: Callable[[str], Awaitable[None]]) -> None:
        self._what = what
        self._most = most
        self._serve = serve
        self._running: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._running)

    @property
    def free(self) -> int:
        """How many more could be served now."""
        return self._most - len(self._running)

    @property
    def now(self) -> list[str]:
        """Who is being served."""
        return list(self._running)

    def begin(self, found: Iterable[str]) -> None:
        """Serve these as well; none of them may be in `now`."""
        for one in found:
            self._running[one] = asyncio.create_task(self._attend(one), name=f"{self._what} {one}")

    async def _attend(self, one: str) -> None:
        try:
            await self._serve(one)
        except Exception:
            log.exception(f"{self._what}.failed", **{self._what: one})
        finally:
            del self._running[one]

    async def idle(self) -> None:
        """Wait until everything that was begun has ended."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._running.values():
            task.cancel()
        await self.idle()
