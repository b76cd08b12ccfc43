"""Daily figures: how often, how much, how long. A day is the UTC day on which calls were sequenced. Calls of the
sandbox moved no data and do not count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from audit_service.search.conditions import Conditions

By = Literal["interface", "system", "department", "grant", "outcome"]
GROUPS: dict[By, tuple[str, ...]] = {
    "interface": ("provider", "interface", "version"),
    "system": ("department", "system"),
    "department": ("department",),
    "grant": ("grant_id", "department", "provider", "interface"),
    "outcome": ("status", "code"),
}
MOST_GROUPS = 5_000
_MOST = 9223372036854775807


@dataclass(frozen=True, slots=True)
class Days:
    """From the first day to the last, both included."""

    first: date
    last: date

    @property
    def segments(self) -> tuple[str, str]:
        """Names of segments begin with their day: included, excluded."""
        return f"{self.first:%Y%m%d}", f"{self.last + timedelta(days=1):%Y%m%d}"


async def figures(connection: Any, days: Days, by: By, party: str) -> list[dict[str, Any]]:
    """One member for each group, most calls first, at most MOST_GROUPS. `party`: took part, "" for everybody."""
    which = Conditions(list(days.segments), ["segment >= $1", "segment < $2"])
    if party:
        which.add("(department = {} OR provider = {})", party, party)
    return await _grouped(connection, which, GROUPS[by])


async def digest(connection: Any, department: str, day: date) -> dict[str, Any]:
    """What a department is told of one day: what it asked of others, and who asked what of it."""
    told: dict[str, Any] = {"day": f"{day:%Y-%m-%d}", "department": department}
    for role, column, by in (
        ("as_consumer", "department", ("provider", "interface", "version")),
        ("as_provider", "provider", ("department", "interface", "version")),
    ):
        which = Conditions(list(Days(day, day).segments), ["segment >= $1", "segment < $2"])
        which.add(f"{column} = {{}}", department)
        told[role] = await _grouped(connection, which, by)
    return told


async def _grouped(connection: Any, which: Conditions, by: Sequence[str]) -> list[dict[str, Any]]:
    columns = ", ".join(by)
    sums = ", ".join(
        f"least(sum({name}), {_MOST})::bigint AS {name}"
        for name in ("request_bytes", "answer_bytes", "fields_returned", "fields_masked")
    )
    rows = await connection.fetch(
        f"""SELECT {columns}, sum(calls)::bigint AS calls,
                   coalesce(sum(calls) FILTER (WHERE code <> ''), 0)::bigint AS refused, {sums},
                   least(sum(took_ms) / sum(calls), {_MOST})::bigint AS mean_ms, max(longest_ms) AS longest_ms
            FROM audit.usage_day WHERE {which} AND kind <> 'event' AND mode <> 'sandbox'
            GROUP BY {columns} ORDER BY calls DESC, {columns} LIMIT {MOST_GROUPS}""",  # noqa: S608  # made of constants
        *which.arguments,
    )
    return [dict(row) for row in rows]
