"""What makes two questions the same, however they are written."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.contract.likeness import likeness
from exchange_service.contract.model import Contract
from wire.catalog import Interface, Rest

pytestmark = pytest.mark.requirement("PRJ-08")
NUMBER = "99010019900307013X"
INTERFACE = Interface(
    id="a", version="v1", provider="gaj", name="", base_url="http://provider.example", networks=[], operations=[],
    fields=[],
)  # fmt: skip
REQUEST: dict[str, object] = {"properties": {"id_card": {}}}
ABOUT = msgspec.structs.replace(INTERFACE, subject="id_card", request=REQUEST)


def like(body: str = "", query: str = "", interface: Interface = INTERFACE, **asked: Any) -> bytes:
    said = {"method": "POST", "path": "/a", "values": {}, **asked}
    return likeness(Contract(interface), query=query, body=body.encode(), **said)


@pytest.mark.parametrize(
    "query", ["b=2&id=1", "%69d=1&b=2", "b=%32&%69d=%31", "ID=1&b=2", "id=%201&b=2", "b=%EF%BC%92&id=1"]
)
def test_a_query_is_its_names_and_values(query: str) -> None:
    assert like(query=query) == like(query="id=1&b=2") != like(query="id=1&b=3")


@pytest.mark.parametrize(
    "body",
    [
        ' {"id": "1", "b":[1 ,{"x":"A","y":2}]}', '{"b":[1.0,{"y":2,"x":"a"}],"id":"1"}',
        '{"b":[1,{"y":2,"x":" a"}],"id":1}',
        '{"\\u0069d":"\\u0031","b":[1,{"y":2,"x":"ａ"}]}', '{"id":"1","b":[1,{"y":2e0,"x":"A","z":null}],"c":null}',
    ],
    ids=["blanks", "order", "numbers", "escapes", "nulls"],
)  # fmt: skip
def test_a_body_is_what_it_says(body: str) -> None:
    first = like('{"id":"1","b":[1,{"x":"a","y":2}]}')
    assert like(body) == first
    for other in ('{"id":"1","b":[{"x":"a","y":2},1]}', '{"id":"2","b":[1,{"x":"a","y":2}]}', '{"id":"1"}', "[]"):
        assert like(other) != first


def test_forms_and_xml_are_what_they_say_as_well() -> None:
    form = msgspec.structs.replace(INTERFACE, adapter=Rest(request_format="form"))
    assert (
        like("a=1&b=x+y", interface=form) == like("b=x%20y&%61=1", interface=form) != like("a=1&b=xy", interface=form)
    )
    xml = msgspec.structs.replace(INTERFACE, adapter=Rest(request_format="xml"))
    first = like("<q><a>1</a><b>2</b></q>", interface=xml)
    assert like('<x:q xmlns:x="u"> <b>2</b><a>1<!-- --></a></x:q>', interface=xml) == first
    assert like("<q><a>2</a><b>1</b></q>", interface=xml) != first


def test_every_part_of_a_question_tells_it_apart() -> None:
    asked: list[dict[str, Any]] = [
        {}, {"path": "/b"}, {"method": "PUT"}, {"values": {"x": "1"}}, {"query": "x=1"}, {"body": '{"x":1}'},
        {"body": "[]"}, {"body": "{}"}, {"body": '[["x",1]]'}, {"body": '{"members":[["x","1"]]}'}, {"body": "true"},
    ]  # fmt: skip
    assert len({like(**one) for one in asked}) == len(asked)


def test_a_person_is_one_question_whatever_stands_beside() -> None:
    by_body = like(f'{{"id_card":"{NUMBER}"}}', interface=ABOUT)
    assert by_body == like(f'{{"x":{{"y":1}},"id_card":" {NUMBER.lower()} "}}', "n=1", ABOUT)
    assert by_body == like(interface=ABOUT, method="GET", path="/{id_card}", values={"id_card": NUMBER}, query="n=1")
    assert by_body == like(interface=ABOUT, method="GET", query=f"n=1&id_card=990100-1990{NUMBER[10:]}")
    assert like('{"id_card":990100199003070131}', interface=ABOUT) == like(
        '{"id_card":"990100199003070131"}', "", ABOUT
    )
    assert by_body != like('{"id_card":"990100199003070131"}', interface=ABOUT)
    for nobody in ('{"id_card":null}', '{"id_card":true}', '{"id_card":["1"]}', "[1]", '{"id_card":""}', "{}"):
        assert like(nobody, interface=ABOUT).startswith(b"question ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(json_values)
def test_whatever_json_is_asked_has_one_likeness(value: Any) -> None:
    once = msgspec.json.encode(value).decode()
    again = msgspec.json.format(once, indent=3)
    for interface in (INTERFACE, ABOUT):
        assert like(once, interface=interface) == like(again, interface=interface)
