"""In which segments to look, and the rows there. Every function is one statement."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit_service.search import conditions
from audit_service.search.conditions import SIEVED, Conditions
from audit_service.search.sieve import hashed, may_hold
from audit_service.summary import COLUMNS, Filter, Summary

BEYOND = 2**63 - 1
"""After every index."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where rows may be: from `first` to `last` of a segment.

    hits          at most so many rows are wanted; `rows` there are in all
    combinations  that wanted rows have, None for any
    sieved        whether its sieve stands for all its rows
    state         of its archive: `archived` is to be read there, `disposed` nowhere, everything else in the database
    """

    segment: str
    first: int
    last: int
    rows: int
    sieved: bool
    state: str
    hits: int
    combinations: tuple[int, ...] | None = None

    @property
    def is_cold(self) -> bool:
        return self.state == "archived"

    @property
    def is_gone(self) -> bool:
        return self.state == "disposed"

    @property
    def is_rare(self) -> bool:
        """Whether it costs less to fetch all that have the combination than to read on until a page is full."""
        return self.combinations is not None and self.hits * self.hits < 100 * self.rows


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of which rows a page is made: after < leaf_index < before."""

    after: int = -1
    before: int = BEYOND
    newest_first: bool = True


async def indexed(connection: Any) -> int:
    """One more than the last index that can be found."""
    size: int = await connection.fetchval("SELECT size FROM audit.indexed")
    return size


async def spans(connection: Any, wanted: Filter, stretch: Stretch) -> list[Span]:
    """Segments that have, or had, rows of the time asked for, in the order of reading."""
    which = Conditions([stretch.after, stretch.before], ["s.last_index > $1", "s.first_index < $2"])
    if wanted.since is not None:
        which.add("latest >= {}", wanted.since)
    if wanted.before is not None:
        which.add("earliest < {}", wanted.before)
    if wanted.call_id:
        which.add("s.segment IN (SELECT i.segment FROM audit.entry_index i WHERE i.call_id = {}::uuid)", wanted.call_id)
    order = "s.last_index DESC" if stretch.newest_first else "s.first_index"
    rows = await connection.fetch(
        f"""SELECT s.segment, s.first_index, s.last_index, s.rows, s.sieved_to >= s.last_index, coalesce(a.state, ''),
                   s.rows
            FROM audit.indexed_segment s LEFT JOIN audit.archive a ON a.segment = s.segment
            WHERE {which} ORDER BY {order}""",  # noqa: S608  # made of constants
        *which.arguments,
    )
    return [Span(*row) for row in rows]


async def states(connection: Any, segments: Sequence[str]) -> dict[str, str]:
    """The archive's states of some segments, "" where it does not know one."""
    rows = await connection.fetch("SELECT segment, state FROM audit.archive WHERE segment = ANY ($1::text[])", segments)
    return {**dict.fromkeys(segments, ""), **dict(rows)}


async def sifted(connection: Any, wanted: Filter, among: Sequence[Span]) -> list[Span]:
    """Those whose sieve does not say that a value is in none of their rows."""
    left = list(among)
    for member in SIEVED:
        names = [span.segment for span in left if span.sieved]
        if not (value := getattr(wanted, member)) or not names:
            continue
        chosen, bits = hashed(member, value)
        rows = await connection.fetch(
            """SELECT s.segment, v.bits FROM audit.indexed_segment s
               JOIN audit.sieve v ON v.segment = s.segment AND v.block = $2::bigint % s.sieve_blocks
               WHERE s.segment = ANY ($1::text[])""",
            names, chosen,
        )  # fmt: skip
        without = {segment for segment, block in rows if not may_hold(block, bits)}
        left = [span for span in left if span.segment not in without]
    return left


async def narrowed(connection: Any, wanted: Filter, among: Sequence[Span], stretch: Stretch) -> list[Span]:
    """Those that have wanted combinations, and from where to where, in the order of reading."""
    which = Conditions([[span.segment for span in among]], ["segment = ANY ($1::text[])"])
    if not among or not conditions.of_combination(wanted, which):
        return list(among)
    rows = await connection.fetch(
        f"""SELECT segment, min(first_index), max(last_index), sum(calls)::bigint,
                   array_agg(DISTINCT audit.combination(department, provider, system, interface, version, grant_id,
                                                        kind, status, code, event))
            FROM audit.usage_day WHERE {which} GROUP BY segment""",  # noqa: S608  # made of constants
        *which.arguments,
    )
    known = {span.segment: span for span in among}
    found = [
        replace(known[segment], first=first, last=last, hits=hits, combinations=tuple(combinations))
        for segment, first, last, hits, combinations in rows
    ]
    found.sort(key=lambda span: -span.last if stretch.newest_first else span.first)
    return found


async def counted(connection: Any, wanted: Filter) -> int:
    """How many rows have wanted combinations."""
    which = Conditions([], ["segment NOT IN (SELECT a.segment FROM audit.archive a WHERE a.state = 'disposed')"])
    conditions.of_combination(wanted, which)
    count: int = await connection.fetchval(
        f"SELECT coalesce(sum(calls), 0)::bigint FROM audit.usage_day WHERE {which}",  # noqa: S608  # made of constants
        *which.arguments,
    )
    return count


async def matching(
    connection: Any, wanted: Filter, among: Sequence[Span], stretch: Stretch, limit: int
) -> list[Summary]:
    """The first `limit` rows of some segments in the order of reading.

    By combination where that is rare: an order that no index has keeps the planner from reading through all there is.
    """
    which = Conditions([[span.segment for span in among], limit, stretch.after, stretch.before],
                       ["segment = ANY ($1::text[])", "leaf_index > $3", "leaf_index < $4"])  # fmt: skip
    conditions.of_row(wanted, which)
    by = "leaf_index"
    if all(span.is_rare for span in among):
        wanted_ones = sorted({one for span in among for one in span.combinations or ()})
        which.add("audit.combination(department, provider, system, interface, version, grant_id, kind, status, code, "
                  "event) = ANY ({}::bigint[])", wanted_ones)  # fmt: skip
        by = "leaf_index + 0"
    if any(getattr(wanted, member) for member in SIEVED):
        by = "leaf_index + 0"
    if wanted.call_id:
        which.add("leaf_index IN (SELECT i.leaf_index FROM audit.entry_index i WHERE i.call_id = {}::uuid)",
                  wanted.call_id)  # fmt: skip
    rows = await connection.fetch(
        f"""SELECT {_COLUMNS} FROM audit.record WHERE {which}
            ORDER BY {by} {"DESC" if stretch.newest_first else "ASC"} LIMIT $2""",  # noqa: S608  # made of constants
        *which.arguments,
    )
    return [Summary(**dict(row)) for row in rows]


_COLUMNS = ", ".join("call_id::text AS call_id" if column == "call_id" else column for column in COLUMNS)
