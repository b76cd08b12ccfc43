"""Who sees a case, and as what somebody acts in it. Pure."""

from catalog_service.cases.model import Case
from catalog_service.feed.model import Actor
from catalog_service.machine import Role, roles_of


def may_see(case: Case, actor: Actor) -> bool:
    """Both sides, whoever opened it, and those who oversee; for everybody else the case is not there."""
    on_a_side = actor.side in {case.requester, case.provider} - {""}
    return on_a_side or actor.client == case.maker or actor.oversees


def roles_in(case: Case, actor: Actor) -> frozenset[Role]:
    """The actor's roles in this case; a person concerned (当事人) has a role in nothing but what they opened."""
    offices = actor.offices if actor.department else frozenset()  # "" would match a side that there is not
    roles = roles_of(offices, actor.department, requester=case.requester, provider=case.provider)
    return roles if actor.client == case.maker else roles - {Role.SUBJECT}


def sees_maker(case: Case, actor: Actor) -> bool:
    """Where a kind hides who opened it (国务院令第809号 37 ¶1): they themselves, and those who oversee."""
    return actor.client == case.maker or actor.oversees
