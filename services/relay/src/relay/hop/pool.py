"""The framed connections to one of our services: one to each address of its name, kept open.

The name has to lead to the service itself, each of its processes by its own address. Behind one address for many, such
as that of a balancer, one connection is made, and all calls go to the one process that got it.
"""

import asyncio
import socket
from typing import Any, Final

import structlog

from relay.hop.asker import MOST_UNDER_WAY, Asker, NoFrames, Pending
from relay.hop.greeting import BadGreeting
from runtime.service_auth import ServiceKey

log = structlog.get_logger()
LOOK_S: Final = 0.1
"""How often whoever owns a hop calls `keep`."""
SWEEP_S: Final = 0.05
CONNECT_S: Final = 2.0
RESOLVE_S: Final = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
OLD_S: Final = 60.0
"""A service that speaks HTTP alone is asked again after so long whether it still does."""
ALIKE: Final = 16
"""So many calls under way more or less make no difference: one that refuses all at once never has any, and would draw
the calls that others answer."""


class Hop:
    """What a service asks another one with. It only ever is the faster way: where `ask` answers None, there is HTTP."""

    def __init__(self, host: str, port: int, key: ServiceKey, limit_bytes: int) -> None:
        """limit_bytes  of an answer's body: one that is longer comes cut, and is still longer"""
        self._host = host
        self._port = port
        self._key = key
        self._limit_bytes = limit_bytes
        self._lines: list[Asker] = []
        self._addresses: list[str] = []
        self._resolve_at = 0.0
        self._turn = 0  # where the search for one to ask begins
        self._not_before: dict[str, float] = {}  # address -> when it may be tried again
        self._pause_s: dict[str, float] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    def ask(self, target: str, message: Any, trace: bytes, body: bytes, timeout_s: float) -> Pending | None:
        """The reply that will come, or an UpstreamFault; None where no connection can be asked now.

        message  a msgspec Struct or what msgspec can encode       trace  value of the header traceparent, b""
        """
        line = self._least_busy()
        if line is None:
            return None
        return line.ask(target, message, trace, body, asyncio.get_running_loop().time() + timeout_s)

    def _least_busy(self) -> Asker | None:
        """Of those that are about as busy, each in its turn."""
        found: Asker | None = None
        lines, least = self._lines, MOST_UNDER_WAY
        self._turn += 1
        for place in range(self._turn, self._turn + len(lines)):
            line = lines[place % len(lines)]
            if line.usable and line.under_way // ALIKE < least:
                found, least = line, line.under_way // ALIKE
        return found

    # --- connections
    async def keep(self) -> None:
        """Open what is missing, leave what the name does not lead to any more; called again and again by its owner."""
        now = asyncio.get_running_loop().time()
        self._lines = [line for line in self._lines if not line.lost]
        if now >= self._resolve_at:
            await self._resolve()
            self._resolve_at = now + RESOLVE_S
            for line in self._lines:
                if line.address not in self._addresses:
                    line.leave()
        open_to = {line.address for line in self._lines if not line.leaving}
        missing = [a for a in self._addresses if a not in open_to and now >= self._not_before.get(a, 0.0)]
        await asyncio.gather(*(self._open(address) for address in missing))

    async def _resolve(self) -> None:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            return  # what was known is still tried
        self._addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        for address in self._not_before.keys() - set(self._addresses):
            del self._not_before[address], self._pause_s[address]

    async def _open(self, address: str) -> None:
        """A connection to this address, or a pause before the next attempt."""
        loop = asyncio.get_running_loop()
        made: Asker | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                _, made = await loop.create_connection(lambda: Asker(self._key, self._limit_bytes), address, self._port)
                await made.ready
        except NoFrames:
            log.info("frames.not_spoken", address=address, port=self._port, again_in_s=OLD_S)
            self._put_off(address, OLD_S)
        except (BadGreeting, OSError, TimeoutError) as error:
            if address not in self._pause_s:  # one line until it is there again
                reason = str(error) or type(error).__name__
                log.warning("frames.no_connection", address=address, port=self._port, error=reason)
            self._put_off(address, min(self._pause_s.get(address, FIRST_PAUSE_S) * 2, LONGEST_PAUSE_S))
        else:
            self._take(made, address)
            return
        if made is not None:
            made.abort()

    def _put_off(self, address: str, pause_s: float) -> None:
        self._pause_s[address] = pause_s
        self._not_before[address] = asyncio.get_running_loop().time() + pause_s

    def _take(self, line: Asker, address: str) -> None:
        log.info("frames.connected", address=address, port=self._port)
        self._not_before.pop(address, None)
        self._pause_s.pop(address, None)
        line.address = address
        self._lines.append(line)
        if self._closed:
            line.close()
        elif self._sweeper is None:
            self._sweep()

    def _sweep(self) -> None:
        """End calls that are over time; one timer for all of them."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._sweeper = loop.call_later(SWEEP_S, self._sweep) if self._lines else None
        for line in self._lines:
            line.sweep(now)

    def close(self) -> None:
        """End all connections; calls under way fail."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for line in self._lines:
            line.close()
