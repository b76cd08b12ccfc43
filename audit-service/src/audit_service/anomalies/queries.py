"""What breaks a rule among the rows that are new: one statement a kind of rule, over sets, never row by row.

Every statement has the same first parameters: new are rows from index $1 up to $2 that ended at $3 or later; $4, $5, $6
are systems, interfaces and departments that the rule is not about. The result has the columns system, interface,
subject (the key), since, until (the window), and figures.
"""

from datetime import timedelta
from typing import Any

from audit_service.anomalies.rules import Enumeration, NightUse, RepeatedSubject, Rule, VolumeJump

MOST = 500
"""Findings of one rule in one step; one more is looked for, to know that there are more."""
_NEVER = 2**31 - 1
_DAY = "interval '1 day'"


def slot(at: str) -> str:
    """Start of the ten minutes that a moment lies in."""
    return f"date_bin(interval '10 minutes', {at}, timestamptz '2000-01-01 00:00:00Z')"


def is_miss(row: str) -> str:
    """Nothing was found, or it was refused for what was asked, or what was claimed is wrong: who guesses hears `no`.
    What a provider or we broke is none."""
    return (
        f"({row}.status = 404 OR ({row}.code <> '' AND {row}.fault = 'consumer') "
        f"OR {row}.verdict IN ('no', 'no_record'))"
    )


def is_use(row: str) -> str:
    """A call, and one that moved data: the sandbox answers from examples, and whoever tries it out asks a lot."""
    return f"({row}.kind <> 'event' AND {row}.mode <> 'sandbox')"


def _not_about(row: str) -> str:
    return (
        f"{row}.system <> ALL ($4::text[]) AND {row}.interface <> ALL ($5::text[]) "
        f"AND {row}.department <> ALL ($6::text[])"
    )


IN_TIME = "r.at >= $3::timestamptz AND r.at < $3::timestamptz + interval '9 days'"
"""From $3 to some days hence: clocks may be wrong, and a year 10000 has no place here."""
_NEW = f"""r.leaf_index >= $1 AND r.leaf_index < $2 AND {IN_TIME} AND {is_use("r")} AND r.system <> ''
           AND {_not_about("r")}"""
_PERSON = "CASE WHEN r.subject LIKE 'p1:%' THEN r.subject END"
"""A pseudonym; other things have subjects too."""
_QUESTION = f"coalesce({_PERSON}, CASE WHEN r.kind = 'outcome' THEN r.call_id::text END)"
"""Who or what was asked for; a refusal that names nobody is no question."""

_VOLUME_JUMP = f"""
WITH touched AS MATERIALIZED (
    SELECT DISTINCT r.system, r.interface, {slot("r.at")} + interval '10 minutes' AS until
    FROM audit.record r WHERE {_NEW}
), loud AS MATERIALIZED (
    SELECT t.system, t.interface, t.until, sum(f.calls) AS calls
    FROM touched t JOIN audit.traffic f
        ON f.system = t.system AND f.interface = t.interface AND f.slot >= t.until - $7::interval AND f.slot < t.until
    WHERE {_not_about("f")}
    GROUP BY t.system, t.interface, t.until HAVING sum(f.calls) >= $8
), earlier AS (
    SELECT l.system, l.interface, l.until, n, sum(f.calls) AS calls
    FROM loud l CROSS JOIN generate_series(1, $9::integer) n JOIN audit.traffic f
        ON f.system = l.system AND f.interface = l.interface
        AND f.slot >= l.until - $7::interval - n * {_DAY} AND f.slot < l.until - n * {_DAY}
    WHERE {_not_about("f")}
    GROUP BY l.system, l.interface, l.until, n
), compared AS (
    SELECT l.*, coalesce((
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY e.calls::float8) FROM earlier e
        WHERE e.system = l.system AND e.interface = l.interface AND e.until = l.until), 0) AS usual
    FROM loud l
)
SELECT c.system, c.interface, '' AS subject, c.until - $7::interval AS since, c.until, c.calls::bigint, c.usual
FROM compared c
WHERE c.calls >= $10::float8 * c.usual
  AND EXISTS (SELECT FROM audit.traffic f
              WHERE f.system = c.system AND f.interface = c.interface AND f.slot <= c.until - $11::integer * {_DAY})
ORDER BY c.until LIMIT {MOST} + 1"""  # noqa: S608  # constants of this file

_ENUMERATION = f"""
WITH touched AS MATERIALIZED (
    SELECT DISTINCT r.system, {slot("r.at")} + interval '10 minutes' AS until FROM audit.record r WHERE {_NEW}
), busy AS MATERIALIZED (
    SELECT t.system, t.until, min(f.first_index) AS first
    FROM touched t JOIN audit.traffic f
        ON f.system = t.system AND f.slot >= t.until - $7::interval AND f.slot < t.until
    WHERE {_not_about("f")}
    GROUP BY t.system, t.until
    HAVING sum(f.calls) >= $8 OR (sum(f.calls) >= $9 AND sum(f.misses) >= $9 * $10::float8)
)
SELECT b.system, '' AS interface, '' AS subject, b.until - $7::interval AS since, b.until, count(*) AS calls,
       count(DISTINCT {_PERSON}) AS subjects, count(DISTINCT {_QUESTION}) AS questions,
       count(DISTINCT {_QUESTION}) FILTER (WHERE {is_miss("r")}) AS misses
FROM busy b JOIN audit.record r
    ON r.system = b.system AND r.leaf_index >= b.first AND r.at >= b.until - $7::interval AND r.at < b.until
WHERE r.leaf_index >= (SELECT min(first) FROM busy) AND r.leaf_index < $2 AND {is_use("r")} AND {_not_about("r")}
GROUP BY b.system, b.until
HAVING count(DISTINCT {_PERSON}) >= $8
    OR (count(DISTINCT {_QUESTION}) >= $9
        AND count(DISTINCT {_QUESTION}) FILTER (WHERE {is_miss("r")}) >= $10::float8 * count(DISTINCT {_QUESTION}))
ORDER BY b.until LIMIT {MOST} + 1"""  # noqa: S608  # constants of this file

_NIGHT_USE = f"""
WITH new AS MATERIALIZED (
    SELECT DISTINCT r.system, r.interface, {slot("r.at")} AT TIME ZONE 'Asia/Shanghai' AS local
    FROM audit.record r WHERE {_NEW} AND r.segment LIKE '%-personal'
), touched AS MATERIALIZED (
    SELECT DISTINCT system, interface,
        ((local::date - (CASE WHEN $7::time > $8::time AND local::time < $8::time THEN 1 ELSE 0 END)) + $7::time)
            AT TIME ZONE 'Asia/Shanghai' AS since
    FROM new
    WHERE CASE WHEN $7::time > $8::time THEN local::time >= $7::time OR local::time < $8::time
               ELSE local::time >= $7::time AND local::time < $8::time END
)
SELECT t.system, t.interface, '' AS subject, t.since, t.since + $9::interval AS until, sum(f.calls)::bigint AS calls
FROM touched t JOIN audit.traffic f
    ON f.system = t.system AND f.interface = t.interface AND f.slot >= t.since AND f.slot < t.since + $9::interval
WHERE f.personal AND {_not_about("f")}
GROUP BY t.system, t.interface, t.since HAVING sum(f.calls) >= $10
ORDER BY t.since LIMIT {MOST} + 1"""  # noqa: S608  # constants of this file

_SEEN = f"""
WITH days AS MATERIALIZED (
    SELECT DISTINCT r.subject,
        date_trunc('day', r.at AT TIME ZONE 'Asia/Shanghai') AT TIME ZONE 'Asia/Shanghai' AS since
    FROM audit.record r WHERE {_NEW} AND r.subject LIKE 'p1:%'
), begins AS MATERIALIZED (
    SELECT coalesce(min(f.first_index), 0) AS first FROM audit.traffic f WHERE f.slot >= (SELECT min(since) FROM days)
), seen AS (
    SELECT d.subject, d.since, r.system, r.department, count(*) AS times
    FROM days d JOIN audit.record r ON r.subject = d.subject AND r.subject <> ''
    WHERE r.leaf_index >= (SELECT first FROM begins) AND r.leaf_index < $2 AND {is_use("r")} AND r.system <> ''
        AND r.at >= d.since AND r.at < d.since + {_DAY} AND {_not_about("r")}
    GROUP BY d.subject, d.since, r.system, r.department
)"""  # noqa: S608  # constants of this file
_BY_ONE = f"""{_SEEN}
SELECT system, '' AS interface, subject, since, since + {_DAY} AS until, sum(times)::bigint AS calls
FROM seen GROUP BY system, subject, since HAVING sum(times) >= $7
ORDER BY since LIMIT {MOST} + 1"""  # noqa: S608  # constants of this file
_BY_MANY = f"""{_SEEN}
SELECT '' AS system, '' AS interface, subject, since, since + {_DAY} AS until, count(DISTINCT system) AS systems,
       count(DISTINCT department) AS departments, sum(times)::bigint AS calls
FROM seen GROUP BY subject, since HAVING count(DISTINCT system) >= $7 AND count(DISTINCT department) >= $8
ORDER BY since LIMIT {MOST} + 1"""  # noqa: S608  # constants of this file


def query_of(rule: Rule) -> tuple[str, tuple[Any, ...]]:
    """The statement of a rule, and its parameters from $7 on."""
    match rule:
        case VolumeJump():
            return _VOLUME_JUMP, (_minutes(rule.minutes), rule.at_least, rule.days, rule.factor, rule.known_days)
        case Enumeration():
            share = 1.0 if rule.miss_share is None else rule.miss_share
            return _ENUMERATION, (_minutes(rule.minutes), rule.subjects or _NEVER, rule.questions or _NEVER, share)
        case NightUse():
            return _NIGHT_USE, (*rule.hours, rule.length, rule.at_least)
        case RepeatedSubject() if rule.times is not None:
            return _BY_ONE, (rule.times,)
        case RepeatedSubject():
            return _BY_MANY, (rule.systems, rule.departments)


def _minutes(number: int) -> timedelta:
    return timedelta(minutes=number)
