"""A segment as one Parquet file: leaves as the very bytes that were hashed, and beside each what it is searched by.

Rows stand by index in groups of some thousands with statistics, so that a filtered read opens few of them. Blocking:
callers run this in a thread. Anybody can read the file with any Parquet tool; `leaf` is canonical JSON. Arrow takes
some 45 MB: who works with files imports this module then, not before.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit_service.archive.rows import GROUP_ROWS, OWN, Row
from audit_service.store import Kept
from audit_service.summary import COLUMNS, EQUAL, Filter, Summary

_LATER: dict[str, Any] = {"mode": "query", "verdict": "", "consent": ""}
"""Columns that older files do not have, and what their calls would say there."""
_NUMBERS = ("status", "took_ms", "request_bytes", "answer_bytes", "fields_returned", "fields_masked")
_TYPES = {"at": pa.timestamp("us", tz="UTC"), **dict.fromkeys(_NUMBERS, pa.int64())}
SCHEMA = pa.schema(
    [
        pa.field("leaf_index", pa.int64(), nullable=False),
        pa.field("call_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("sequenced_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("private_sha256", pa.binary()),
        pa.field("leaf", pa.binary(), nullable=False),
        pa.field("private", pa.binary(), nullable=False),
        *(pa.field(column, _TYPES.get(column, pa.string())) for column in OWN),
    ]
)
_BYTES = ("leaf", "private", "private_sha256")
_FIXED = len(SCHEMA) - len(OWN)
_KEPT = ("leaf_index", "leaf", "private", "kind")
_COUNTED = [column for column in SCHEMA.names if column not in _BYTES]


class Writing:
    """A file while it is made: `add` pages of rows by index, then `close`."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(
            path, SCHEMA, compression="zstd", use_dictionary=[*OWN, "kind"], write_statistics=_COUNTED,
        )  # fmt: skip

    def add(self, rows: Sequence[Row]) -> None:
        """One row group."""
        none = (None,) * len(OWN)
        columns = zip(*((*row[:_FIXED], *(row.ended or none)) for row in rows), strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), row_group_size=GROUP_ROWS)

    def close(self) -> None:
        self._writer.close()


class Reading:
    """An open file. It stands in the machine's cache of files, not in our memory; the path is no longer needed."""

    def __init__(self, path: Path, segment: str) -> None:
        self.segment = segment
        self._content = pa.memory_map(str(path)).read_buffer()
        self.bytes: int = self._content.size
        self._metadata = pq.ParquetFile(pa.BufferReader(self._content)).metadata
        places = {self._metadata.schema.column(i).name: i for i in range(self._metadata.num_columns)}
        self._bounds = [
            {
                name: _bounds(self._metadata.row_group(g).column(places[name])) if name in places else None
                for name in ("leaf_index", *EQUAL, "at")
            }
            for g in range(self._metadata.num_row_groups)
        ]

    def pages(self) -> Iterator[list[Row]]:
        """All rows by index."""
        for group in range(len(self._bounds)):
            found = self._read([group], SCHEMA.names).to_pydict()
            yield [
                Row._make((*row[:_FIXED], None if row[_FIXED] is None else row[_FIXED:]))
                for row in zip(*(found[name] for name in SCHEMA.names), strict=True)
            ]

    def leaves(self, indexes: Sequence[int] | range) -> list[Kept]:
        """Those of the leaves that are here, by index."""
        wanted = indexes if isinstance(indexes, range) and indexes.step == 1 else sorted(set(indexes))
        groups = [g for g, bounds in enumerate(self._bounds) if _is_any_in(wanted, bounds["leaf_index"])]
        found = self._read(groups, _KEPT)
        kept = found.filter(_among(found["leaf_index"], wanted)).to_pydict()
        return [Kept(*row) for row in zip(*(kept[name] for name in _KEPT), strict=True)]

    def rows(self, wanted: Filter, *, before: int, after: int, limit: int, newest_first: bool) -> list[Summary]:
        """Rows with after < index < before that are wanted, the first `limit` in the order asked for."""
        found: list[Summary] = []
        order = range(len(self._bounds))
        for group in reversed(order) if newest_first else order:
            if not self._may_hold(group, wanted, before, after):
                continue
            rows = [row for row in self._wanted(group, wanted, before, after) if wanted.matches(row)]
            found += reversed(rows) if newest_first else rows
            if len(found) >= limit:
                break
        return found[:limit]

    def _may_hold(self, group: int, wanted: Filter, before: int, after: int) -> bool:
        bounds = self._bounds[group]
        return (
            _overlap(bounds["leaf_index"], after + 1, before - 1)
            and all(_overlap(bounds[name], value, value) for name in EQUAL if (value := getattr(wanted, name)))
            and _overlap(bounds["at"], wanted.since, wanted.before)
        )

    def _wanted(self, group: int, wanted: Filter, before: int, after: int) -> list[Summary]:
        """By vectors what can be; the rest of the filter is asked row by row."""
        names = [column for column in COLUMNS if column != "segment"]
        found = self._read([group], names)
        mask = pc.and_(pc.greater(found["leaf_index"], after), pc.less(found["leaf_index"], before))
        mask = pc.and_(mask, pc.is_valid(found["at"]))
        for name in EQUAL:
            if value := getattr(wanted, name):
                mask = pc.and_(mask, pc.equal(found[name], value))
        return [Summary(segment=self.segment, **row) for row in found.filter(mask).to_pylist()]

    def _read(self, groups: Sequence[int], columns: Sequence[str]) -> Any:
        file = pq.ParquetFile(pa.BufferReader(self._content), metadata=self._metadata)
        found = file.read_row_groups(list(groups), columns=list(columns), use_threads=False)
        for name in columns:
            if name in _LATER and name not in found.column_names:
                found = found.append_column(name, pa.repeat(pa.scalar(_LATER[name]), found.num_rows))
        return found


def _bounds(column: Any) -> tuple[Any, Any] | None:
    """Least and most of a column in a group, None where they are not known."""
    statistics = column.statistics
    return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else None


def _among(column: Any, wanted: Sequence[int]) -> Any:
    """Which values of a column are wanted; a range may have millions."""
    if isinstance(wanted, range):
        return pc.and_(pc.greater_equal(column, wanted.start), pc.less(column, wanted.stop))
    return pc.is_in(column, pa.array(wanted, pa.int64()))


def _is_any_in(wanted: Sequence[int], bounds: tuple[int, int] | None) -> bool:
    """Whether one of some sorted numbers may be there."""
    if bounds is None:
        return True
    at = bisect_left(wanted, bounds[0])
    return at < len(wanted) and wanted[at] <= bounds[1]


def _overlap(bounds: tuple[Any, Any] | None, least: Any, most: Any) -> bool:
    """Whether values between `least` and `most`, both included, None for no end, may be there."""
    return bounds is None or ((most is None or bounds[0] <= most) and (least is None or bounds[1] >= least))
