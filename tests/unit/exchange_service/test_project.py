"""Projection: only what is granted leaves, byte by byte, masked where the grant or the interface says so."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange_service.contract.masks import MASKS, MaskKey, mask_of
from exchange_service.contract.model import BadContract, Contract, Projection
from exchange_service.contract.project import project
from exchange_service.contract.text import BadJson, read
from harness.json_texts import grants, masked, names, texts
from harness.plain_projector import project_plainly
from wire.calls import Obligations
from wire.catalog import Field, Interface, MaskRule

only_granted = pytest.mark.requirement("EXC-01")
byte_exact = pytest.mark.requirement("EXC-02")


KEY = MaskKey(bytes(32))
OWN = MaskRule(name="x-own", head=1, tail=1, shortest=3)
FUNCTIONS = {**MASKS, "x-own": mask_of(OWN), "pseudonym": KEY.mask("ylj")}


def contract(masks: dict[str, str] | None = None) -> Contract:
    fields = [Field(name=name, mask=mask) for name, mask in (masks or {}).items()]
    return Contract(
        Interface(
            id="gaj-household-info", version="v1", provider="gaj", name="", base_url="http://provider.example",
            networks=[], operations=[], fields=fields, masks=[OWN],
        ),
        KEY,
    )  # fmt: skip


def projected(
    body: str | bytes, fields: list[str], masks: dict[str, str] | None = None
) -> tuple[str, list[str], list[str]]:
    """Masks come from the interface here."""
    given = body.encode() if isinstance(body, str) else body
    result = project(given, Projection(contract(masks), Obligations(fields)))
    return result.body.decode(), result.fields, result.masked


@only_granted
@byte_exact
@settings(max_examples=400)
@given(st.booleans().flatmap(texts), grants, masked)
def test_the_same_as_a_plain_walk(body: bytes, fields: list[str], masks: dict[str, str]) -> None:
    """Odd white space, escapes, big numbers, nested arrays, duplicates (both refuse), any grant, any mask."""
    try:
        expected = project_plainly(body, fields, masks, FUNCTIONS)
    except BadJson:
        with pytest.raises(BadJson):
            projected(body, fields, masks)
    else:
        got = project(body, Projection(contract(), Obligations(fields, masks), "ylj"))
        assert (got.body, got.fields, got.masked) == expected


def paths(value: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Paths of all members; arrays are transparent."""
    if isinstance(value, list):
        return set().union(*(paths(element, path) for element in value))
    if not isinstance(value, dict):
        return set()
    below = (paths(member, (*path, name)) for name, member in value.items())
    return {(*path, name) for name in value}.union(*below)


@only_granted
@given(texts().filter(lambda body: body.strip()[:1] in (b"{", b"[")), st.lists(names, max_size=4), masked)
def test_no_path_leaves_that_is_not_granted(body: bytes, fields: list[str], masks: dict[str, str]) -> None:
    granted = {tuple(field.split(".")) for field in fields}
    for path in paths(json.loads(projected(body, fields, masks)[0])):
        inside = any(path[: len(grant)] == grant for grant in granted)
        on_the_way = any(grant[: len(path)] == path for grant in granted)
        assert inside or on_the_way


def values(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all that is neither an object nor an array."""
    if isinstance(value, list):
        for element in value:
            yield from values(element, path)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from values(member, (*path, name))
    else:
        yield path


@only_granted
@given(texts().filter(lambda body: body.strip()[:1] in (b"{", b"[")), st.lists(names, max_size=4), masked)
def test_no_value_leaves_that_is_not_granted_itself_masked_or_not(
    body: bytes, fields: list[str], masks: dict[str, str]
) -> None:
    granted = {tuple(field.split(".")) for field in fields}
    for path in values(json.loads(projected(body, fields, masks)[0])):
        assert any(path[: len(grant)] == grant for grant in granted)


@only_granted
@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text()), st.text(max_size=3), st.integers() | st.text())
def test_a_new_field_of_the_provider_does_not_leave(document: dict[str, Any], name: str, value: Any) -> None:
    document.pop(name, None)
    fields = [known for known in document if known not in ("", "*") and "." not in known]
    before = projected(json.dumps(document), fields)
    assert projected(json.dumps({name: value, **document}), fields) == before
    assert projected(json.dumps({**document, name: dict.fromkeys(document, 1)}), fields) == before


@byte_exact
@given(st.booleans().flatmap(texts), grants)
def test_projected_again_it_stays_as_it_is(body: bytes, fields: list[str]) -> None:
    try:
        once = projected(body, fields)
    except BadJson:
        return
    assert projected(once[0], fields) == once


@byte_exact
@pytest.mark.parametrize(
    "value",
    [
        "18446744073709551616",
        "1.000000000000000005",
        "-0",
        "1E+2",
        "0.10",
        r'"\u5f20\/\u0001"',
        '{ "b" :[1 ,\n2 ] }',
        "[ ]",
    ],
)
def test_a_granted_value_keeps_its_bytes(value: str) -> None:
    assert projected(f' {{ "x":1 , "a" : {value} }} ', ["a"]) == (f'{{"a":{value}}}', ["a"], [])
    assert projected(f'{{"o":[{{"a":{value},"x":1}}]}}', ["o.a"])[0] == f'{{"o":[{{"a":{value}}}]}}'
    assert projected(f'{{"a":{value},"m":"张三"}}', ["*"], {"m": "name_first"})[0] == f'{{"a":{value},"m":"张****"}}'


@only_granted
@pytest.mark.parametrize(
    ("body", "fields", "expected", "met"),
    [
        ('{"c":3,"b":2,"a":1}', ["a", "c"], '{"c":3,"a":1}', ["a", "c"]),
        ('{"a":1}', [], "{}", []),
        ('{"a":1}', ["b"], "{}", []),
        ('{"a":{"b":1,"c":2}}', ["a.b"], '{"a":{"b":1}}', ["a.b"]),
        ('{"a":{"b":{"c":1},"d":2}}', ["a.b"], '{"a":{"b":{"c":1}}}', ["a.b"]),
        ('{"a":{"c":2}}', ["a.b"], '{"a":{}}', []),
        ('{"a":1,"d":null}', ["a.b", "d.b"], "{}", []),
        ('{"a":null}', ["a"], '{"a":null}', ["a"]),
        ('{"a":[{"b":1,"c":2},{"c":3},4,null,[{"b":5}, "x", [[6,{"b":7}]]]]}', ["a.b"],
         '{"a":[{"b":1},{},[{"b":5},[[{"b":7}]]]]}', ["a.b"]),
        ('[{"a":1,"b":2},[{"a":3}],"x"]', ["a"], '[{"a":1},[{"a":3}]]', ["a"]),
        ("[]", ["a"], "[]", []),
        ('{"a":{"b":1,"c":2}}', ["a", "a.b"], '{"a":{"b":1,"c":2}}', ["a"]),
        (' {"a":1} ', ["*"], ' {"a":1} ', ["*"]),
        ('{"a":1}', ["*", "a"], '{"a":1}', ["*"]),
        ('{"a.b":1,"a":{"b":2}}', ["a.b"], '{"a":{"b":2}}', ["a.b"]),
        ('{"A":1,"a ":2,"":3}', ["a"], "{}", []),
        ('{"\\u0061":1}', ["a"], '{"a":1}', ["a"]),
        ('{"é":1,"e\u0301":2}', ["é"], '{"é":1}', ["é"]),
        ('{"__proto__":1,"constructor":2}', ["__proto__"], '{"__proto__":1}', ["__proto__"]),
    ],
)  # fmt: skip
def test_what_leaves(body: str, fields: list[str], expected: str, met: list[str]) -> None:
    assert projected(body, fields) == (expected, met, [])


@only_granted
@pytest.mark.parametrize("name", ["姓名", "é", "😀", "名" * 50, 'a"b', "a\\b", "a b", "class", "\x7f", "a\nb"])
def test_names_of_any_kind_are_told_apart(name: str) -> None:
    """Not taken for granted: msgspec mistakes names outside ASCII, and the empty one for them."""
    fresh = json.loads(json.dumps(name))  # a string that nobody has encoded yet
    document = {"": "empty", name: "right", name + "x": "longer", name[:-1] + "y": "other"}
    for body in (json.dumps(document), json.dumps(document, ensure_ascii=False)):
        assert json.loads(projected(body, [fresh])[0]) == {name: "right"}


@only_granted
@pytest.mark.parametrize("body", ["1", '"a"', "null", " true "])
@pytest.mark.parametrize("fields", [["*"], ["a"]])
def test_a_lone_scalar_does_not_leave(body: str, fields: list[str]) -> None:
    with pytest.raises(BadJson, match="not an object or array"):
        projected(body, fields)


@pytest.mark.requirement("EXC-03")
@pytest.mark.requirement("JDZ-14-15", "JDZ-16-2")
@pytest.mark.parametrize(
    ("body", "fields", "masks", "expected"),
    [
        ('{"n":"张三丰测试"}', ["n"], {"n": "name_first"}, ('{"n":"张****"}', ["n"], ["n"])),
        ('{"n":null}', ["n"], {"n": "name_first"}, ('{"n":null}', ["n"], [])),
        ('{"n":7,"m":true}', ["n", "m"], {"n": "phone", "m": "phone"},
         ('{"n":"***","m":"***"}', ["m", "n"], ["m", "n"])),
        ('{"n":{"x":"张三"}}', ["n"], {"n": "name_first"}, ('{"n":"***"}', ["n"], ["n"])),
        ('{"n":["张三",null,["李四",{}]]}', ["n"], {"n": "name_first"},
         ('{"n":["张****",null,["李****","***"]]}', ["n"], ["n"])),
        ('{"a":1,"n":"x"}', ["a", "n"], {"n": "drop"}, ('{"a":1}', ["a"], ["n"])),
        ('{"a":1}', ["a", "n"], {"n": "drop"}, ('{"a":1}', ["a"], [])),
        ('{"a":1,"n":"张三"}', ["a"], {"n": "name_first"}, ('{"a":1}', ["a"], [])),
        ('{"a":[{"n":"张三","x":1.0}]}', ["a"], {"a.n": "name_first"},
         ('{"a":[{"n":"张****","x":1.0}]}', ["a"], ["a.n"])),
        ('{"a":{"b":"x","c":1}}', ["a.b"], {"a": "name_first"}, ("{}", [], ["a"])),
        ('{"a":[{"b":1},"990101199003070218",7]}', ["a.b"], {"a": "id_last4"}, ("{}", [], ["a"])),
        ('{"a":"990101199003070218"}', ["a.b"], {"a": "pseudonym"}, ("{}", [], ["a"])),
        ('{"a":"990101199003070218"}', ["a", "a.b"], {"a": "id_last4"}, ('{"a":"****0218"}', ["a"], ["a"])),
        ('{"a":1.0,"n":"张三","b":[1.0 ,{"n":"李四"}]}', ["*"], {"n": "name_first", "b.n": "drop"},
         ('{"a":1.0,"n":"张****","b":[1.0,{}]}', ["*"], ["b.n", "n"])),
        ('[{"n":"张三"},[{"n":"李四"}],2.50]', ["*"], {"n": "name_first"},
         ('[{"n":"张****"},[{"n":"李****"}],2.50]', ["*"], ["n"])),
        ('{"n":"\\ud83d\\ude00\\u0022"}', ["n"], {"n": "name_first"}, ('{"n":"😀****"}', ["n"], ["n"])),
        ('{"n":"\\"三"}', ["n"], {"n": "name_first"}, ('{"n":"\\"****"}', ["n"], ["n"])),
    ],
)  # fmt: skip
def test_masks(body: str, fields: list[str], masks: dict[str, str], expected: tuple[str, list[str], list[str]]) -> None:
    assert projected(body, fields, masks) == expected


@pytest.mark.requirement("EXC-03")
@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ({}, '{"n":"张****","p":"13800138000"}'),
        ({"n": "plain"}, '{"n":"张三丰","p":"13800138000"}'),
        ({"n": "drop"}, '{"p":"13800138000"}'),
        ({"p": "phone"}, '{"n":"张****","p":"138****8000"}'),
    ],
)
def test_masks_of_the_grant_replace_those_of_the_interface(grant: dict[str, str], expected: str) -> None:
    projection = Projection(contract({"n": "name_first"}), Obligations(["n", "p"], grant))
    assert project('{"n":"张三丰","p":"13800138000"}'.encode(), projection).body.decode() == expected


@pytest.mark.requirement("EXC-03")
@pytest.mark.parametrize("mask", ["", "sha1", "PHONE"])
def test_a_mask_that_does_not_exist_lets_nothing_out(mask: str) -> None:
    with pytest.raises(BadContract, match="mask"):
        Projection(contract(), Obligations(["n"], {"n": mask}))


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", "a.*", "\ud800", ".".join("a" * 65)])
def test_names_that_no_field_can_have(name: str) -> None:
    with pytest.raises(BadContract, match="cannot be named"):
        Projection(contract(), Obligations([name]))


def test_a_text_that_was_read_before_is_not_read_again() -> None:
    projection = Projection(contract(), Obligations(["a"]))
    assert project(read(b'{"a":1,"b":2}'), projection) == project(b'{"a":1,"b":2}', projection)


def test_whole_says_that_nothing_has_to_be_looked_at() -> None:
    assert Projection(contract(), Obligations(["*"])).whole
    assert not Projection(contract({"n": "phone"}), Obligations(["*"])).whole
    assert Projection(contract({"n": "phone"}), Obligations(["*"], {"n": "plain"})).whole
    assert not Projection(contract(), Obligations(["a"])).whole


@pytest.mark.requirement("PRJ-02")
def test_a_mask_of_the_provider_s_own_and_one_that_it_did_not_register() -> None:
    assert projected('{"n":"abcdef"}', ["n"], {"n": "x-own"})[0] == '{"n":"a****f"}'
    with pytest.raises(BadContract, match="mask"):
        contract({"n": "x-other"})
    with pytest.raises(BadContract, match="two thirds"):
        Contract(
            Interface(
                id="a", version="v1", provider="gaj", name="", base_url="http://provider.example", networks=[],
                operations=[], fields=[], masks=[MaskRule(name="x-a", head=9)],
            )
        )  # fmt: skip


@pytest.mark.requirement("PRJ-03")
def test_without_a_key_there_are_no_pseudonyms() -> None:
    interface = Interface(
        id="a", version="v1", provider="gaj", name="", base_url="http://provider.example", networks=[],
        operations=[], fields=[Field(name="n", mask="pseudonym")],
    )  # fmt: skip
    with pytest.raises(BadContract, match="mask"):
        Contract(interface)
    for consumer in ("ylj", "mzj"):
        projection = Projection(Contract(interface, KEY), Obligations(["n"]), consumer)
        assert project(b'{"n":"a"}', projection).body.decode() == f'{{"n":"{KEY.mask(consumer)("a")}"}}'
