"""A week of an ordinary city as rows of the log, and what somebody might do in the middle of it. Seeded."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from audit_service.summary import Summary
from runtime.ids import uuid7

CHINA = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 3, 2)
PERSONS = 20_000


class Habit(NamedTuple):
    """What one system asks of one interface: calls an hour at work, a night, and of which class."""

    department: str
    system: str
    provider: str
    interface: str
    hourly: float
    nightly: float = 0
    retention: str = "personal"


HABITS = (
    Habit("民政局", "mzj-relief", "公安局", "gaj-identity-verify", 20),
    Habit("民政局", "mzj-relief", "人社局", "rsj-insurance", 15),
    Habit("人社局", "rsj-jobs", "公安局", "gaj-identity-verify", 30),
    Habit("人社局", "rsj-jobs", "教育局", "jyj-degree", 6),
    Habit("卫健委", "wjw-hospital", "公安局", "gaj-identity-verify", 12, nightly=6),
    Habit("教育局", "jyj-schools", "公安局", "gaj-household", 17),
    Habit("住建局", "zjj-housing", "自然资源局", "zrzyj-estate", 10),
    Habit("住建局", "zjj-housing", "民政局", "mzj-marriage", 7),
    Habit("市场监管局", "scjgj-licence", "税务局", "swj-company", 25, nightly=2, retention="general"),
    Habit("数据局", "sjj-desk", "公安局", "gaj-identity-verify", 15),
    Habit("数据局", "sjj-desk", "市场监管局", "scjgj-company", 30, nightly=40, retention="general"),
)
_BUSY = {9: 1.2, 10: 1.3, 11: 1.0, 12: 0.15, 13: 0.5, 14: 1.2, 15: 1.2, 16: 1.0, 17: 0.5, 8: 0.5}
"""How an hour compares with others (China time); the rest are night."""


def moment(day: date, clock: str) -> datetime:
    """ "09:30" of a day in China."""
    return datetime.combine(day, time.fromisoformat(clock), CHINA).astimezone(UTC)


def call(at: datetime, habit: Habit, subject: str, **members: Any) -> Summary:
    """One call, still without its place in the log."""
    whole: dict[str, Any] = {
        "segment": f"{at:%Y%m%d}-{habit.retention}", "leaf_index": -1, "call_id": "", "kind": "outcome", "at": at,
        "department": habit.department, "system": habit.system, "provider": habit.provider, "version": "v1",
        "interface": habit.interface, "status": 200, "subject": subject and f"p1:{subject}", "gateway": "gateway-1",
        **members,
    }  # fmt: skip
    return Summary(**whole)


def ordinary(chance: random.Random, day: date) -> Iterator[Summary]:
    """One day as it always is: people at work, hospitals at night, now and then nobody found or somebody refused."""
    at_work = day.weekday() < 5
    for habit in HABITS:
        for hour in range(24):
            wanted = habit.hourly * _BUSY[hour] * (1 if at_work else 0.05) if hour in _BUSY else habit.nightly / 14
            for _ in range(_about(chance, wanted)):
                at = moment(day, f"{hour:02}:00") + timedelta(seconds=chance.randrange(3600))
                yield _answered(chance, at, habit)


def _about(chance: random.Random, wanted: float) -> int:
    varied = max(0.0, chance.gauss(wanted, wanted**0.5))
    return int(varied) + (chance.random() < varied % 1)


def _answered(chance: random.Random, at: datetime, habit: Habit) -> Summary:
    person = (
        f"p-{min(int(chance.paretovariate(1.2) * 40), PERSONS) if chance.random() < 0.2 else chance.randrange(PERSONS)}"
    )
    luck = chance.random()
    if luck < 0.06:
        return call(at, habit, person, status=404)
    if luck < 0.08:
        return call(at, habit, "", status=403, code="grant/expired", fault="consumer", kind="denied")
    if luck < 0.10:
        return call(at, habit, person, status=502, code="provider/broken", fault="provider")
    return call(at, habit, person if habit.retention == "personal" else "")


def numbered(rows: list[Summary], start: int) -> list[Summary]:
    """In the order of the log: by time, though not quite, intents in between."""
    ordered = sorted(rows, key=lambda row: row.at)
    return [
        msgspec.structs.replace(row, leaf_index=start + 2 * n, call_id=str(uuid7(start + 2 * n)))
        for n, row in enumerate(ordered)
    ]


# --- misuse -----------------------------------------------------------------------------------------------------------
def _spread(day: date, begin: str, minutes: float, number: int) -> Iterator[tuple[int, datetime]]:
    start = moment(day, begin)
    for n in range(number):
        yield n, start + timedelta(minutes=minutes) * n / number


def misuse(day: date) -> dict[tuple[str, str], list[Summary]]:
    """What is done on one day, by (rule, system) that it must be noticed under."""
    licence, jobs, schools, housing, desk = HABITS[8], HABITS[2], HABITS[5], HABITS[6], HABITS[9]
    relief = HABITS[0]
    sides = (HABITS[0], HABITS[2], HABITS[4], HABITS[5], HABITS[7], HABITS[9])
    others = (relief._replace(system="mzj-aged"), jobs._replace(system="rsj-pay"), schools._replace(system="jyj-exam"))
    return {
        ("volume-jump", licence.system): [call(at, licence, "") for _, at in _spread(day, "10:00", 40, 1600)],
        ("many-persons", jobs.system): [call(at, jobs, f"q-{n}") for n, at in _spread(day, "14:00", 45, 460)],
        ("many-misses", housing.system): [
            call(at, housing, f"r-{n}", status=200 if n % 5 == 0 else 404) for n, at in _spread(day, "15:00", 25, 120)
        ],
        ("night-use", schools.system): [call(at, schools, f"s-{n}") for n, at in _spread(day, "23:10", 100, 30)],
        ("same-person", desk.system): [call(at, desk, "t") for _, at in _spread(day, "09:00", 480, 36)],
        ("person-from-all-sides", ""): [
            call(moment(day, f"11:{n:02}"), habit, "u") for n, habit in enumerate((*sides, *others))
        ],
    }
