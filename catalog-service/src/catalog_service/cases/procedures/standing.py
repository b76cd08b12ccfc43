"""What procedures have in common that take a permission away, for a time or for good. Pure.

A case names one grant, or a system: then it is about the grants of one provider to it or, without a provider, about the
system as a whole.
"""

from catalog_service.cases.model import Opening, Situation
from catalog_service.directory.contract import invalid
from catalog_service.machine import Role
from runtime.errors import Refusal
from wire import codes, scopes


def sides_of_permission(opening: Opening) -> tuple[str, str]:
    """Whose permission it is, and whose data; only the authority, or the owner, speaks for a system as a whole."""
    if opening.grant is not None and opening.interface is not None:
        return opening.grant.department, opening.interface.provider
    if opening.system is None:
        raise invalid(("grant", "the grant, or the system whose grants it is about"))
    owner, actor = opening.system.department, opening.actor
    speaks_for_all = scopes.AUTHORITY in actor.offices or actor.department == owner
    return owner, opening.provider or ("" if speaks_for_all else actor.department)


def check_own_word(situation: Situation) -> None:
    """Raise Refusal(NOT_YOUR_STEP): what the authority has suspended, a provider does not give back."""
    by = situation.case.decision.get("suspended_by")
    if by == Role.AUTHORITY and Role.AUTHORITY not in situation.roles:
        detail, roles = "the authority suspended it", [Role.AUTHORITY.value]
        raise Refusal(codes.NOT_YOUR_STEP, detail, roles=roles, article="国务院令第809号 27")
