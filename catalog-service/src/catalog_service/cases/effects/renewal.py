"""What a renewal comes to."""

from collections.abc import Mapping
from dataclasses import replace

from catalog_service.cases import store
from catalog_service.cases.flows import Effect, Turn
from catalog_service.cases.model import Case, Evidence
from catalog_service.cases.procedures.renewal import months
from catalog_service.grants.flows import renew_grant
from runtime.errors import Refusal
from wire import codes


async def _renew(turn: Turn, case: Case) -> Case:
    """In the transaction of the approval, under the same id: calls go on without a break."""
    decided = replace(turn.situation, case=case, evidence=Evidence())
    await renew_grant(turn.change, case.grant, months(decided), case.number)
    return case


async def _be_the_only_one(turn: Turn, case: Case) -> Case:
    """Two renewals at once would give two terms for one question."""
    await turn.change.lock(f"renewal/{case.grant}")
    others = await store.running_cases(turn.change.tx, "renewal", grant_id=case.grant)
    if running := [other.number for other in others if other.id != case.id]:
        raise Refusal(codes.CONFLICT, f"{running[0]} is under way for this grant", case=running[0])
    return case


EFFECTS: Mapping[str, Effect] = {"renew": _renew, "be_the_only_one": _be_the_only_one}
