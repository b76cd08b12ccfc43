"""The tables of the judge. Every function is one statement."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from audit_service.anomalies.model import MOST_CALLS, Alert, Unusual
from audit_service.anomalies.queries import IN_TIME, is_miss, is_use, query_of, slot
from audit_service.anomalies.rules import ButNot, Rule
from audit_service.summary import COLUMNS, Summary

_ALERT = ", ".join(Alert.__struct_fields__)


def _alert(row: Any) -> Alert:
    members = dict(row)
    return Alert(**{
        **members, "id": str(members["id"]), "calls": [str(call) for call in members["calls"]],
        "figures": msgspec.json.decode(members["figures"], type=dict[str, int | float]),
    })  # fmt: skip


# --- judging --------------------------------------------------------------------------------------------------------
async def lock_judged(tx: Any) -> tuple[int, int]:
    """Up to where rows were judged, ours until the transaction ends, and up to where there are any."""
    judged = await tx.fetchval("SELECT size FROM audit.judged FOR UPDATE")
    return judged, await tx.fetchval("SELECT size FROM audit.indexed")


async def set_judged(tx: Any, size: int) -> None:
    await tx.execute("UPDATE audit.judged SET size = $1", size)


async def count(tx: Any, start: int, end: int, horizon: datetime) -> None:
    """Add new rows to the short memory of who calls how much."""
    await tx.execute(
        f"""INSERT INTO audit.traffic AS t
                (slot, key, system, interface, department, provider, personal, calls, misses, first_index)
            SELECT slot, md5(jsonb_build_array(system, interface, department, provider, personal)::text)::uuid, system,
                   interface, department, provider, personal, count(*), count(*) FILTER (WHERE miss), min(leaf_index)
            FROM (SELECT {slot("r.at")} AS slot, r.system, r.interface, r.department, r.provider, r.leaf_index,
                         r.segment LIKE '%-personal' AS personal, {is_miss("r")} AS miss
                  FROM audit.record r
                  WHERE r.leaf_index >= $1 AND r.leaf_index < $2 AND {IN_TIME} AND {is_use("r")}
                    AND r.system <> '') new
            GROUP BY slot, system, interface, department, provider, personal
            ON CONFLICT (slot, key) DO UPDATE SET calls = t.calls + excluded.calls,
                misses = t.misses + excluded.misses, first_index = least(t.first_index, excluded.first_index)""",  # noqa: S608  # constants
        start, end, horizon,
    )  # fmt: skip


async def forget(connection: Any, before: datetime) -> None:
    """What nothing is compared with any more."""
    await connection.execute("DELETE FROM audit.traffic WHERE slot < $1", before)


async def limit_time(tx: Any, most: timedelta) -> None:
    """No statement of this transaction takes longer."""
    await tx.execute("SELECT set_config('statement_timeout', $1, true)", str(int(most.total_seconds() * 1000)))


async def unusual(tx: Any, rule: Rule, start: int, end: int, horizon: datetime) -> list[Unusual]:
    """What breaks a rule now that rows from index `start` up to `end` are there; MOST + 1 at the most."""
    query, arguments = query_of(rule)
    but_not = rule.but_not
    rows = await tx.fetch(
        query, start, end, horizon, but_not.systems, but_not.interfaces, but_not.departments, *arguments
    )
    kind = str(rule.__struct_config__.tag)
    return [_unusual(rule.id, kind, dict(row)) for row in rows]


def _unusual(rule: str, kind: str, row: dict[str, Any]) -> Unusual:
    key = {name: row.pop(name) for name in ("system", "interface", "subject", "since", "until")}
    return Unusual(rule=rule, kind=kind, **key, figures={name: _number(value) for name, value in row.items()})


def _number(value: float) -> int | float:
    return int(value) if value == int(value) else round(float(value), 1)


_FIRST = """(SELECT min(first_index) FROM audit.traffic
             WHERE slot >= $1 AND slot < $2 AND ($3 = '' OR system = $3))"""


async def first_calls(tx: Any, found: Unusual, end: int, *, personal: bool, but_not: ButNot) -> list[str]:
    """Ids of the first calls of what was found, in the order of the log."""
    rows = await tx.fetch(
        f"""SELECT call_id FROM audit.record r
            WHERE leaf_index >= {_FIRST} AND leaf_index < $7 AND at >= $1 AND at < $2 AND {is_use("r")}
              AND system <> '' AND ($3 = '' OR system = $3) AND ($4 = '' OR interface = $4)
              AND ($5 = '' OR (subject = $5 AND subject <> '')) AND (NOT $6 OR segment LIKE '%-personal')
              AND system <> ALL ($8::text[]) AND interface <> ALL ($9::text[]) AND department <> ALL ($10::text[])
            ORDER BY leaf_index LIMIT {MOST_CALLS}""",  # noqa: S608  # constants
        found.since, found.until, found.system, found.interface, found.subject, personal, end,
        but_not.systems, but_not.interfaces, but_not.departments,
    )  # fmt: skip
    return [str(row[0]) for row in rows]


class Parties(NamedTuple):
    """Who took part in what was found."""

    departments: list[str]
    providers: list[str]


async def parties(tx: Any, found: Unusual, end: int, *, personal: bool, but_not: ButNot) -> Parties:
    """From the counts, or, where it is about one person, from that person's records."""
    source, time, about = "audit.traffic", "slot", "($5 = '' OR $7 >= 0) AND (NOT $6 OR personal)"
    if found.subject:
        source, time = "audit.record r", "at"
        about = f"""subject = $5 AND subject <> '' AND {is_use("r")} AND leaf_index >= {_FIRST} AND leaf_index < $7
                    AND NOT $6"""  # constants
    row = await tx.fetchrow(
        f"""SELECT array_agg(DISTINCT department), array_agg(DISTINCT provider) FROM {source}
            WHERE {time} >= $1 AND {time} < $2 AND system <> '' AND ($3 = '' OR system = $3)
              AND ($4 = '' OR interface = $4) AND {about}
              AND system <> ALL ($8::text[]) AND interface <> ALL ($9::text[]) AND department <> ALL ($10::text[])""",  # noqa: S608  # constants
        found.since, found.until, found.system, found.interface, found.subject, personal, end,
        but_not.systems, but_not.interfaces, but_not.departments,
    )  # fmt: skip
    return Parties(*([one for one in value or [] if one] for value in row))


# --- alerts ---------------------------------------------------------------------------------------------------------
async def running(tx: Any, found: Unusual) -> Alert | None:
    """The newest alert of the same rule and key whose window overlaps, held for change."""
    row = await tx.fetchrow(
        f"""SELECT {_ALERT} FROM audit.alert
            WHERE rule = $1 AND system = $2 AND interface = $3 AND subject = $4 AND until > $5 AND since < $6
            ORDER BY until DESC LIMIT 1 FOR UPDATE""",  # noqa: S608  # constants
        found.rule, found.system, found.interface, found.subject, found.since, found.until,
    )  # fmt: skip
    return None if row is None else _alert(row)


async def add(tx: Any, alert: Alert) -> None:
    values = msgspec.structs.asdict(alert) | {"figures": _json(alert)}
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await tx.execute(f"INSERT INTO audit.alert ({_ALERT}) VALUES ({places})", *values.values())  # noqa: S608  # constants


async def prolong(tx: Any, alert: Alert) -> None:
    await tx.execute(
        """UPDATE audit.alert
           SET since = $2, until = $3, prolonged_at = $4, figures = $5, calls = $6, departments = $7, providers = $8
           WHERE id = $1""",
        alert.id, alert.since, alert.until, alert.prolonged_at, _json(alert), alert.calls, alert.departments,
        alert.providers,
    )  # fmt: skip


def _json(alert: Alert) -> str:
    return msgspec.json.encode(alert.figures).decode()


async def close(tx: Any, alert_id: str, finding: str, note: str, by: str, at: datetime) -> Alert | None:
    """The alert, closed; None if it is not open."""
    row = await tx.fetchrow(
        f"""UPDATE audit.alert SET state = 'closed', finding = $2, note = $3, closed_by = $4, closed_at = $5
            WHERE id = $1 AND state = 'open' RETURNING {_ALERT}""",  # noqa: S608  # constants
        alert_id, finding, note, by, at,
    )  # fmt: skip
    return None if row is None else _alert(row)


async def find(connection: Any, alert_id: str) -> Alert | None:
    row = await connection.fetchrow(f"SELECT {_ALERT} FROM audit.alert WHERE id = $1", alert_id)  # noqa: S608  # constants
    return None if row is None else _alert(row)


async def some(
    connection: Any, department: str, *, state: str, rule: str, finding: str, before: tuple[datetime, str] | None,
    limit: int,
) -> list[Alert]:  # fmt: skip
    """Newest first; department "" for all, else those that concern it; `before`: (raised_at, id) of the last seen."""
    at, last = before or (None, None)
    rows = await connection.fetch(
        f"""SELECT {_ALERT} FROM audit.alert
            WHERE ($1 = '' OR (system <> '' AND (departments @> ARRAY[$1] OR providers @> ARRAY[$1])))
              AND ($2 = '' OR state = $2) AND ($3 = '' OR rule = $3) AND ($4 = '' OR finding = $4)
              AND ($5::timestamptz IS NULL OR (raised_at, id) < ($5, $6::uuid))
            ORDER BY raised_at DESC, id DESC LIMIT $7""",  # noqa: S608  # constants
        department, state, rule, finding, at, last, limit,
    )  # fmt: skip
    return [_alert(row) for row in rows]


async def counts(connection: Any) -> list[tuple[str, str, int]]:
    """(rule, open or what was found, how many)."""
    rows = await connection.fetch(
        """SELECT rule, CASE WHEN state = 'open' THEN 'open' ELSE finding END AS found, count(*)
           FROM audit.alert GROUP BY rule, found ORDER BY rule, found"""
    )
    return [tuple(row) for row in rows]


async def records(connection: Any, calls: Sequence[str]) -> list[Summary]:
    """The rows of some calls as far as they are in the database, in the order of the log."""
    columns = ", ".join("r.call_id::text AS call_id" if column == "call_id" else f"r.{column}" for column in COLUMNS)
    rows = await connection.fetch(
        f"""SELECT {columns} FROM audit.entry_index i
            JOIN audit.record r ON r.leaf_index = i.leaf_index AND r.segment = i.segment
            WHERE i.call_id = ANY ($1::uuid[]) ORDER BY r.leaf_index""",  # noqa: S608  # constants
        list(calls),
    )
    return [Summary(**dict(row)) for row in rows]
