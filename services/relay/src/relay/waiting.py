"""Waiting without tasks: a call is one coroutine that is stepped by hand, in the very callback that it waits for.

An asyncio task costs a trip through the event loop at its start and at every wake-up. On the fast lane a call waits
three or four times, each time for a callback that we are in anyway (bytes arrived, a batch was acknowledged).
So the coroutine is resumed there and then. Inside such a coroutine one may await a `Promise` or any asyncio future;
what needs a current task (asyncio.timeout, a database driver) has to be wrapped in `asyncio.ensure_future`.
A task may await a `Promise` too: it is then woken by the loop, as by any future.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Generic, NoReturn, TypeVar

import structlog

log = structlog.get_logger()
T = TypeVar("T")


class AwaitedTwice(RuntimeError):
    """Whom the promise was for has had its error already."""


class Promise(Awaitable[T], Generic[T]):
    """A value that comes later, for one waiter. A driven coroutine runs inside `resolve` or `fail`."""

    __slots__ = ("_asyncio_future_blocking", "_callback", "_error", "_value", "done")

    def __init__(self) -> None:
        self.done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._callback: Callable[[Any], object] | None = None
        self._asyncio_future_blocking: bool | None = None  # True while it is handed to a task, None: not a future

    def resolve(self, value: T) -> None:
        """Give the value; later calls change nothing."""
        if self.done:
            return
        self.done = True
        self._value = value
        callback, self._callback = self._callback, None
        if callback is not None:
            callback(self)

    def fail(self, error: BaseException) -> None:
        """Give an error instead; later calls change nothing."""
        if not self.done:
            self._error = error
            self.resolve(None)  # type: ignore[arg-type]  # nobody gets it: result() raises

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context | None = None) -> None:
        """Called once, with the promise. A task gives its context: it cannot be stepped inside another task's step."""
        if context is None:
            self._callback = callback
        else:
            loop = asyncio.get_running_loop()
            self._callback = lambda promise: loop.call_soon(callback, promise, context=context)

    def result(self) -> T:
        """The value; raises the error."""
        if self._error is not None:
            self._raise(self._error)
        return self._value  # type: ignore[return-value]  # resolve() set it

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done:
            self._asyncio_future_blocking = True
            yield self
        if self._error is not None:
            self._raise(self._error)
        return self._value  # type: ignore[return-value]  # as in result(), which costs a call

    def _raise(self, error: BaseException) -> NoReturn:
        """Once: an error that was raised holds the frames that it went through and all that is in them, this promise
        too; if we held it as well, all of that would wait for the garbage collector."""
        self._error = AwaitedTwice()
        try:
            raise error
        finally:
            del error

    # --- what a task asks of a future
    def get_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def cancel(self, msg: Any = None) -> bool:
        """The waiting task was cancelled."""
        if self.done:
            return False
        self.fail(asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg))
        return True


class _Drive:
    """One coroutine being stepped."""

    __slots__ = ("_coroutine", "_crashed", "_returned")

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], crashed: Callable[[], None], returned: Callable[[], None] | None
    ) -> None:
        self._coroutine = coroutine
        self._crashed = crashed
        self._returned = returned

    def step(self, _done: Any = None) -> None:
        try:
            awaited = self._coroutine.send(None)
        except StopIteration:
            if self._returned is not None:
                self._returned()
            return
        except (Exception, asyncio.CancelledError):  # a future that it waited for was cancelled: a failure like others
            log.exception("call.crashed")
            self._crashed()
            return
        if awaited is None:  # asyncio.sleep(0): let others run
            asyncio.get_running_loop().call_soon(self.step)
            return
        awaited._asyncio_future_blocking = False  # what asyncio's own task does when it takes a future over
        awaited.add_done_callback(self.step)


def drive(
    coroutine: Coroutine[Any, Any, None], crashed: Callable[[], None], returned: Callable[[], None] | None = None
) -> None:
    """Run `coroutine` until it first waits, then onwards from the callbacks that it waits for.

    crashed   called when the coroutine raised: a bug, already logged
    returned  called when it came to its end
    """
    _Drive(coroutine, crashed, returned).step()
