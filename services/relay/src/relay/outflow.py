"""Bytes on their way to a peer: guarded against a peer that has gone, and held back while it is behind."""

import asyncio
from contextlib import suppress

from relay.waiting import Promise


class Outflow:
    """The writing side of one connection."""

    __slots__ = ("_behind", "_transport", "lost")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._behind: Promise[None] | None = None
        self.lost = False

    def write(self, data: bytes) -> None:
        """Write, or drop the bytes when the peer has gone: uvloop raises on a closed transport, and the caller may be
        a callback that serves others too."""
        if self.lost or self._transport.is_closing():
            return
        try:  # noqa: SIM105  # a context manager costs more than all the rest of this function
            self._transport.write(data)
        except (RuntimeError, OSError):
            pass

    def write_both(self, head: bytes, body: bytes) -> None:
        """The same for two pieces: one system call, and no copy of a long body."""
        if not self.lost and not self._transport.is_closing():
            with suppress(RuntimeError, OSError):
                self._transport.writelines((head, body))

    async def caught_up(self) -> None:
        """Wait while the peer is behind; returns at once when it has gone (`lost` says so)."""
        while self._behind is not None and not self.lost:
            behind = self._behind
            if behind.done:
                return
            await behind

    def pause(self) -> None:
        """The transport's buffer is full."""
        if self._behind is None:
            self._behind = Promise()

    def resume(self) -> None:
        """The transport's buffer has room again."""
        behind, self._behind = self._behind, None
        if behind is not None:
            behind.resolve(None)

    def lose(self) -> None:
        """The peer has gone."""
        self.lost = True
        self.resume()
