"""What a witness must never forget: per log, the checkpoint that it cosigned last, as a file in a folder of its own.

A record is on the disk, name and content, before `put` returns: written beside, synced, renamed, the folder synced.
After a failure it may or may not be there; nothing was answered, so both are right. Two processes never share a folder.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger()
_SUFFIX = ".cosigned"


class CannotKeep(Exception):
    """The folder cannot be used; the message is one line with the remedy."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last cosigned checkpoint of one log.

    time_s   when it was cosigned, seconds since 1970 UTC
    note     the checkpoint with the log's signatures and ours
    own      our lines alone: what was answered
    """

    origin: str
    time_s: int
    note: str
    own: str


class Keeper:
    """The records of one folder, held by this process alone until `close`."""

    def __init__(self, folder: Path) -> None:
        """Raises CannotKeep where the folder cannot be written or read, or belongs to another process."""
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CannotKeep(f"cannot write to {folder} ({error.strerror}); choose another folder") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._records = {record.origin: record for record in self._read()}
            self.identity = self._known_by()
        except BlockingIOError:
            os.close(self._lock)
            raise CannotKeep(f"{folder} is in use by another witness; stop it first") from None
        except CannotKeep:
            os.close(self._lock)
            raise

    def _read(self) -> Iterator[Record]:
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                yield _opened(path)
            except (OSError, ValueError) as error:
                raise CannotKeep(
                    f"{path} is damaged ({error}): do not start anew with this key, which signed what the file said; "
                    "restore the file, or make a new key in a new folder"
                ) from None

    def _known_by(self) -> str:
        """A word of this folder's own, made when it is first used; another folder has another."""
        path = self._folder / "identity"
        try:
            if not path.exists():
                keep(path, secrets.token_hex(16).encode())
            return path.read_text()
        except OSError as error:
            raise CannotKeep(f"cannot write to {self._folder} ({error.strerror}); choose another folder") from None

    def claim(self, key_file: Path) -> None:
        """Beside a key is remembered which folder says what it signed; called before the key is made or used.

        Raises CannotKeep where that was another folder: a volume that is not mounted is an empty folder, and the key
        would sign a second history.
        """
        beside = key_file.with_name(f"{key_file.name}.folder")
        try:
            known = beside.read_text() if key_file.exists() and beside.exists() else ""
            if not known:
                key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                keep(beside, self.identity.encode())
        except OSError as error:  # a key that is handed in where nothing can be written
            log.warning("witness.key_remembers_no_folder", key_file=str(key_file), error=repr(error))
            return
        if known not in ("", self.identity):
            raise CannotKeep(
                f"{self._folder} is not the folder that says what {key_file} signed: is its volume mounted? Restore "
                f"that folder, or make a new key; remove {beside} only if this is that folder, whole and up to date"
            )

    def get(self, origin: str) -> Record | None:
        """What was kept last for a log."""
        return self._records.get(origin)

    def all(self) -> list[Record]:
        """Every record."""
        return list(self._records.values())

    def put(self, record: Record) -> None:
        """Keep a record in place of the one before; raises OSError, and then answer nothing."""
        content = msgspec.json.encode(record)
        keep(self._folder / file_name(record.origin), hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        self._records[record.origin] = record

    def close(self) -> None:
        """Let others have the folder."""
        os.close(self._lock)


def digest_of(origin: str) -> str:
    """SHA-256 of a log's name in hex: how addresses and files name it."""
    return hashlib.sha256(origin.encode()).hexdigest()


def file_name(origin: str) -> str:
    """Name of a log's file; an origin may contain slashes."""
    return digest_of(origin) + _SUFFIX


def keep(path: Path, content: bytes) -> None:
    """Put a file in place, whole or not at all, for its owner alone; on the disk when this returns."""
    beside = path.with_suffix(".new")
    with _descriptor(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
        left = memoryview(content)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    os.replace(beside, path)
    with _descriptor(path.parent, os.O_RDONLY) as folder:
        os.fsync(folder)


def _opened(path: Path) -> Record:
    written, _, content = path.read_bytes().partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != written:
        raise ValueError("its digest is another one")
    record = msgspec.json.decode(content, type=Record)
    if file_name(record.origin) != path.name:
        raise ValueError("it is of another log")
    return record


@contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    opened = os.open(path, flags, 0o600)
    try:
        yield opened
    finally:
        os.close(opened)
