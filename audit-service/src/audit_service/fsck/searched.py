"""Rows to search by, and daily figures: derived, and still what departments and auditors see first. They have to say
what the leaves say."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from audit_service.fsck.findings import Findings
from audit_service.fsck.walk import Leaf
from audit_service.summary import COLUMNS, Summary, filed_before, summary_of

_DIFFERING = """
WITH told AS (
    SELECT department, provider, system, interface, version, grant_id, kind, status, code, event, mode,
           count(*)::bigint AS calls, max(took_ms) AS longest_ms,
           least(sum(took_ms), 9223372036854775807)::bigint AS took_ms,
           least(sum(request_bytes), 9223372036854775807)::bigint AS request_bytes,
           least(sum(answer_bytes), 9223372036854775807)::bigint AS answer_bytes,
           least(sum(fields_returned), 9223372036854775807)::bigint AS fields_returned,
           least(sum(fields_masked), 9223372036854775807)::bigint AS fields_masked,
           min(leaf_index) AS first_index, max(leaf_index) AS last_index
    FROM audit.record WHERE segment = $1
    GROUP BY department, provider, system, interface, version, grant_id, kind, status, code, event, mode
), kept AS (
    SELECT department, provider, system, interface, version, grant_id, kind, status, code, event, mode,
           calls, longest_ms, took_ms, request_bytes, answer_bytes, fields_returned, fields_masked, first_index,
           last_index
    FROM audit.usage_day WHERE segment = $1
)
(SELECT * FROM told EXCEPT ALL SELECT * FROM kept) UNION ALL (SELECT * FROM kept EXCEPT ALL SELECT * FROM told)
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 LIMIT 100
"""
"""A combination that differs stands here twice, or once if there is nothing to compare it with."""
_COMBINATION = 11


def compare(leaves: dict[int, Leaf], rows: Iterable[Summary], upto: int, hot: set[str], findings: Findings) -> None:
    """Rows of a stretch against its leaves. `leaves` are those that are sound; rows are owed for leaves below `upto`
    whose segment is one of `hot`."""
    times = Counter(row.leaf_index for row in rows)
    for number, count in times.items():
        if count > 1:
            findings.report(f"record {number}", f"stands {count} times")
    found = {row.leaf_index: row for row in rows}
    for number, leaf in leaves.items():
        told = _told(number, leaf)
        row = found.pop(number, None)
        if row is not None and told is None:
            findings.report(f"record {number}", "is of a leaf that has none")
        elif row is not None and told is not None and row not in (told, filed_before(told)):
            wrong = [name for name in COLUMNS if getattr(row, name) != getattr(told, name)]
            findings.report(f"record {number}", f"does not say what the leaf says: {', '.join(wrong)}")
        elif row is None and told is not None and number < upto and leaf.segment in hot:
            findings.report(f"record {number}", "is missing")


def _told(number: int, leaf: Leaf) -> Summary | None:
    try:
        return summary_of(leaf.segment, number, leaf.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return None  # no leaf: fsck names it for that


async def usage(tx: Any, segments: Iterable[str], findings: Findings) -> None:
    """The daily figures of segments whose rows are in the database."""
    for segment in segments:
        for row in await tx.fetch(_DIFFERING, segment):
            names = "/".join(str(value) for value in list(row.values())[:_COMBINATION])
            findings.report(f"usage {segment} {names}", "is not the sum of its rows")
