"""Files below a folder of this machine. Every step of a name is opened from the one before it, and none is a link."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from exchange_service.contract.model import BadContract
from exchange_service.providers.files.shelf import PART_BYTES, Found
from runtime.errors import Refusal
from wire import codes

T = TypeVar("T")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalShelf:
    """One folder below one of the roots."""

    def __init__(self, base_url: str, roots: Sequence[Path]) -> None:
        """Raises BadContract."""
        parts = urlsplit(base_url)
        folder = Path(unquote(parts.path))
        if parts.netloc or not folder.is_absolute() or ".." in folder.parts or "\x00" in str(folder):
            raise BadContract("base_url: file:///folder")
        root = next((root for root in roots if folder.is_relative_to(root)), None)
        if root is None:
            raise BadContract("base_url: the exchange lends no such folder (its setting file_roots)")
        self._root = root
        self._steps = folder.relative_to(root).parts

    async def find(self, name: list[str], left_s: float) -> Found | None:
        opened = await _in_thread(lambda: self._open(name))
        if opened is None:
            return None
        is_open = [opened]

        def close() -> None:
            while is_open:
                os.close(is_open.pop())

        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode):
            close()
            return None
        return Found(about.st_size, about.st_mtime, f'"{about.st_mtime_ns:x}-{about.st_size:x}"', is_open, close)

    async def parts(self, found: Found, first: int, length: int) -> AsyncIterator[bytes]:
        last = first + length
        while first < last and found.handle:
            descriptor, size = os.dup(found.handle[0]), min(PART_BYTES, last - first)
            part = await _in_thread(lambda: _read(descriptor, size, first))  # noqa: B023  # it is awaited here
            if not part:
                return
            first += len(part)
            yield part

    async def probe(self, left_s: float) -> None:
        os.close(await _in_thread(self._folder))

    def close(self) -> None:
        """Nothing is kept open between answers."""

    def _open(self, name: list[str]) -> int | None:
        """A descriptor of the file, None where there is none; raises Refusal where the folder is not there."""
        at = self._folder()
        try:
            with suppress(FileNotFoundError, NotADirectoryError):
                for step in name[:-1]:
                    at = _step(at, step)
                return os.open(name[-1], _FILE, dir_fd=at)
        except OSError as error:  # a link, a socket, no right to read
            raise Refusal(codes.PROVIDER_BROKEN_ANSWER, f"the file cannot be read: {type(error).__name__}") from None
        finally:
            os.close(at)
        return None

    def _folder(self) -> int:
        try:
            at = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for step in self._steps:
                at = _step(at, step)
        except OSError as error:
            raise Refusal(codes.PROVIDER_UNREACHABLE, f"the folder cannot be opened: {type(error).__name__}") from None
        return at


def _step(at: int, name: str) -> int:
    """One folder further; the one before it is closed where that worked."""
    further = os.open(name, _FOLDER, dir_fd=at)
    os.close(at)
    return further


def _read(descriptor: int, size: int, first: int) -> bytes:
    """From a descriptor of its own, so that giving the answer up meanwhile does no harm."""
    try:
        return os.pread(descriptor, size, first)
    finally:
        os.close(descriptor)


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)
