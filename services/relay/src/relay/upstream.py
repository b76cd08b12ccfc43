"""Kept connections to one origin: what the fast lane calls with.

Last used, first taken; nothing on the way of a request walks over the pool. Every request has a deadline, looked after
by one sweep.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from relay.connection import Answer, Broken, Connection, Cut, Stale, TimedOut, Unreachable, UpstreamFault
from relay.waiting import Promise

__all__ = ["Answer", "Broken", "Cut", "TimedOut", "Unreachable", "Upstream", "UpstreamFault"]

SWEEP_S = 0.05
Resolve = Callable[[], Awaitable[list[str]]]
"""Addresses of the origin, already checked by whoever made the pool; the pool connects to these and no others."""


class Upstream:
    """A pool of connections to one origin."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        connections: int = 256,
        idle_s: float = 4.0,
        connect_s: float = 2.0,
    ) -> None:
        """idle_s  connections unused for so long are ended by us, before the origin ends them under a request"""
        self.host = host
        self.port = port
        self._resolve = resolve
        self._tls = tls
        self._most = connections
        self._idle_s = idle_s
        self._connect_s = connect_s
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._opening = 0
        self._queue: deque[Promise[None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    def send(
        self,
        head: bytes,
        body: bytes | AsyncIterator[bytes] = b"",
        *,
        timeout_s: float,
        repeatable: bool = False,
        is_head: bool = False,
        new: bool = False,
    ) -> Awaitable[Answer]:
        """Send one request; the answer once its head is here. Raises UpstreamFault, or what `resolve` raises.

        repeatable  the request may be sent a second time: when a kept connection turns out to have been closed by the
                    origin in the meantime, it is repeated once on a new one
        new         on a new connection, whatever is kept
        """
        if not isinstance(body, bytes):
            return self._send_parts(head, body, is_head, timeout_s, new=new)
        request = head + body
        kept = None if new or repeatable else self._kept()
        if kept is not None:
            return kept.send(request, is_head, timeout_s)  # no coroutine of our own: nothing is left to do afterwards
        return self._send_whole(request, is_head, timeout_s, repeatable=repeatable, new=new)

    async def _send_whole(
        self, request: bytes, is_head: bool, timeout_s: float, *, repeatable: bool, new: bool
    ) -> Answer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        connection = await self._connection(deadline, new=new)
        try:
            return await connection.send(request, is_head, deadline - loop.time())
        except Stale:
            if not repeatable:
                raise
        connection = await self._connection(deadline, new=True)
        return await connection.send(request, is_head, deadline - loop.time())

    async def _send_parts(
        self, head: bytes, body: AsyncIterator[bytes], is_head: bool, timeout_s: float, *, new: bool
    ) -> Answer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        connection = await self._connection(deadline, new=new)
        return await connection.send_parts(head, body, is_head, deadline - loop.time())

    async def probe(self, timeout_s: float) -> None:
        """Make a connection, with TLS where the origin has it, and end it; raises Unreachable."""
        connection = await self._connect(asyncio.get_running_loop().time() + timeout_s)
        connection.close()

    async def _connection(self, deadline: float, *, new: bool = False) -> Connection:
        """A kept connection, or a `new` one; waits for a turn while there are enough."""
        while True:
            if self._closed:
                raise Unreachable("no longer in use", sent=False)
            kept = None if new else self._kept()
            if kept is not None:
                return kept
            if len(self._open) + self._opening < self._most:
                return await self._new(deadline)
            if self._idle:
                self._end(self._idle.popleft())
            else:
                await self._turn(deadline)

    def _kept(self) -> Connection | None:
        """The connection that was used last, of those that are free."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost:
                return connection
        return None

    async def _turn(self, deadline: float) -> None:
        """Wait until a connection is free."""
        turn: Promise[None] = Promise()
        self._queue.append(turn)
        loop = asyncio.get_running_loop()
        timer = loop.call_at(deadline, turn.fail, TimedOut("no connection became free", sent=False))
        try:
            await turn
        finally:
            timer.cancel()

    async def _new(self, deadline: float) -> Connection:
        self._opening += 1
        try:
            connection = await asyncio.ensure_future(self._connect(deadline))
        except BaseException:
            self._opening -= 1
            self._next_turn()
            raise
        self._opening -= 1
        if connection.lost or self._closed:
            self._end(connection)
            self._next_turn()
            raise Unreachable("the connection was closed at once", sent=False)
        self._open.add(connection)
        self._sweep_later()
        return connection

    async def _connect(self, deadline: float) -> Connection:
        loop = asyncio.get_running_loop()
        limit = max(0.0, min(self._connect_s, deadline - loop.time()))
        try:
            async with asyncio.timeout(limit):
                addresses = await self._resolve() if self._resolve else [self.host]
                return await self._first_that_answers(addresses)
        except TimeoutError:
            raise Unreachable(f"no connection within {limit:.1f} s", sent=False) from None

    async def _first_that_answers(self, addresses: list[str]) -> Connection:
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        name = self.host if self._tls else None
        made = partial(Connection, self.take_back, self.forget)
        for address in addresses:
            try:
                _, connection = await loop.create_connection(
                    made, address, self.port, ssl=self._tls, server_hostname=name
                )
            except OSError as error:
                failure = error
            else:
                return connection
        raise Unreachable(f"no connection: {type(failure).__name__ if failure else 'no address'}", sent=False)

    # --- the connections' side
    def take_back(self, connection: Connection) -> None:
        """A connection is free again."""
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        self._next_turn()

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        if connection in self._open:
            self._open.discard(connection)
            self._next_turn()

    def _next_turn(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done:
                turn.resolve(None)
                return

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """End requests that are over time and connections that nobody used; off the way of requests."""
        self._sweeper = None
        now = asyncio.get_running_loop().time()
        for connection in [c for c in self._open if c.deadline <= now]:
            connection.fail(TimedOut("no answer in time", sent=True))
        stale = time.monotonic() - self._idle_s
        while self._idle and self._idle[0].idle_since < stale:
            self._end(self._idle.popleft())
        if self._open:
            self._sweep_later()

    def _end(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.close()

    def close(self) -> None:
        """End all connections; requests under way and in the queue fail."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._open):
            connection.fail(Broken("no longer in use", sent=True))
        while self._queue:
            self._next_turn()
