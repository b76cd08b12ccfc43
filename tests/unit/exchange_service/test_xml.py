"""XML answers: strict reading, the JSON form that schemas see, and projection by default deny."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange_service.contract.masks import MASKS, MaskKey, mask_of
from exchange_service.contract.model import Contract, Projection
from exchange_service.contract.shape import shape_of
from exchange_service.contract.text import DEEPEST, MOST_BYTES
from exchange_service.contract.xml import BadXml, json_form, plain_xml, project_xml, read_xml
from harness.plain_xml import project_xml_plainly, whole
from harness.xml_texts import documents, grants, names
from wire.calls import Obligations
from wire.catalog import Interface, MaskRule

only_granted = pytest.mark.requirement("PRJ-01")
KEY = MaskKey(bytes(32))
OWN = MaskRule(name="x-own", head=1, tail=1, shortest=3)
FUNCTIONS = {**MASKS, "x-own": mask_of(OWN), "pseudonym": KEY.mask("ylj")}
CONTRACT = Contract(
    Interface(
        id="a", version="v1", provider="gaj", name="", base_url="http://provider.example", networks=[], operations=[],
        fields=[], format="xml", masks=[OWN],
    ),
    KEY,
)  # fmt: skip
masked = st.dictionaries(names, st.sampled_from([*sorted(FUNCTIONS), "drop"]), max_size=4)
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def projected(
    body: str | bytes, fields: list[str], masks: dict[str, str] | None = None
) -> tuple[bytes, list[str], list[str]]:
    given = body.encode() if isinstance(body, str) else body
    out = project_xml(given, Projection(CONTRACT, Obligations(fields, masks or {}), "ylj"))
    return out.body, out.fields, out.masked


def tree(body: bytes) -> Any:
    return whole(ElementTree.fromstring(body))  # noqa: S314  # what we wrote ourselves


@only_granted
@settings(max_examples=300)
@given(documents, grants, masked)
def test_the_same_as_a_plain_walk(body: bytes, fields: list[str], masks: dict[str, str]) -> None:
    """Names in several namespaces, CDATA, comments, mixed text, foreign attributes; any grant, any mask."""
    got, met, covered = projected(body, fields, masks)
    if fields == ["*"] and not masks:
        assert got == body
        return
    assert (tree(got), met, covered) == project_xml_plainly(body, fields, masks, FUNCTIONS)
    for gone in (b"<!--", b"<?", b"urn:secret", b"urn:u", b"xsi:type", b"xml:lang"):
        assert gone not in got


def paths(element: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = {(*path, "@" + name) for name in element.attrib if not name.startswith("{")}
    for child in element:
        inside = (*path, child.tag.rpartition("}")[2])
        found |= {inside} | paths(child, inside)
    return found


@only_granted
@given(documents, st.lists(names, max_size=4), masked)
def test_no_path_leaves_that_is_not_granted(body: bytes, fields: list[str], masks: dict[str, str]) -> None:
    granted = {tuple(field.split(".")) for field in fields}
    root = ElementTree.fromstring(projected(body, fields, masks)[0])  # noqa: S314  # what we wrote ourselves
    for path in paths(root):
        assert any(path[: len(grant)] == grant or grant[: len(path)] == path for grant in granted)


def texts(element: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all text and of all attributes."""
    yield from ((*path, "@" + name) for name in element.attrib if not name.startswith("{"))
    for child in element:
        yield from texts(child, (*path, child.tag.rpartition("}")[2]))
    if any((element.text, *(child.tail for child in element))):
        yield path


@only_granted
@given(documents, st.lists(names, max_size=4), masked)
def test_no_text_leaves_that_is_not_granted_itself_masked_or_not(
    body: bytes, fields: list[str], masks: dict[str, str]
) -> None:
    granted = {tuple(field.split(".")) for field in fields}
    for path in texts(ElementTree.fromstring(projected(body, fields, masks)[0])):  # noqa: S314  # we wrote it ourselves
        assert any(path[: len(grant)] == grant for grant in granted)


@pytest.mark.requirement("PRJ-06")
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("<q><a>1</a></q>", "<q><a>1</a></q>"),
        ('<?xml version="1.0"?>\n<q><a>1</a></q>', '<?xml version="1.0"?>\n<q><a>1</a></q>'),
        ("<!-- x --><q><a>1<!-- y -->2<?p z?>3</a></q><!-- x -->", "<q><a>123</a></q>"),
        ("<q><a>1<![CDATA[<2>]]>&#13;</a></q>", "<q><a>1&lt;2&gt;&#13;</a></q>"),
        ('<q xmlns="urn:d" xmlns:x="urn:x" x:t="x:v"><a xmlns="" xml:lang="zh">名<!-- --></a></q>',
         '<q xmlns="urn:d" xmlns:x="urn:x" x:t="x:v"><a xmlns="" xml:lang="zh">名</a></q>'),
        ('<?xml version="1.0"?><q><?p?></q>', "<?xml version='1.0' encoding='UTF-8'?>\n<q/>"),
    ],
    ids=["plain", "declared", "comments", "CDATA", "namespaces", "declared, instruction"],
)  # fmt: skip
def test_the_provider_gets_a_question_that_has_one_reading(asked: str, told: str) -> None:
    assert plain_xml(asked.encode()).decode() == told


@only_granted
@given(documents, st.lists(names, max_size=4))
def test_projected_again_it_stays_as_it_is(body: bytes, fields: list[str]) -> None:
    once = projected(body, fields)
    assert projected(once[0], fields) == once


@only_granted
@given(documents, st.lists(names, max_size=4))
def test_a_new_element_or_attribute_of_the_provider_does_not_leave(body: bytes, fields: list[str]) -> None:
    before = projected(body, fields)
    assert projected(body.replace(b"<r ", b'<r neu="1" '), fields) == before
    assert projected(body.replace(b"</r>", b"<neu><a>1</a></neu>text</r>"), fields) == before


@only_granted
@pytest.mark.parametrize(
    ("body", "fields", "expected", "met"),
    [
        ("<r><a>1</a><b>2</b></r>", ["a"], "<r><a>1</a></r>", ["a"]),
        ("<r>x<a>1</a>y<b>2</b>z</r>", ["a", "b"], "<r><a>1</a><b>2</b></r>", ["a", "b"]),
        ("<r><p><a>1</a><b>2</b></p><p><b>3</b></p></r>", ["p.a"], "<r><p><a>1</a></p><p/></r>", ["p.a"]),
        ('<r id="1" x="2"><a/></r>', ["@id"], '<r id="1"/>', ["@id"]),
        ('<r><a id="1">t</a></r>', ["a.@id"], '<r><a id="1"/></r>', ["a.@id"]),
        ('<r><a k="&lt;&quot;">&lt;<![CDATA[&]]>&#13; </a></r>', ["a"],
         '<r><a k="&lt;&quot;">&lt;&amp;&#13; </a></r>', ["a"]),
        ("<r><a>12<!-- x -->34<?y z?>5</a></r>", ["a"], "<r><a>12345</a></r>", ["a"]),
        ('<r xmlns="urn:d" xmlns:s="urn:s"><a>1</a><s:a>2</s:a><b xmlns=""><a>3</a></b></r>', ["a", "b"],
         '<r xmlns="urn:d"><a>1</a><s:a xmlns:s="urn:s">2</s:a><b xmlns=""><a>3</a></b></r>', ["a", "b"]),
        (f'<r {XSI}><a xsi:nil="1" xsi:type="x"/></r>', ["a"], f'<r><a {XSI} xsi:nil="true"/></r>', ["a"]),
        ("<r><a>1</a></r>", [], "<r/>", []),
        ("<r><a>1</a></r>", ["r.a", "A"], "<r/>", []),
        ("<!-- x --><r><a>1</a></r>", ["*"], "<!-- x --><r><a>1</a></r>", ["*"]),
    ],
    ids=["default deny", "mixed text", "repeated", "attribute of the root", "attribute of what is not granted",
         "text exact", "comments inside", "namespaces", "null", "nothing", "below the root", "whole"],
)  # fmt: skip
def test_what_leaves(body: str, fields: list[str], expected: str, met: list[str]) -> None:
    assert projected(body, fields) == (expected.encode(), met, [])


@only_granted
@pytest.mark.parametrize(
    ("body", "masks", "expected", "covered"),
    [
        ('<r><n k="1">张三</n></r>', {"n": "name_first"}, "<r><n>张****</n></r>", ["n"]),
        ("<r><n>张<!-- -->三</n><n>李四</n></r>", {"n": "name_first"}, "<r><n>张****</n><n>李****</n></r>", ["n"]),
        ("<r><n><x>张三</x></n></r>", {"n": "name_first"}, "<r><n>***</n></r>", ["n"]),
        ("<r>t<n/>u<a/></r>", {"n": "drop"}, "<r>tu<a/></r>", ["n"]),
        ('<r n="13800138000"/>', {"@n": "phone"}, '<r n="138****8000"/>', ["@n"]),
        ('<r n="1"/>', {"@n": "drop"}, "<r/>", ["@n"]),
        (f'<r {XSI}><n xsi:nil="true"/></r>', {"n": "phone"}, f'<r><n {XSI} xsi:nil="true"/></r>', []),
    ],
    ids=["text", "each", "a box", "drop", "attribute", "attribute dropped", "null"],
)
def test_masks(body: str, masks: dict[str, str], expected: str, covered: list[str]) -> None:
    assert projected(body, ["*"], masks) == (expected.encode(), ["*"], covered)


REFUSED = {
    "X-doctype": b"<!DOCTYPE r><r/>",
    "X-doctype-behind-a-comment": b"<!-- x --><?y z?>\n<!DOCTYPE r [<!ENTITY a 'b'>]><r>&a;</r>",
    "X-external-entity": b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r>&a;</r>',
    "X-billion-laughs": b'<!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><r>&b;</r>',
    "X-parameter-entity": b'<!DOCTYPE r [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;]><r/>',
    "X-unknown-entity": b"<r>&nbsp;</r>",
    "X-unknown-entity-in-an-attribute": b'<r a="&x;"/>',
    "X-utf-16": '<?xml version="1.0" encoding="utf-16"?><r/>'.encode("utf-16"),
    "X-latin-1-declared": b'<?xml version="1.0" encoding="iso-8859-1"?><r>\xe9</r>',
    "X-gb18030-declared": '<?xml version="1.0" encoding="gb18030"?><r>张</r>'.encode("gb18030"),
    "X-not-utf-8": b"<r>\xff</r>",
    "X-version-1.1": b'<?xml version="1.1"?><r/>',
    "X-control-character": b"<r>\x01</r>",
    "X-control-character-escaped": b"<r>&#1;</r>",
    "X-two-roots": b"<r/><r/>",
    "X-text-behind": b"<r/>x",
    "X-not-closed": b"<r><a></r>",
    "X-attribute-twice": b'<r a="1" a="2"/>',
    "X-attribute-twice-by-namespace": b'<r xmlns:p="u" xmlns:q="u" p:a="1" q:a="2"/>',
    "X-undeclared-prefix": b"<p:r/>",
    "X-json": b'{"a":1}',
    "X-nothing": b"",
    "X-deep": b"<a>" * (DEEPEST + 1) + b"</a>" * (DEEPEST + 1),
    "X-very-deep": b"<a>" * 100_000,
    "X-many-elements": b"<r>" + b"<a/>" * 500_001 + b"</r>",
    "X-many-attributes": b"<r " + b" ".join(b"a%d='1'" % n for n in range(1001)) + b"/>",
    "X-large": b"<r>" + b" " * MOST_BYTES + b"</r>",
}


@pytest.mark.requirement("PRJ-05")
@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_refused(body: bytes) -> None:
    with pytest.raises(BadXml) as bad:
        read_xml(body)
    assert "passwd" not in str(bad.value)


@pytest.mark.requirement("PRJ-05")
@pytest.mark.parametrize(
    "body",
    [
        b"<r/>", b'<?xml version="1.0"?>\n<r/>', b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><r/>',
        b"\xef\xbb\xbf<r/>", b"<r><![CDATA[<!DOCTYPE x>]]></r>", b"<a>" * DEEPEST + b"</a>" * DEEPEST,
    ],
    ids=["X-plain", "X-declared", "X-standalone", "X-byte-order-mark", "X-doctype-as-text", "X-deepest"],
)  # fmt: skip
def test_read(body: bytes) -> None:
    assert read_xml(body).body is body


@pytest.mark.requirement("PRJ-06")
@pytest.mark.parametrize(
    ("body", "schema", "expected"),
    [
        ("<r><a>1</a></r>", None, {"a": "1"}),
        ("<r><a>1</a><a>2</a></r>", None, {"a": ["1", "2"]}),
        ('<r k="v">t</r>', None, {"@k": "v", "#text": "t"}),
        ("<r>t</r>", None, "t"),
        ("<r> t<a/>u</r>", None, {"a": ""}),
        (f'<r {XSI}><a xsi:nil="true"/></r>', None, {"a": None}),
        ("<r><a>1</a></r>", {"properties": {"a": {"type": "array", "items": {"type": "integer"}}}}, {"a": [1]}),
        ("<r><a> 1.50 </a><b>true</b></r>",
         {"properties": {"a": {"type": "number"}, "b": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "boolean"}}},
         {"a": 1.5, "b": True}),
        ("<r><a>x</a><b/></r>", {"properties": {"a": {"type": "integer"}, "b": {"type": ["null", "integer"]}}},
         {"a": "x", "b": None}),
        ("<r><a>1e999</a></r>", {"properties": {"a": {"type": "number"}}}, {"a": "1e999"}),
        ("<r> </r>", {"type": "object"}, {}),
    ],
    ids=["text", "repeated", "attribute and text", "text alone", "mixed", "null", "array of one", "typed", "not typed",
         "beyond a double", "empty object"],
)  # fmt: skip
def test_the_json_form(body: str, schema: dict[str, Any] | None, expected: Any) -> None:
    shape = None if schema is None else shape_of(schema)
    assert json_form(read_xml(body.encode()).root, shape) == expected
