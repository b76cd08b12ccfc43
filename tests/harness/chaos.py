"""A relay between two programs that stops forwarding without a word, as a network does that drops packets."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"


@dataclass(eq=False)
class Passing:
    """One connection. `open`: cleared while nothing is let through; `marked`: its opener has said the mark."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    marked: bool = False
    writers: list[asyncio.StreamWriter] = field(default_factory=list)


class Relay:
    """Listens at `port` and passes bytes to the other end and back; its work is done in a thread of its own."""

    def __init__(self, target: int, mark: bytes) -> None:
        self.port = 0
        self._target = target
        self._mark = mark
        self._loop = asyncio.new_event_loop()
        self._passing: set[Passing] = set()
        self._silent = False

    def freeze(self) -> int:
        """Stop what is open now and has said the mark, and only that; answers how many such connections are stopped."""
        frozen: int = self._do(self._freeze())
        return frozen

    def silence(self) -> None:
        """Stop everything, also what is opened from now on."""
        self._do(self._set_silent(True))

    def mend(self) -> None:
        """Let everything through again; what was stopped is lost."""
        self._do(self._set_silent(False))

    async def _freeze(self, *, all_of_them: bool = False) -> int:
        chosen = [one for one in self._passing if one.open.is_set() and (one.marked or all_of_them)]
        for one in chosen:
            one.open.clear()
        return sum(one.marked and not one.open.is_set() for one in self._passing)

    async def _set_silent(self, silent: bool) -> None:
        self._silent = silent
        if silent:
            await self._freeze(all_of_them=True)
        else:
            self._end_all(only_stopped=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = Passing(writers=[writer])
        self._passing.add(one)
        if not self._silent:
            one.open.set()
        try:
            await one.open.wait()
            their_reader, their_writer = await asyncio.open_connection(HOST, self._target)
            one.writers.append(their_writer)
            await asyncio.gather(
                self._pass(one, reader, their_writer, opener=True), self._pass(one, their_reader, writer)
            )
        except (OSError, asyncio.CancelledError):
            pass  # asyncio of Python 3.11 complains of a handler that was cancelled
        finally:
            self._passing.discard(one)
            for end in one.writers:
                end.close()

    async def _pass(
        self, one: Passing, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, opener: bool = False
    ) -> None:
        while data := await reader.read(65536):
            one.marked = one.marked or (opener and self._mark in data)
            await one.open.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    def _end_all(self, *, only_stopped: bool) -> None:
        for one in self._passing:
            if not (only_stopped and one.open.is_set()):
                for end in one.writers:
                    end.transport.abort()
                one.open.set()

    def _do(self, work: "Awaitable[Any]") -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._connected, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        self._end_all(only_stopped=False)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*left, return_exceptions=True)


@contextmanager
def relay(target: int, mark: bytes = b"") -> Iterator[Relay]:
    """A relay to this port of this machine, until the end of the block. `mark`: see `Relay.freeze`."""
    one = Relay(target, mark)
    thread = threading.Thread(target=one._loop.run_forever)
    thread.start()
    server = one._do(one._start())
    try:
        yield one
    finally:
        one._do(one._stop(server))
        one._loop.call_soon_threadsafe(one._loop.stop)
        thread.join()
        one._loop.close()
