"""What happens besides in a demand: a source department is named, an entry is linked."""

from collections.abc import Mapping

from msgspec.structs import replace

from catalog_service.cases.flows import Effect, Turn
from catalog_service.cases.model import Case
from catalog_service.cases.procedures.demand import check_match, check_supply
from catalog_service.directory import store as directory
from catalog_service.directory.contract import invalid
from catalog_service.directory.entry import Resource
from catalog_service.directory.model import check_active


async def _name_source(turn: Turn, case: Case) -> Case:
    """The authority names the source department (国务院令第809号 19); whether the decree binds depends on both."""
    code, asking = turn.evidence.department, turn.situation.requester
    source = await directory.find_department(turn.change.tx, code, hold="share")
    if source is None:
        raise invalid(("department", f"there is no department {code}"))
    if source.id == case.requester:
        raise invalid(("department", f"{code} is the department that asks"))
    check_active(source, f"department {code}")
    government = source.is_government and (asking is None or asking.is_government)
    return replace(case, provider=source.id, government=government)


async def _link_match(turn: Turn, case: Case) -> Case:
    code = turn.evidence.resource
    return replace(case, resource=check_match(code, await _entry(turn)).code)


async def _link_supply(turn: Turn, case: Case) -> Case:
    code = turn.evidence.resource
    return replace(case, resource=check_supply(code, await _entry(turn), case).code)


async def _entry(turn: Turn) -> Resource | None:
    return await directory.find_resource(turn.change.tx, turn.evidence.resource, hold="share")


EFFECTS: Mapping[str, Effect] = {
    "name_source": _name_source,
    "link_match": _link_match,
    "link_supply": _link_supply,
}
