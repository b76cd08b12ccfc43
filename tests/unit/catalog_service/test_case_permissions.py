"""Who sees a case, and as what somebody acts in it."""

import msgspec
import pytest

from catalog_service.cases.permissions import may_see, roles_in
from catalog_service.feed.model import Actor
from catalog_service.machine import Role
from harness.machines import CASE
from wire import scopes


@pytest.mark.requirement("CAS-03")
@pytest.mark.parametrize(
    ("actor", "sees"),
    [
        (Actor("anybody", "zjj", frozenset({scopes.OFFICER})), True),
        (Actor("anybody", "rsj", frozenset({scopes.HEAD})), True),
        (Actor("a-system", "rsj"), False),
        (Actor("another-person", "rsj", frozenset({scopes.SUBJECT})), False),
        (Actor("zjj-client", "moved"), True),
        (Actor("anybody", "jyj"), False),
        (Actor("anybody", "jyj", frozenset({scopes.OFFICER, scopes.HEAD, scopes.SUBJECT})), False),
        (Actor("anybody", "jyj", frozenset({scopes.AUTHORITY})), True),
        (Actor("anybody", "jyj", frozenset({scopes.UPPER_AUTHORITY})), True),
        (Actor("anybody", "jyj", frozenset({scopes.GOVERNMENT})), True),
    ],
)
def test_sides_maker_and_overseers_see_a_case(actor: Actor, sees: bool) -> None:
    assert may_see(CASE, actor) is sees


@pytest.mark.requirement("CAS-03")
def test_a_case_without_a_side_belongs_to_nobody_who_has_no_department() -> None:
    one_sided = msgspec.structs.replace(CASE, provider="")
    nobody = Actor("anybody", "", frozenset({scopes.OFFICER, scopes.HEAD}))
    assert not may_see(one_sided, nobody)
    assert roles_in(one_sided, nobody) == set()


@pytest.mark.requirement("CAS-03")
def test_a_person_concerned_acts_in_their_own_case_alone() -> None:
    offices = frozenset({scopes.SUBJECT, scopes.OFFICER})
    assert roles_in(CASE, Actor("zjj-client", "zjj", offices)) == {Role.SUBJECT, Role.REQUESTER}
    assert roles_in(CASE, Actor("another", "zjj", offices)) == {Role.REQUESTER}
