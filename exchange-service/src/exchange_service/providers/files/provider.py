"""Providers of files: `GET` streams one, whole or a range of it, `HEAD` tells its size.

Parts go out as fast as they are taken and never gather in memory. Where digests are registered, a whole file is hashed
on its way, and its last part is held back until the digest is known to be right. A small one is read before its head
leaves, so that whoever asks is told what is wrong with it.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from exchange_service.contract.model import BadContract
from exchange_service.credentials.model import Credential
from exchange_service.providers.files.local import LocalShelf
from exchange_service.providers.files.s3 import S3Shelf
from exchange_service.providers.files.shelf import Found, Shelf, Span, span_of, whole_name
from exchange_service.providers.provider import Answer, Made, Question, Whole
from exchange_service.providers.rest import refusal_of
from relay.call import BodyTooLarge
from relay.egress import Egress, EgressDenied
from relay.upstream import Broken, TimedOut, UpstreamFault
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Files, Interface, Operation

T = TypeVar("T")
STUCK_S = 30.0
DIGEST_BYTES = 1024
HELD_BYTES = 1024 * 1024
"""Files up to this size are held against their digest before a word of the answer leaves; larger ones break off."""
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class FilesProvider:
    """One interface's files."""

    def __init__(
        self,
        interface: Interface,
        egress: Egress,
        credential: Callable[[], Credential | None],
        roots: Sequence[Path] = (),
    ) -> None:
        """roots  folders of this machine below which interfaces may lie; none unless the setting names some.

        Raises BadContract.
        """
        adapter = interface.adapter
        if not isinstance(adapter, Files) or interface.format != "binary":
            raise BadContract("format: files are `binary`")
        if any(operation.method not in ("GET", "HEAD") for operation in interface.operations):
            raise BadContract("operations: files are read, with GET and HEAD")
        self._digests = adapter.digests
        self._shelf = _shelf_of(interface, adapter, egress, credential, roots)

    async def ask(self, question: Question, timeout_s: float) -> Answer:
        """The file or a range of it, 404 where there is none; raises Refusal."""
        return await asyncio.ensure_future(self._ask(question, timeout_s))

    async def probe(self, timeout_s: float) -> None:
        """Whether the place is there; raises Refusal."""
        await asyncio.ensure_future(_within(timeout_s, self._shelf.probe(timeout_s)))

    def close(self) -> None:
        """End what is kept open; answers under way break off."""
        self._shelf.close()

    async def _ask(self, question: Question, timeout_s: float) -> Answer:
        until = asyncio.get_running_loop().time() + timeout_s
        name = whole_name(_filled(question.operation, question.values))
        found = await _within(timeout_s, self._shelf.find(name, timeout_s))
        if found is None:
            return Made(404)
        try:
            if question.operation.method == "HEAD":
                found.close()
                return Told(200, found.headers, Nothing(found.size))
            span = span_of(question.range, found.size)
            digest = await self._digest(name, until) if self._digests and not span.is_part else ""
        except BaseException:
            found.close()
            raise
        headers = {**found.headers, b"content-range": span.line(found.size)} if span.is_part else found.headers
        body = Parts(self._shelf.parts(found, span.first, span.length), found, span, digest)
        if digest and span.length <= HELD_BYTES:
            return Told(200, headers, Held(await _within(until - asyncio.get_running_loop().time(), _checked(body))))
        return Told(206 if span.is_part else 200, headers, body)

    async def _digest(self, name: list[str], until: float) -> str:
        """The hex digest that stands beside the file; raises Refusal where there is none."""
        left_s = until - asyncio.get_running_loop().time()
        beside = await _within(left_s, self._shelf.find([*name[:-1], name[-1] + ".sha256"], left_s))
        if beside is None or beside.size > DIGEST_BYTES:
            if beside is not None:
                beside.close()
            raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "no digest lies beside the file")
        content = await Parts(self._shelf.parts(beside, 0, beside.size), beside, Span(0, beside.size), "").read(
            DIGEST_BYTES
        )
        matched = re.match(rb"\s*([0-9a-fA-F]{64})(?:\s|$)", content)
        if matched is None:
            raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "what lies beside the file is no digest")
        return matched[1].decode("ascii").lower()


class Told:
    """An answer with these headers, whose body is still to come."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[bytes, bytes], body: "Parts | Nothing | Held") -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def discard(self) -> None:
        """The rest is not wanted."""
        self.body.discard()


class Nothing:
    """The body that an answer to HEAD does not have; its size is told."""

    def __init__(self, announced: int) -> None:
        self.announced: int | None = announced

    async def read(self, limit: int) -> bytes:
        return b""

    async def chunk(self) -> bytes:
        return b""

    def discard(self) -> None: ...


class Held(Whole):
    """A small file that was read to its end before its head left."""

    def discard(self) -> None:
        """Nothing is kept open."""


class WrongDigest(Broken):
    """The whole file is not the one that the digest beside it is of."""


class Parts:
    """A file that is being read, one part at a time, when the part is asked for."""

    def __init__(self, parts: AsyncIterator[bytes], found: Found, span: Span, digest: str) -> None:
        """`digest`  hex SHA-256 that all parts together must have, "" for none"""
        self.announced: int | None = span.length
        self._parts = parts
        self._found = found
        self._left = span.length
        self._digest = digest
        self._hash = hashlib.sha256()
        self._held = b""
        self._ended = False

    async def read(self, limit: int) -> bytes:
        """All of it; raises BodyTooLarge, UpstreamFault."""
        if self._left > limit:
            self.discard()
            raise BodyTooLarge(limit)
        content = b""
        while chunk := await self.chunk():
            content += chunk
        return content

    async def chunk(self) -> bytes:
        """The next part; raises UpstreamFault before the last one where something is wrong with the whole."""
        if self._ended:
            return b""
        try:
            return await asyncio.ensure_future(self._next())
        except BaseException:
            self.discard()
            raise

    async def _next(self) -> bytes:
        """One part is always held back: whether it may go shows when the next one, or the end, is there."""
        while True:
            part = await self._part()
            held, self._held = self._held, part
            if not part:
                self._check()
                self.discard()
                return held
            self._left -= len(part)
            if self._digest:
                self._hash.update(part)
            if held:
                return held

    async def _part(self) -> bytes:
        try:
            async with asyncio.timeout(STUCK_S):
                return await anext(self._parts, b"")
        except TimeoutError:
            raise TimedOut("the file stopped coming", sent=True) from None
        except OSError as error:
            raise Broken(f"the file cannot be read: {type(error).__name__}", sent=True) from None

    def _check(self) -> None:
        if self._left:
            raise Broken("the file has another size than it had", sent=True)
        if self._digest and self._hash.hexdigest() != self._digest:
            raise WrongDigest("the file does not have the digest beside it", sent=True)

    def discard(self) -> None:
        """The rest is not wanted."""
        self._ended = True
        self._found.close()


async def _checked(body: Parts) -> bytes:
    """All of a small file; raises Refusal in words where it is not what its digest says."""
    try:
        return await body.read(HELD_BYTES)
    except WrongDigest as wrong:
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, str(wrong)) from None
    except BaseException:
        body.discard()
        raise


async def _within(left_s: float, work: Awaitable[T]) -> T:
    """What a place answers in time; raises Refusal."""
    try:
        async with asyncio.timeout(left_s):
            return await work
    except TimeoutError:
        raise Refusal(codes.PROVIDER_TIMEOUT, "the place of the files did not answer in time") from None
    except (UpstreamFault, EgressDenied, OSError) as failure:
        raise refusal_of(failure) from None


def _shelf_of(
    interface: Interface, adapter: Files, egress: Egress, credential: Callable[[], Credential | None],
    roots: Sequence[Path],
) -> Shelf:  # fmt: skip
    scheme = interface.base_url.partition(":")[0]
    if scheme == "file":
        return LocalShelf(interface.base_url, roots)
    if scheme == "s3":
        return S3Shelf(interface, adapter, egress, credential)
    if scheme == "sftp":
        try:
            from exchange_service.providers.files.sftp import SftpShelf
        except ImportError:
            raise BadContract(
                "base_url: install the package for SFTP: pip install 'tongdao-exchange-service[sftp]'"
            ) from None
        return SftpShelf(interface, egress, credential)
    raise BadContract("base_url: file:///folder, s3://bucket/prefix or sftp://host/folder")


def _filled(operation: Operation, values: Mapping[str, str]) -> str:
    """The file's name; a variable stands for one segment."""
    for name in _VARIABLE.findall(operation.target or operation.path):
        if "/" in values.get(name, "/"):
            raise Refusal(codes.NOT_MATCHING_SCHEMA, "not the name of a file", path=f"/{name}")
    template = (operation.target or operation.path).removeprefix("/")
    return _VARIABLE.sub(lambda found: values[found[1]], template)
