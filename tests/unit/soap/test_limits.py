"""Large documents: what they may hold, and how often each member may be there."""

import pytest

from harness.registrations import WSDL
from soap import wsdl
from soap.shape import MOST_MEMBERS, Element, Group, Range, Simple, ranges
from soap.shapes import DEEPEST

TEXT = Simple("text", "string")
NAME = '<xs:element name="name" type="xs:string"/>'


def elements(count: int) -> str:
    return "".join(f'<xs:element name="n{n}" type="xs:string"/>' for n in range(count))


@pytest.mark.requirement("SOA-04")
@pytest.mark.parametrize("inside", [
    elements(MOST_MEMBERS + 1),
    "<xs:sequence>" * (DEEPEST + 1) + NAME + "</xs:sequence>" * (DEEPEST + 1),
], ids=["wide", "deep"])  # fmt: skip
def test_a_type_beyond_measure_cannot_be_used(inside: str) -> None:
    with pytest.raises(wsdl.BadWsdl, match="more than"):
        wsdl.read(WSDL.replace(NAME, inside).encode()).port()


@pytest.mark.requirement("SOA-04")
def test_a_large_type_can_be_used() -> None:
    port = wsdl.read(WSDL.replace(NAME, elements(MOST_MEMBERS)).encode()).port()
    response = port.operations["Query"].response
    assert response is not None
    assert len(response.inside.ranges) == MOST_MEMBERS


def one(name: str, least: int = 1, most: int | None = 1) -> Element:
    return Element(name, TEXT, least, most)


@pytest.mark.requirement("SOA-04")
@pytest.mark.parametrize(("group", "told"), [
    (Group("sequence", (one("a"), one("b", 0), one("a", 2, None))), {"a": Range(3, None), "b": Range(0, 1)}),
    (Group("choice", (one("a"), one("b", 2, 5))), {"a": Range(0, 1), "b": Range(0, 5)}),
    (Group("choice", (one("a"), one("a", 3, 4))), {"a": Range(1, 4)}),
    (Group("choice", (one("a"), one("a", 0, None))), {"a": Range(0, None)}),
    (Group("sequence", (one("a"),), 0, 3), {"a": Range(0, 3)}),
    (Group("sequence", (one("a", 0, None),), 0, 0), {"a": Range(0, 0)}),
    (Group("sequence", (Group("choice", (one("a"), one("b"))), one("a"))), {"a": Range(1, 2), "b": Range(0, 1)}),
    (Group("choice", (Group("sequence", (one("a"), one("a"))), one("b")), 2, 2), {"a": Range(0, 4), "b": Range(0, 2)}),
    (Group("choice", (one("a"), Group("sequence", (one("b", 1, None), one("a"))))),
     {"a": Range(1, 1), "b": Range(0, None)}),
], ids=range(9))  # fmt: skip
def test_how_often_a_member_may_be_there(group: Group, told: dict[str, Range]) -> None:
    assert ranges(group) == told
