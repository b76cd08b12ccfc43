"""Bulkheads: an interface and a department each have their own room, and a call that has no room leaves no trace."""

import pytest

from exchange_service.providers.bulkhead import Bulkhead, Bulkheads, Compartment

pytestmark = pytest.mark.requirement("EXC-27")


def test_interfaces_of_one_department_share_its_room() -> None:
    departments = Bulkheads(3)
    one, two = (Compartment(Bulkhead(2), departments.of("gaj")) for _ in range(2))
    other = Compartment(Bulkhead(2), departments.of("rsj"))
    assert [one.enter(), one.enter()] == ["", ""]
    assert one.enter() == "2 calls of this interface are under way"
    assert two.enter() == ""
    assert two.enter() == "3 calls to this provider are under way"
    assert other.enter() == ""
    one.leave()
    assert two.enter() == ""
    for compartment in (one, two, two, other):
        compartment.leave()
    assert one.own.under_way == two.own.under_way == departments.of("gaj").under_way == 0
