"""The object store: a folder or a bucket, in which nothing is ever written twice.

`file:///folder` keeps files that nobody may write any more; `s3://bucket/prefix` speaks S3 (If-None-Match). A bucket
should have object lock switched on with a default time: then not even its owner can take something away too early. Such
a bucket keeps versions of what was removed: it has to let them expire, and the unfinished parts of large files as well.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import msgspec
import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

_RETRIES = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
_READ_ONLY = 0o444
_WHOLE_BYTES = 32 << 20
"""What is larger goes to a bucket in parts, and comes from any store in parts of this size."""
_VERSION = ".version.json"
_CHECKED = {"checksum_algorithm": "SHA256"}  # a bucket with object lock takes nothing without a digest


class Away(Exception):
    """The store did not do what it was asked; the message names the kind of failure. Nothing is half there."""


class Missing(Away):
    """The store answered: it has no such object."""


@asynccontextmanager
async def _asking(name: str) -> AsyncIterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise Missing(f"{name} is not in the store") from None
    except (BaseError, OSError, msgspec.DecodeError) as error:
        raise Away(f"{type(error).__name__} at {name}") from error


class Objects:
    """Objects by name (`2026/20260831-general/….parquet`). Everything raises Away, and Missing, which is one."""

    def __init__(self, store: LocalStore | S3Store, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def at(cls, url: str, s3: Mapping[str, str] | None = None) -> "Objects":
        """`file:///folder`, which is made, or `s3://bucket/prefix` with members of obstore's S3Config, such as
        `endpoint`, `region`, `access_key_id`, `secret_access_key`. Raises ValueError for any other address."""
        parts = urlsplit(url)
        if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
            folder = Path(parts.path)
            try:
                return cls(LocalStore(folder, mkdir=True), folder)
            except (BaseError, OSError) as error:
                raise ValueError(f"the archive's folder {folder} cannot be used") from error
        if parts.scheme == "s3" and parts.netloc:
            plain = (s3 or {}).get("endpoint", "").startswith("http://")
            store = S3Store(
                parts.netloc, prefix=parts.path.strip("/") or None, config={**_CHECKED, **(s3 or {})},  # type: ignore[arg-type]  # checked by obstore
                client_options={"timeout": "60s", "connect_timeout": "5s", "allow_http": plain}, retry_config=_RETRIES,  # type: ignore[arg-type]  # a plain dict
            )  # fmt: skip
            return cls(store)
        raise ValueError("an archive is file:///folder or s3://bucket/prefix")

    async def put(self, name: str, content: bytes | Path) -> None:
        """Store an object unless one of that name is there: names carry the content's hash, so it is the same."""
        async with _asking(name):
            if self._folder is not None:
                await asyncio.to_thread(_create, self._folder / name, content)
            elif isinstance(content, Path) and content.stat().st_size > _WHOLE_BYTES:
                await self._put_parts(name, content)
            else:
                with suppress(AlreadyExistsError):
                    await obstore.put_async(self._store, name, content, mode="create", use_multipart=False)

    async def _put_parts(self, name: str, content: Path) -> None:
        """Parts cannot be sent on the condition that the name is free: who asks in the same moment sends the same."""
        try:
            await obstore.head_async(self._store, name)
        except (NotFoundError, FileNotFoundError):
            await obstore.put_async(self._store, name, content, use_multipart=True, max_concurrency=2)

    async def get(self, name: str) -> bytes:
        """A small object whole."""
        async with _asking(name):
            return bytes(await (await obstore.get_async(self._store, name)).bytes_async())

    async def fetch(self, name: str, into: IO[bytes]) -> bytes:
        """Copy an object into a file; the SHA-256 of what came."""
        digest = hashlib.sha256()
        async with _asking(name):
            size = (await obstore.head_async(self._store, name))["size"]
            for start in range(0, size, _WHOLE_BYTES):
                length = min(_WHOLE_BYTES, size - start)
                chunk = await obstore.get_range_async(self._store, name, start=start, length=length)
                await asyncio.to_thread(digest.update, chunk)
                await asyncio.to_thread(into.write, chunk)
            into.flush()
        return digest.digest()

    async def names(self, prefix: str) -> list[str]:
        """All objects below a prefix."""
        async with _asking(prefix):
            return [meta["path"] async for page in obstore.list(self._store, prefix) for meta in page]

    async def remove(self, name: str) -> None:
        """Delete an object. A store with object lock refuses, or keeps it as a version that no listing shows any more:
        a note beside it tells which one."""
        async with _asking(name):
            if self._folder is not None:
                await asyncio.to_thread((self._folder / name).unlink)
                return
            version = (await obstore.head_async(self._store, name))["version"]
            if version is not None:
                note = msgspec.json.encode(_Version(name, version))
                await self.put(f"{name}.{hashlib.sha256(note).hexdigest()}{_VERSION}", note)
            await obstore.delete_async(self._store, name)

    async def clear(self, prefix: str) -> list[str]:
        """Delete everything in a folder but its manifests, also what a crash left there; `remaining` after that."""
        async with _asking(prefix):
            for name in await self._payload(prefix):
                with suppress(Missing):
                    await self.remove(name)
        return await self.remaining(prefix)

    async def remaining(self, prefix: str) -> list[str]:
        """What can still be read of a folder but its manifests: names, and removed versions that a bucket keeps."""
        async with _asking(prefix):
            left = await self._payload(prefix)
            for note in [name for name in await self.names(prefix) if name.endswith(_VERSION)]:
                known = msgspec.json.decode(await self.get(note), type=_Version)
                if await self._has_version(known):
                    left.append(f"{known.name} (version {known.version})")
        return left

    async def _payload(self, prefix: str) -> list[str]:
        names = await self.names(prefix)
        if self._folder is not None:  # the listing leaves out what was not written to its end
            found = await asyncio.to_thread(list, (self._folder / prefix).rglob("*"))
            names = [path.relative_to(self._folder).as_posix() for path in found if not path.is_dir()]
        return [name for name in names if not name.endswith(".json")]

    async def _has_version(self, known: "_Version") -> bool:
        try:
            await obstore.get_async(self._store, known.name, options={"version": known.version, "head": True})
        except (NotFoundError, FileNotFoundError):
            return False
        return True


class _Version(msgspec.Struct, frozen=True):
    """What a bucket may keep of a name after it was removed."""

    name: str
    version: str


def _create(path: Path, content: bytes | Path) -> None:
    """Write a file under a name that appears only when all of it is on the disk; nothing if the name is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}#1")
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as to:
            if isinstance(content, bytes):
                to.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, to, 1 << 20)
            to.flush()
            os.fsync(to.fileno())
        part.chmod(_READ_ONLY)
        with suppress(FileExistsError):
            path.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)
