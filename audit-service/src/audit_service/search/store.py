"""SQL of the search: what the indexer writes, and what says in which segments to look. Rows are read in `rows.py`."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from audit_service.fresh import Ended
from audit_service.search.sieve import MEMBERS, Sieve
from audit_service.summary import COLUMNS, Summary

COMBINATION = (
    "department",
    "provider",
    "system",
    "interface",
    "version",
    "grant_id",
    "kind",
    "status",
    "code",
    "event",
    "mode",
)
"""What usage_day knows of a row."""
SUMS = ("calls", "took_ms", "longest_ms", "request_bytes", "answer_bytes", "fields_returned", "fields_masked")
USAGE = ("segment", "key", *COMBINATION, *SUMS, "first_index", "last_index")
_BATCH = 5_000


# --- the indexer ----------------------------------------------------------------------------------------------------
async def lock_indexed(tx: Any) -> int | None:
    """Index of the first leaf without a row; None while another replica makes rows."""
    start: int | None = await tx.fetchval("SELECT size FROM audit.indexed FOR UPDATE SKIP LOCKED")
    return start


async def sequenced(tx: Any) -> int:
    """One more than the last index in the tree, through all shards."""
    last: int | None = await tx.fetchval("SELECT max(leaf_index) FROM audit.entry_index")
    return 0 if last is None else last + 1


async def ended(tx: Any, start: int, end: int) -> list[Ended]:
    """(segment, index, leaf) from `start` up to `end` but for intents, by index. What is not there any more is passed
    over: it must not hold up the rest, and fsck names it."""
    among = "leaf_index >= $1 AND leaf_index < $2"
    segments = await tx.fetch(f"SELECT DISTINCT segment FROM audit.entry_index WHERE {among}", start, end)  # noqa: S608  # a constant
    found: list[Ended] = []
    for (segment,) in segments:  # each by name: a query over the range alone would ask every day there ever was
        rows = await tx.fetch(
            """SELECT l.leaf_index, l.body FROM audit.leaf l
               JOIN audit.entry_index i ON i.leaf_index = l.leaf_index
               WHERE l.segment = $3 AND l.leaf_index >= $1 AND l.leaf_index < $2
                 AND i.leaf_index >= $1 AND i.leaf_index < $2 AND i.kind <> 'intent'""",
            start, end, segment,
        )  # fmt: skip
        found += [(segment, row[0], row[1]) for row in rows]
    found.sort(key=lambda row: row[1])
    return found


async def add_rows(tx: Any, rows: Sequence[Summary]) -> None:
    """Rows to search by."""
    records = [msgspec.structs.astuple(row) for row in rows]
    await tx.copy_records_to_table("record", schema_name="audit", columns=COLUMNS, records=records)


_TYPES = {"key": "uuid", "status": "smallint", "longest_ms": "integer"}
_NUMBERS = {"calls", "took_ms", "request_bytes", "answer_bytes", "fields_returned", "fields_masked", "first_index",
            "last_index"}  # fmt: skip


def _type(column: str) -> str:
    return _TYPES.get(column, "bigint" if column in _NUMBERS else "text")


def _sum(column: str) -> str:
    """No number that somebody sends may make the sum too large for its column: the day would never be indexed."""
    return f"{column} = least(u.{column}::numeric + excluded.{column}, 9223372036854775807)::bigint"


_ADD_FIGURES = f"""
INSERT INTO audit.usage_day AS u ({", ".join(USAGE)})
SELECT * FROM unnest({", ".join(f"${n}::{_type(column)}[]" for n, column in enumerate(USAGE, 1))})
ON CONFLICT (segment, key) DO UPDATE SET {", ".join(_sum(column) for column in SUMS if column != "longest_ms")},
    longest_ms = greatest(u.longest_ms, excluded.longest_ms),
    first_index = least(u.first_index, excluded.first_index), last_index = greatest(u.last_index, excluded.last_index)
"""  # noqa: S608  # column names of this file


async def add_figures(tx: Any, figures: Sequence[tuple[Any, ...]]) -> None:
    """Add to the day's figures."""
    await tx.execute(_ADD_FIGURES, *map(list, zip(*figures, strict=True)))


async def add_spans(tx: Any, spans: Sequence[tuple[Any, ...]]) -> None:
    """What rows there are in which segment, and of when."""
    await tx.executemany(
        """INSERT INTO audit.indexed_segment AS s (segment, first_index, last_index, rows, earliest, latest)
           VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (segment) DO UPDATE SET first_index = least(s.first_index, excluded.first_index),
               last_index = greatest(s.last_index, excluded.last_index), rows = s.rows + excluded.rows,
               earliest = least(s.earliest, excluded.earliest), latest = greatest(s.latest, excluded.latest)""",
        spans,
    )


async def set_indexed(tx: Any, end: int) -> None:
    """How far the indexer has got."""
    await tx.execute("UPDATE audit.indexed SET size = $1", end)


# --- sieves ---------------------------------------------------------------------------------------------------------
async def without_sieve(connection: Any, before: str) -> list[tuple[str, int, int]]:
    """(segment, last index, rows) of days before `before` (YYYYMMDD) that have no sieve over all their rows."""
    rows = await connection.fetch(
        """SELECT segment, last_index, rows FROM audit.indexed_segment
           WHERE segment < $1 AND sieved_to < last_index AND to_regclass('audit.record_' || replace(segment, '-', '_'))
               IS NOT NULL ORDER BY segment DESC""",
        before,
    )
    return [tuple(row) for row in rows]


async def drop_sieves(connection: Any, segments: Sequence[str]) -> None:
    """What was lawfully deleted is not even guessed at."""
    await connection.execute("DELETE FROM audit.sieve WHERE segment = ANY ($1::text[])", segments)


async def sieve_members(tx: Any, segment: str, last: int) -> AsyncIterator[list[tuple[str, ...]]]:
    """What of a segment's rows goes into its sieve. Inside a transaction."""
    query = f"SELECT {', '.join(MEMBERS)} FROM audit.record WHERE segment = $1 AND leaf_index <= $2"  # noqa: S608  # constants
    cursor = await tx.cursor(query, segment, last)
    while rows := await cursor.fetch(_BATCH):
        yield [tuple(row) for row in rows]


async def put_sieve(tx: Any, segment: str, last: int, sieve: Sieve) -> None:
    """A segment's sieve, good for its rows up to index `last`."""
    await tx.execute("DELETE FROM audit.sieve WHERE segment = $1", segment)
    blocks = [(segment, n, bits) for n, bits in sieve.blocks()]
    await tx.copy_records_to_table("sieve", schema_name="audit", columns=["segment", "block", "bits"], records=blocks)
    await tx.execute(
        "UPDATE audit.indexed_segment SET sieved_to = $2, sieve_blocks = $3 WHERE segment = $1",
        segment, last, sieve.count,
    )  # fmt: skip
