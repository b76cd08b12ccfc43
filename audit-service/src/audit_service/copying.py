"""Rows for PostgreSQL's binary COPY, as bytes, and the way to send them.

The log's rows are alike: one value differs, the others were the same in the row before. So what is the same is written
once, where a driver would look up and call the codec of every value of every row.
Source: PostgreSQL documentation, COPY, "Binary Format".
"""

import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

HEAD, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
_columns, _length = struct.Struct(">h").pack, struct.Struct(">i").pack
int2, int4, int8 = (struct.Struct(form).pack for form in (">ih", ">ii", ">iq"))
_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


async def copy(tx: Any, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """Add rows to a table of the log; each is `row_of` and that many values."""
    content = b"".join((HEAD, *rows, END))

    async def source() -> AsyncIterator[bytes]:
        yield content

    await tx.copy_to_table(table, schema_name="audit", columns=columns, format="binary", source=source())


def row_of(columns: int) -> bytes:
    """How a row begins."""
    return _columns(columns)


def binary(value: bytes) -> bytes:
    """A bytea; a uuid, from its 16 bytes."""
    return _length(len(value)) + value


def text(value: str) -> bytes:
    """A text, varchar or name. NUL has no place in it."""
    return binary(value.encode())


def uuid(value: str) -> bytes:
    """A uuid from its usual spelling. PostgreSQL refuses what has another length."""
    return binary(bytes.fromhex(value.replace("-", "")))


def bigint(value: int) -> bytes:
    """A bigint."""
    return int8(8, value)


def integer(value: int) -> bytes:
    """An integer."""
    return int4(4, value)


def smallint(value: int) -> bytes:
    """A smallint."""
    return int2(2, value)


def timestamp(value: datetime) -> bytes:
    """A timestamptz."""
    return int8(8, (value - _EPOCH) // _MICROSECOND)
