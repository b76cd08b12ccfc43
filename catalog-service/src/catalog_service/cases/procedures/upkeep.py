"""What comes round: the yearly test and drill, and the disposal of logs that were kept long enough. Pure.

Disposal is only decided here, by two people; the log itself is the audit service's.

Source: 景德镇 16; 国务院令第809号 29; 网络安全法 23; 个人信息保护法 56.
"""

from datetime import date
from typing import Literal, cast

import msgspec

from catalog_service.cases.forms import Day, Line, Text
from catalog_service.cases.model import Kind, Situation
from catalog_service.cases.procedures.deadline import day_of, today
from catalog_service.cases.procedures.registry import own_department
from catalog_service.machine import START, Machine, Role, Row, Rules
from runtime.errors import Refusal
from wire import codes

OWN, HEAD, AUTHORITY = Role.REQUESTER, Role.REQUESTER_HEAD, Role.AUTHORITY
DRILL_DAY = "drill"


class Drill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A security test or an emergency drill, the year it counts for, and its plan."""

    exercise: Literal["", "test", "drill"] = ""
    year: Line = ""
    plan: Text = ""


DRILL = Machine(
    name="drill",
    title=("安全测评与应急演练", "Security test and drill"),
    cite="景德镇 16; 常德 24; 德清 33",
    labels={
        "due": ("待开展", "Due"),
        "done": ("已完成", "Done"),
    },
    finals=frozenset({"done"}),
    rows=(
        Row(event="plan", sources=(START,), target="due", by=(AUTHORITY, OWN), cite="景德镇 16; 常德 24",
            needs=("exercise", "year", "plan"), tells=(AUTHORITY, HEAD)),
        Row(event="schedule", sources=("due",), target="due", by=(AUTHORITY, OWN), cite="景德镇 16", needs=("until",),
            starts=(DRILL_DAY,), tells=(OWN, AUTHORITY)),
        Row(event="record", sources=("due",), target="done", by=(AUTHORITY, OWN), cite="景德镇 16; 常德 24",
            needs=("result", "documents"), stops=(DRILL_DAY,), tells=(AUTHORITY,)),
    ),
)  # fmt: skip


class Disposal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which records: of one retention class, all that are older than a day."""

    retention: Literal["", "general", "personal"] = ""
    before: Day = ""
    reason: Text = ""


DISPOSAL = Machine(
    name="log_disposal",
    title=("日志处置", "Disposal of logs"),
    cite="景德镇 16; 国务院令第809号 29; 网络安全法 23; 个人信息保护法 56",
    labels={
        "due": ("待审批", "Due"),
        "approved": ("已双人审批", "Approved by two"),
        "sealed": ("摘要已封存", "Summary sealed"),
        "deleted": ("已删除", "Deleted"),
    },
    finals=frozenset({"deleted"}),
    rows=(
        Row(event="propose", sources=(START,), target="due", by=(AUTHORITY,), cite="景德镇 16",
            needs=("retention", "before", "reason"), guards=("kept_long_enough",), tells=(AUTHORITY,)),
        Row(event="approve", sources=("due",), target="approved", by=(AUTHORITY,), cite="景德镇 16", needs=("note",),
            four_eyes=True),
        Row(event="seal", sources=("approved",), target="sealed", by=(AUTHORITY,), cite="景德镇 16",
            needs=("documents",)),
        Row(event="delete", sources=("sealed",), target="deleted", by=(AUTHORITY,), cite="景德镇 16", needs=("note",),
            four_eyes=True),
    ),
)  # fmt: skip

YEAR = 12
_KEPT = {
    "general": {"audit.call_log_months": 1},
    "personal": {
        "audit.call_log_months": 1,
        "audit.usage_record_years": YEAR,
        "audit.personal_or_important_data_record_years": YEAR,
        "audit.pia_record_years": YEAR,
    },
}
"""Retention class -> what the law says about it, and how many months one of its units is."""


def _kept_long_enough(situation: Situation) -> None:
    """A class is kept for the longest of its times, and the month in which that ends is kept whole."""
    details = situation.case.details
    times = _KEPT[details["retention"]].items()
    longest = max(months * cast("int", situation.law.value(key).value or 0) for key, months in times)
    now = today(situation)
    years, month = divmod(now.year * YEAR + now.month - 1 - longest, YEAR)
    oldest = date(years, month + 1, 1)
    if day_of(details["before"], "details/before") > oldest:
        raise Refusal(codes.TOO_EARLY, f"records since {oldest} are still kept", until=oldest.isoformat())


KINDS = {
    "drill": Kind(
        machine=DRILL,
        rules=Rules(conditions={}, guards={}),
        letters="YL",
        form=Drill,
        sides=own_department,
        responsible={DRILL_DAY: OWN},
    ),
    "log_disposal": Kind(
        machine=DISPOSAL,
        rules=Rules(conditions={}, guards={"kept_long_enough": _kept_long_enough}),
        letters="RZ",
        form=Disposal,
        sides=own_department,
        responsible={},
    ),
}
