"""Limits that no text gives a number for: the platform's own, shown as such (A.3: a `qual` clock).

`statute` knows them as plain values; here they become clocks like those of the law.
"""

from collections.abc import Mapping

from catalog_service.cases.flows import Effect, Turn
from catalog_service.cases.model import Case
from catalog_service.cases.procedures.complaint import ACCEPT, RESOLVE
from catalog_service.cases.procedures.subject_rights import LIMIT
from catalog_service.clocks.flows import start_clock, stop_clocks
from catalog_service.notices.model import Subject
from statute.model import Clock as Limit


async def _limit_answer(turn: Turn, case: Case) -> Case:
    """及时: the platform says how many days that is."""
    await _start(turn, case, LIMIT, "qualitative.timely.days")
    return case


async def _limit_acceptance(turn: Turn, case: Case) -> Case:
    await _start(turn, case, ACCEPT, "complaint.accept_days")
    return case


async def _limit_resolution(turn: Turn, case: Case) -> Case:
    await stop_clocks(turn.change, Subject("case", case.id), [ACCEPT])
    await _start(turn, case, RESOLVE, "complaint.resolve_days")
    return case


async def _end_limits(turn: Turn, case: Case) -> Case:
    await stop_clocks(turn.change, Subject("case", case.id))
    return case


async def _start(turn: Turn, case: Case, key: str, days_key: str) -> None:
    """The duty is that of the side that deals with it, or of the authority ("")."""
    found = turn.situation.law.value(days_key)
    days = int(str(found.value))
    limit = Limit(
        key=key, base=days, total=days, unit="WD", source=found.source, cite=found.cite, start="", actor="",
        binding="must", approve_by="", notify=(), reason=False,
    )  # fmt: skip
    await start_clock(
        turn.change, turn.desk.lawbook, turn.situation.law, key, Subject("case", case.id),
        responsible=case.provider, limit=limit,
    )  # fmt: skip


EFFECTS: Mapping[str, Effect] = {
    "limit_answer": _limit_answer,
    "limit_acceptance": _limit_acceptance,
    "limit_resolution": _limit_resolution,
    "end_limits": _end_limits,
}
