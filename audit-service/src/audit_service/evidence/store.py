"""SQL of the evidence: where the leaves of many calls are, and the leaves of one segment. One statement each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from audit_service.store import Kept


class Place(NamedTuple):
    """Where a leaf of a call is: its index through all shards, its segment, what it is."""

    call: str
    leaf_index: int
    segment: str
    kind: str


async def places_of(connection: Any, calls: Sequence[str]) -> list[Place]:
    """All leaves of some calls and events, by index, those that are no longer in the database too."""
    rows = await connection.fetch(
        """SELECT call_id::text, leaf_index, segment, kind FROM audit.entry_index
           WHERE call_id = ANY ($1::uuid[]) ORDER BY leaf_index""",
        list(calls),
    )
    return [Place(*row) for row in rows]


async def calls_at(connection: Any, indexes: Sequence[int]) -> list[str]:
    """Whose leaves stand at some indexes."""
    rows = await connection.fetch(
        "SELECT DISTINCT call_id::text FROM audit.entry_index WHERE leaf_index = ANY ($1::bigint[])", list(indexes)
    )
    return [row[0] for row in rows]


async def leaves_in(connection: Any, segment: str, places: Sequence[Place]) -> list[Kept]:
    """The leaves at some places of a segment, as far as the database has them. Each segment by name: only its own
    partition is looked into."""
    kinds = {place.leaf_index: place.kind for place in places}
    rows = await connection.fetch(
        """SELECT l.leaf_index, l.body, coalesce(e.body, '') FROM audit.leaf l
           LEFT JOIN audit.erasable e ON e.segment = $1 AND e.leaf_index = l.leaf_index
           WHERE l.segment = $1 AND l.leaf_index = ANY ($2::bigint[])""",
        segment, list(kinds),
    )  # fmt: skip
    return [Kept(index, leaf, private, kinds[index]) for index, leaf, private in rows]
