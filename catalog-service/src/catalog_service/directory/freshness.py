"""Whether data still arrive as often as their entry promises (更新周期). Pure.

An entry is stale when nothing arrived for a cycle and a fifth of one; the fifth is the platform's patience, no law's.
Source: 国务院令第809号 38 (及时性); 德清 10; 景德镇 18.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from catalog_service.directory.entry import Cycle

CYCLE_DAYS: Mapping[Cycle, int] = {"每日": 1, "每周": 7, "每月": 31, "每季度": 92, "每年": 366}
"""实时 has no cycle that could pass: every call shows for itself how fresh the answer is."""
PATIENCE = 1.2


def due(cycle: Cycle, last: datetime) -> datetime | None:
    """Until when new data have to arrive, if the last came at `last`."""
    days = CYCLE_DAYS.get(cycle)
    return None if days is None else last + PATIENCE * timedelta(days=days)


def is_stale(cycle: Cycle, last: datetime | None, published: str, at: datetime) -> bool:
    """last: when data last arrived, None if nobody ever said so; the day of publication stands in for it then."""
    if last is None:
        if not published:
            return False
        last = datetime.fromisoformat(published).replace(tzinfo=UTC)
    expected = due(cycle, last)
    return expected is not None and at > expected
