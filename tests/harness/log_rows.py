"""Rows of the log as the indexer makes them, from few values, so that searches meet them in every combination."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from audit_service.search import store
from audit_service.search.indexer import figures, spans
from audit_service.summary import Filter, Summary
from runtime.ids import uuid7

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
TEXTS: dict[str, list[str]] = {
    "department": ["民政局", "公安局", "a'b", "%"],
    "system": ["s-1", "s-2", "s-3"],
    "provider": ["", "公安局", "民政局"],
    "interface": ["", "i-1", "i-2", "i-3"],
    "version": ["", "v1", "v2"],
    "grant_id": ["", "g-1", "g-2"],
    "case_no": ["", "办件-1", "办件-2", "办件-3", "办件-4"],
    "trace": ["", "aa", "bb"],
    "subject": ["", "p-1", "p-2", "p-3"],
    "event": ["", "token.issued", "grant.given"],
    "mode": ["query", "query", "query", "verify", "compare", "sandbox"],
}
CODES = ["", "", "", "ok", "refused", "404", "provider/timeout"]
STATUSES = [0, 200, 404, 32767]
OUTCOMES = ["ok", "refused", "404", "200", "0", "0200", "99999", "provider/timeout", "never"]


def row(chance: random.Random, leaf_index: int, segment: str) -> Summary:
    """A random row; its time is not quite in step with its index."""
    texts = {name: chance.choice(values) for name, values in TEXTS.items()}
    return Summary(
        segment=segment, leaf_index=leaf_index, call_id=str(uuid7(leaf_index)),
        kind=chance.choice(["outcome", "outcome", "denied", "event"]),
        at=BEGIN + timedelta(minutes=leaf_index + chance.randrange(-60, 60)), status=chance.choice(STATUSES),
        code=chance.choice(CODES), took_ms=chance.randrange(1000), request_bytes=10, answer_bytes=20,
        fields_returned=3, fields_masked=1, gateway="gateway-1", verdict=chance.choice(["", "yes", "no", "no_record"]),
        consent=chance.choice(["", "consent-1"]), **texts,
    )  # fmt: skip


def rows(chance: random.Random, number: int, segments: list[str]) -> list[Summary]:
    """Random rows; each stretch of indexes is that of two segments, mixed as classes of one day are. Some few stand in
    the segment after theirs, as when a clock goes back."""
    each = number // len(segments) * 2
    found, leaf_index = [], 0
    for n in range(number):
        leaf_index += chance.choice([1, 1, 2, 5])
        first = min(n // each * 2, len(segments) - 2)
        strayed = 2 if chance.random() < 0.05 else 0
        segment = chance.choice(segments[first : first + 2 + strayed][-2:])
        found.append(row(chance, leaf_index, segment))
    return found


def wanted(chance: random.Random, among: list[Summary]) -> Filter:
    """A random filter: of values that a row has, or that none has."""
    one = chance.choice(among)
    members: dict[str, Any] = {}
    for name in chance.sample(
        [*TEXTS, "party", "kind", "outcome", "call_id", "since", "before"], chance.choice([0, 1, 1, 2, 3])
    ):
        match name:
            case "party":
                members[name] = chance.choice(["民政局", "公安局", "无"])
            case "outcome":
                members[name] = chance.choice(OUTCOMES)
            case "call_id":
                members[name] = chance.choice([one.call_id, str(uuid7())])
            case "since" | "before":
                members[name] = one.at
            case _:
                members[name] = chance.choice([getattr(one, name), getattr(one, name), "never"])
    return Filter(**members)


async def keep(url: str, among: list[Summary]) -> None:
    """Put rows where the indexer puts them, as the superuser."""
    connection = await asyncpg.connect(url)
    for segment in sorted({one.segment for one in among}):
        await connection.execute("SELECT audit.open_segment($1)", segment)
    await store.add_rows(connection, among)
    await store.add_figures(connection, figures(among))
    await store.add_spans(connection, spans(among))
    await connection.copy_records_to_table(
        "entry_index", schema_name="audit", columns=["leaf_index", "call_id", "segment", "kind"],
        records=[(one.leaf_index, one.call_id, one.segment, one.kind) for one in among],
    )  # fmt: skip
    await store.set_indexed(connection, max(one.leaf_index for one in among) + 1)
    await connection.close()
