"""What comes of an objection or a dispute: an entry has to change, a refused application is granted after all.

Source: 国务院令第809号 17, 28; 云南 27; 常德 11.
"""

from collections.abc import Mapping

from msgspec import convert

from catalog_service.cases import store
from catalog_service.cases.flows import Effect, Turn, fire
from catalog_service.cases.model import Case
from catalog_service.cases.procedures.dispute import SHARE
from catalog_service.cases.procedures.objection import KEEP
from catalog_service.directory.entry import Basis
from catalog_service.directory.evidence import Evidence
from catalog_service.directory.filings import file_step
from catalog_service.policy.flows import today


async def _change_share(turn: Turn, case: Case) -> Case:
    """The entry has to change, in the time that the law gives for a change of its ground; its provider writes how."""
    if case.decision.get("result") == KEEP:
        return case
    ground = [*convert(case.details["legal_basis"], list[Basis]), Basis(law=f"共享属性异议 {case.number}")]
    changed = Evidence(reason=case.number, legal_basis=ground, changed_on=today(turn.change.at).isoformat())
    await file_step(turn.change, turn.desk.lawbook, case.resource, "record_change", changed)
    return case


async def _share_after_all(turn: Turn, case: Case) -> Case:
    """The application that was refused is granted as it was asked; one that was given up meanwhile stays so."""
    if turn.evidence.result == SHARE:
        await _on_refused(turn, case, "share_after_all")
    return case


async def _reconsider(turn: Turn, case: Case) -> Case:
    """The provider thinks better of it: its reply is open again, and goes the way of every reply, heads and all."""
    await _on_refused(turn, case, "reopen")
    return case


async def _on_refused(turn: Turn, case: Case, event: str) -> None:
    parent = await store.find_case(turn.change.tx, case.parent, for_change=True) if case.parent else None
    if parent is not None and parent.state == "refused":
        await fire(turn.change, turn.desk, parent, event, turn.evidence)


EFFECTS: Mapping[str, Effect] = {
    "change_share": _change_share,
    "reconsider": _reconsider,
    "share_after_all": _share_after_all,
}
