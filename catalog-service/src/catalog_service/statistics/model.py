"""Figures for the yearly assessment (评估考核, B.14): what they are and how they are reckoned. Pure.

A figure says what it is a part of: a ratio alone hides that it stands for two cases. Availability and latency of
interfaces and the completeness of the log are known to the gateways and the log, not here.
Source: 国务院令第809号 29, 38; 常德 27; 云南 6; 景德镇 20.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from statute.calendar import SHANGHAI

LONGEST_DAYS = 5 * 366
UNUSED_DAYS = 30
MOST_NAMED = 200
LIMITS: Mapping[str, tuple[str, ...]] = {
    "reply": ("share.unconditional.reply", "share.conditional.reply", "demand.reply", "open.reply"),
    "provide": ("share.unconditional.provide", "share.conditional.provide", "demand.fulfil"),
    "correction": ("correction.by_requester", "correction.by_subject", "correction.authority_forward"),
    "update": ("catalog.update_on_change",),
    "review": ("catalog.authority_review",),
}
"""What is assessed -> the time limits behind it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which days, and whose figures: those of one department, or "" for all."""

    first: date
    last: date
    department: str = ""

    @property
    def begins(self) -> datetime:
        return _midnight(self.first)

    @property
    def ends(self) -> datetime:
        """The instant after the last day."""
        return _midnight(self.last + timedelta(days=1))

    def month_ends(self, now: datetime) -> list[datetime]:
        """The last instant of every month that has begun, as far as it lies in the scope and not in the future."""
        ends, first = [], self.first
        while first <= self.last and _midnight(first) < now:
            following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
            ends.append(min(_midnight(following), self.ends, now))
            first = following
        return ends


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)


class Rate(msgspec.Struct, frozen=True):
    """`count` of `of`; ratio is null where there is nothing to count."""

    count: int
    of: int
    ratio: float | None


def rate(count: int, of: int) -> Rate:
    return Rate(count, of, round(count / of, 4) if of else None)


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """编目率: entries that are published, of all that were registered and neither rejected nor withdrawn."""

    department: str
    name: str
    published: Rate


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that were live at the end of a month, and those of them that are shared unconditionally."""

    until: datetime
    unconditional: Rate


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """Heartbeat against cycle: entries whose data still arrive as often as they promise. stale: codes of the others.

    What is asked live (实时) has no cycle and shows for itself how fresh it is.
    """

    in_time: Rate
    stale: list[str]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits that fell due in the scope. open: due later, or not looked at since; they are not judged yet."""

    on_time: Rate
    met: int = 0
    met_late: int = 0
    overdue: int = 0
    open: int = 0


def limit_of(states: Mapping[str, int]) -> Limit:
    """states: state of a clock -> how many; what was cancelled counts for nothing."""
    met, late, overdue = (states.get(state, 0) for state in ("met", "met_late", "overdue"))
    waiting = states.get("running", 0) + states.get("extended", 0)
    return Limit(
        on_time=rate(met, met + late + overdue), met=met, met_late=late, overdue=overdue, open=waiting
    )  # fmt: skip


def limits_of(counts: Iterable[tuple[str, str, int]]) -> tuple[dict[str, Limit], dict[str, Limit]]:
    """(key, state, how many) as limits by what is assessed, and by key."""
    by_key: dict[str, Counter[str]] = {}
    for key, state, count in counts:
        by_key.setdefault(key, Counter())[state] += count
    assessed = {
        name: limit_of(sum((by_key.get(key, Counter()) for key in keys), Counter())) for name, keys in LIMITS.items()
    }
    return assessed, {key: limit_of(states) for key, states in sorted(by_key.items())}


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """A legal ground on which sharing was refused, and how often."""

    law: str
    article: str
    rank: str
    count: int


class Refusals(msgspec.Struct, frozen=True, kw_only=True):
    """Refused applications and renewals. grounded: those with a ground of a rank that their law allows."""

    grounded: Rate
    by_ground: list[Ground]


class Unused(msgspec.Struct, frozen=True, kw_only=True):
    """A grant that stands but is not used. last_used: null for never, as far as gateways told."""

    grant: str
    department: str
    system: str
    interface: str
    last_used: datetime | None


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """unused: given more than UNUSED_DAYS ago and not called since so long, of all grants that stand."""

    unused: Rate
    named: list[Unused]


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one interface version as gateways told. errors: calls without an answer of the provider."""

    interface: str
    provider: str
    calls: int
    errors: int


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at once. What has no date (catalog, share types, freshness, interfaces, grants) is as of now."""

    first: date
    last: date
    department: str
    at: datetime
    catalog: Rate
    catalog_by_department: list[Coverage]
    share_types: dict[str, Rate]
    unconditional_trend: list[Trend]
    freshness: Freshness
    limits: dict[str, Limit]
    limits_by_key: dict[str, Limit]
    refusals: Refusals
    interfaces_by_stage: dict[str, int]
    grants: Grants
    calls: list[Calls]
    calls_total: int
    calls_note: str = "Reported by gateways, a hint for people; the log is the proof. 由网关上报，仅供参考，以日志为准"
