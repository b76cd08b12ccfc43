"""How many connections one address may hold."""

import pytest

from relay.crowd import Crowd

pytestmark = pytest.mark.requirement("FRO-06")


def test_an_address_holds_so_many_and_no_more() -> None:
    crowd = Crowd(2)
    assert [crowd.enter("a") for _ in range(3)] == [True, True, False]
    assert crowd.enter("b")
    crowd.leave("a")
    assert crowd.enter("a")
    assert not crowd.enter("a")


def test_nothing_is_kept_of_who_has_gone() -> None:
    crowd = Crowd(2)
    for address in ("a", "b", "a"):
        assert crowd.enter(address)
    for address in ("a", "b", "a"):
        crowd.leave(address)
    assert not crowd._held


@pytest.mark.parametrize(("most", "address"), [(0, "a"), (2, "proxy")], ids=["no limit", "not counted"])
def test_any_number(most: int, address: str) -> None:
    crowd = Crowd(most, lambda asked: asked == "proxy")
    assert all(crowd.enter(address) for _ in range(1000))
