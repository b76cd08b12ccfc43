"""The object store: a folder or a bucket, in which nothing is ever written twice.

`file:///folder` keeps files that nobody may write any more; `s3://bucket/prefix` speaks S3 (If-None-Match). A bucket
should have object lock switched on with a default time: then not even its owner can take something away too early.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

_RETRIES = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
_READ_ONLY = 0o444


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
    except (BaseError, OSError) as error:
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
                parts.netloc, prefix=parts.path.strip("/") or None, config=dict(s3 or {}),  # type: ignore[arg-type]  # checked by obstore
                client_options={"timeout": "60s", "connect_timeout": "5s", "allow_http": plain}, retry_config=_RETRIES,  # type: ignore[arg-type]  # a plain dict
            )  # fmt: skip
            return cls(store)
        raise ValueError("an archive is file:///folder or s3://bucket/prefix")

    async def put(self, name: str, content: bytes | Path) -> None:
        """Store an object unless one of that name is there: names carry the content's hash, so it is the same."""
        async with _asking(name):
            try:
                await obstore.put_async(self._store, name, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return
            if self._folder is not None:
                (self._folder / name).chmod(_READ_ONLY)

    async def get(self, name: str) -> bytes:
        """A small object whole."""
        async with _asking(name):
            return bytes(await (await obstore.get_async(self._store, name)).bytes_async())

    async def fetch(self, name: str, into: IO[bytes]) -> bytes:
        """Copy an object into a file; the SHA-256 of what came."""
        digest = hashlib.sha256()
        async with _asking(name):
            async for chunk in (await obstore.get_async(self._store, name)).stream():
                digest.update(chunk)
                into.write(chunk)
            into.flush()
        return digest.digest()

    async def names(self, prefix: str) -> list[str]:
        """All objects below a prefix."""
        async with _asking(prefix):
            return [meta["path"] async for page in obstore.list(self._store, prefix) for meta in page]

    async def remove(self, name: str) -> None:
        """Delete an object. A store with object lock refuses as long as the lock lasts."""
        async with _asking(name):
            await obstore.delete_async(self._store, name)
