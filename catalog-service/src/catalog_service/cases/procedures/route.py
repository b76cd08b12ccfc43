"""Who settles it when two cannot agree: the instances in their order, as the law of the case names them. Pure.

Source: 国务院令第809号 28; 云南 27; 常德 11.
"""

from typing import cast

from catalog_service.cases.model import Situation
from catalog_service.directory.contract import invalid
from runtime.errors import Refusal
from wire import codes

BY_ANALOGY = ("negotiate", "same_level_authority", "same_level_government")
"""The decree's order, also for parties that it does not bind, where their own rule is silent."""
AUTHORITIES = frozenset({"same_level_authority", "city_authority"})
GOVERNMENT = "same_level_government"


def route(situation: Situation, *keys: str) -> frozenset[str]:
    """The instances that the first of `keys` to say anything names."""
    said = (cast("list[str] | None", situation.law.value(key).value) for key in keys)
    return frozenset(next((words for words in said if words), BY_ANALOGY))


def check_not_own_cause(situation: Situation) -> None:
    """Raise Refusal(NOT_YOUR_STEP): whose own matter it is neither settles nor decides it (国务院令第809号 28, 41)."""
    department = situation.actor.department
    if department in (situation.case.requester, situation.case.provider):
        raise Refusal(codes.NOT_YOUR_STEP, f"{department} is a side of this case", article="国务院令第809号 28, 41")


def check_result(situation: Situation, *allowed: str) -> None:
    """Raise Refusal(INVALID_REQUEST) unless the decision is one of `allowed`: what is carried out has to be plain."""
    if situation.evidence.result not in allowed:
        raise invalid(("result", f"one of {', '.join(allowed)}"))
