"""Envelopes: the same as zeep's, values as they were written, and nothing that the XSD does not know."""

import io
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeep import Settings, xsd
from zeep.wsdl import Document

from harness import wsdls
from soap import codec, wsdl
from soap.codec import BadXml, NotWritable
from soap.reader import number
from soap.wsdl import ENVELOPE

PORT = wsdl.read(wsdls.RICH.encode()).port()
ASK, SUM, NOTE = (PORT.operations[name] for name in ("Ask", "Sum", "Note"))
LEAST: dict[str, Any] = {"@version": 1, "code": "a", "citizen": "1" * 18}
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def envelope(inside: str, version: wsdl.Version = "1.1", header: str = "") -> bytes:
    return (
        f'<s:Envelope xmlns:s="{ENVELOPE[version]}" xmlns:t="urn:rich">{header}<s:Body>{inside}</s:Body></s:Envelope>'
    ).encode()


def answered(inside: str) -> Any:
    """The JSON of an answer; numbers as text."""
    heard = codec.answer(ASK, envelope(f"<t:AskResponse {XSI}>{inside}</t:AskResponse>"))
    return json.loads(heard.body, parse_int=str, parse_float=str)


# --- questions --------------------------------------------------------------------------------------------------------
ZEEP: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "least": ("Ask", LEAST, {"version": 1, "code": "a", "citizen": "1" * 18}),
    "null": (
        "Ask", {**LEAST, "sex": None}, {"version": 1, "code": "a", "citizen": "1" * 18, "sex": xsd.Nil},
    ),
    "choice": (
        "Ask", {**LEAST, "phone": "139"}, {"version": 1, "code": "a", "citizen": "1" * 18, "phone": "139"},
    ),
    "sequence-in-choice": (
        "Ask", {**LEAST, "city": "北京", "street": "a&b<c>"},
        {"version": 1, "code": "a", "citizen": "1" * 18, "street": "a&b<c>", "city": "北京"},
    ),
    "value-with-attribute": (
        "Ask", {**LEAST, "paid": {"#text": 12.5, "@currency": "CNY"}},
        {"version": 1, "code": "a", "citizen": "1" * 18, "paid": {"_value_1": Decimal("12.5"), "currency": "CNY"}},
    ),
    "repeated-sequence": (
        "Ask", {**LEAST, "key": ["a", "b"], "value": [1.5, 2]},
        {"version": 1, "code": "a", "citizen": "1" * 18,
         "_value_1": [{"key": "a", "value": Decimal("1.5")}, {"key": "b", "value": 2}]},
    ),
    "tree": (
        "Ask", {**LEAST, "tree": {"child": [{"label": "b"}], "label": "a"}, "sure": False},
        {"version": 1, "code": "a", "citizen": "1" * 18, "tree": {"label": "a", "child": [{"label": "b"}]},
         "sure": False},
    ),
    "rpc": ("Sum", {"left": 1, "right": {"#text": 2}}, {"left": 1, "right": {"_value_1": 2}}),
}  # fmt: skip


@pytest.mark.requirement("SOA-04")
@pytest.mark.parametrize(("name", "asked", "kwargs"), ZEEP.values(), ids=ZEEP.keys())
def test_an_envelope_is_what_zeep_would_have_written(name: str, asked: Any, kwargs: dict[str, Any]) -> None:
    kwargs = {"_value_1": [], **kwargs} if name == "Ask" else kwargs  # zeep misses what is optional otherwise
    transport: Any = object()
    document = Document(io.BytesIO(wsdls.RICH.replace("schemaLocation", "id").encode()), transport, settings=Settings())
    theirs = document.services["S"].ports["P11"].binding.get(name).create(**kwargs).content
    ours = codec.question(PORT.operations[name], json.dumps(asked).encode(), "1.1")
    assert wsdls.canonical(ours) == wsdls.canonical(codec._bytes(theirs))


@pytest.mark.requirement("SOA-04")
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_what_is_written_is_read_as_it_was(version: wsdl.Version) -> None:
    body = msgspec.json.encode(wsdls.FULL)
    assert codec.asked(ASK, codec.question(ASK, body, version), version) == body


text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=20)


@pytest.mark.requirement("SOA-04")
@given(
    code=text, label=text, whole=st.integers(-(10**30), 10**30), part=st.decimals(allow_nan=False, allow_infinity=False)
)
def test_any_value_comes_back_as_it_went(code: str, label: str, whole: int, part: Decimal) -> None:
    digits = f"{part:f}" if abs(part.adjusted()) < 300 else "0"
    body = json.dumps({**LEAST, "code": code, "tree": {"label": label}}, ensure_ascii=False, separators=(",", ":"))
    body = (
        body.replace('"@version":1', f'"@version":{whole}')[:-1]
        + f',"value":[{number(digits) and bytes(number(digits)).decode()}]}}'
    )
    body = body.replace(',"value"', ',"key":["k"],"value"')
    again = codec.asked(ASK, codec.question(ASK, body.encode(), "1.2"), "1.2")
    assert json.loads(again, parse_float=str, parse_int=str) == json.loads(body, parse_float=str, parse_int=str)


WRITTEN = {
    "whole-as-fraction": ("@version", "1.0", 'version="1"'), "whole-as-exponent": ("@version", "1e3", 'version="1000"'),
    "decimal-exponent": ("paid", '{"#text":1.5e2}', ">150<"), "digits": ("paid", '{"#text":1.5000}', ">1.5000<"),
    "large": ("paid", '{"#text":12345678901234567890.123456789}', ">12345678901234567890.123456789<"),
    "double": ("share", "1.50e10", ">1.50e10<"), "double-word": ("share", '"INF"', ">INF<"),
    "date": ("when", '"2024-01-31T24:00:00"', ">2024-01-31T24:00:00<"), "space": ("code", '" a "', "> a <"),
    "markup": ("code", '"<x>&amp;]]>"', ">&lt;x&gt;&amp;amp;]]&gt;<"),
}  # fmt: skip


@pytest.mark.requirement("SOA-04")
@pytest.mark.parametrize(("member", "value", "written"), WRITTEN.values(), ids=WRITTEN.keys())
def test_values_are_written_in_the_form_of_their_type(member: str, value: str, written: str) -> None:
    rest = {name: one for name, one in LEAST.items() if name != member}
    body = f'{{"{member}":{value},{json.dumps(rest)[1:]}'
    assert written in codec.question(ASK, body.encode(), "1.1").decode()


UNFIT: dict[str, tuple[str, str]] = {
    "array": ("[]", ""), "scalar": ("1", ""), "missing": ('{"@version":1,"code":"a"}', "/citizen"),
    "attribute-missing": ('{"code":"a","citizen":"1"}', "/@version"), "unknown": (json.dumps({**LEAST, "x": 1}), ""),
    "null": (json.dumps({**LEAST, "code": None}), "/code"),
    "twice": (json.dumps({**LEAST, "code": ["a", "b"]}), "/code"),
    "both-of-a-choice": (json.dumps({**LEAST, "phone": "1", "street": "s", "city": "c"}), "/phone"),
    "half-of-a-choice": (json.dumps({**LEAST, "street": "s"}), "/city"),
    "object-for-text": (json.dumps({**LEAST, "code": {}}), "/code"),
    "text-for-object": (json.dumps({**LEAST, "paid": "1"}), "/paid"),
    "control-character": (json.dumps({**LEAST, "code": "a\x00b"}), "/code"),
    "half-a-character": (json.dumps({**LEAST, "code": "\ud800"}), "/code"),
    "fraction": (json.dumps({**LEAST, "@version": 1.5}), "/@version"),
    "endless": (json.dumps(LEAST).replace("1,", "1e999999999,", 1), "/@version"),
    "too-deep": ('{"tree":' + '{"label":"a","child":[' * 70 + "]}" * 70 + "," + json.dumps(LEAST)[1:], "/tree"),
    "not-json": ("{", ""), "nan": ('{"code":NaN}', ""),
}  # fmt: skip


@pytest.mark.requirement("SOA-04")
@pytest.mark.parametrize(("body", "path"), UNFIT.values(), ids=UNFIT.keys())
def test_a_question_that_does_not_fit_names_its_place_and_no_value(body: str, path: str) -> None:
    with pytest.raises(NotWritable) as unfit:
        codec.question(ASK, body.encode(), "1.1")
    assert unfit.value.path.startswith(path)


@pytest.mark.requirement("SOA-04")
def test_a_simple_body_is_an_object_with_a_text() -> None:
    sent = codec.question(NOTE, b'{"#text":"hello"}', "1.1")
    assert b">hello<" in sent
    assert codec.asked(NOTE, sent, "1.1") == b'{"#text":"hello"}'


@pytest.mark.requirement("SOA-04")
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_action_goes_where_the_version_wants_it(version: wsdl.Version) -> None:
    content_type, fields = codec.http_fields(ASK, version)
    if version == "1.1":
        assert (content_type, fields) == ("text/xml; charset=utf-8", {"soapaction": '"urn:ask"'})
    else:
        assert (content_type, fields) == ('application/soap+xml; charset=utf-8; action="urn:ask"', {})


# --- answers ----------------------------------------------------------------------------------------------------------
NUMBERS = {
    "7": "7", "-7": "-7", "+7": "7", "007": "7", "-0012.50": "-12.50", ".5": "0.5", "5.": "5", "1.10": "1.10",
    "1E5": "1E5", "000": "0", "12345678901234567890": "12345678901234567890", " 7 ": "7",
}  # fmt: skip


@pytest.mark.requirement("SOA-05")
@pytest.mark.parametrize(("written", "read"), NUMBERS.items(), ids=range(len(NUMBERS)))
def test_numbers_keep_their_digits(written: str, read: str) -> None:
    heard = codec.answer(ASK, envelope(f"<t:AskResponse><t:count>{written}</t:count></t:AskResponse>"))
    assert heard.body == b'{"count":' + read.encode() + b"}"


@pytest.mark.requirement("SOA-05")
@pytest.mark.parametrize("written", ["", "x", "1,5", "１", "0x1", "1e", "--1", ".", "+", "1 2", "0" * 5000 + "x"])
def test_what_is_no_number_stays_text_for_the_schema_to_refuse(written: str) -> None:
    assert answered(f"<t:count>{written}</t:count>") == {"count": written.strip()}


ANSWERS: dict[str, tuple[str, Any]] = {
    "one-is-an-array-too": ("<t:row/>", {"row": [{}]}),
    "many": ("<t:row/><t:count>1</t:count><t:row/>", {"row": [{}, {}], "count": "1"}),
    "null": ('<t:row><t:sex xsi:nil="true"/></t:row>', {"row": [{"sex": None}]}),
    "null-1": ('<t:row xsi:nil=" 1 "/>', {"row": [None]}),
    "truth": ("<t:row><t:sure>1</t:sure></t:row>", {"row": [{"sure": True}]}),
    "text-kept": ("<t:row><code> a\n </code></t:row>", {"row": [{"code": " a\n "}]}),
    "time-trimmed": ("<t:row><t:when> 2024 </t:when></t:row>", {"row": [{"when": "2024"}]}),
    "attributes": ('<t:row version="03"><t:paid currency="CNY">1.0</t:paid></t:row>',
                   {"row": [{"@version": "3", "paid": {"@currency": "CNY", "#text": "1.0"}}]}),
    "comment-inside": ("<t:count>1<!-- x -->2</t:count>", {"count": "12"}),
    "cdata": ("<t:row><code><![CDATA[<a>&]]></code></t:row>", {"row": [{"code": "<a>&"}]}),
    "namespace-forgotten": ("<count>5</count>", {"count": "5"}),
    "twice": ("<t:count>1</t:count><t:count>2</t:count>", {"count": ["1", "2"]}),
    "unknown": ("<t:new>5</t:new>", {"new": "5"}),
    "unknown-tree": ('<t:new a="1"><b>2</b><b/></t:new>', {"new": {"@a": "1", "b": ["2", ""]}}),
    "anything": ('<t:extra xsi:type="t:Answer"><t:x>1</t:x></t:extra>', {"extra": {"x": "1"}}),
    "processing-instruction": ("<?a b?><t:count>1</t:count>", {"count": "1"}),
}  # fmt: skip


@pytest.mark.requirement("SOA-05")
@pytest.mark.parametrize(("inside", "read"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_is_read_along_the_xsd(inside: str, read: Any) -> None:
    assert answered(inside) == read


@pytest.mark.requirement("SOA-05")
def test_the_wrapper_of_an_rpc_answer_has_no_certain_name() -> None:
    for name in ("r:SumResponse", "r:SumOut", "Sum"):
        heard = codec.answer(SUM, envelope(f'<{name} xmlns:r="urn:rpc"><sum>3.0</sum></{name}>'))
        assert heard.body == b'{"sum":3.0}'


BROKEN: dict[str, bytes] = {
    "J-html": b"<html><body/></html>", "J-empty": b"", "J-json": b"{}", "J-two-bodies": envelope("").replace(
        b"</s:Envelope>", b"<s:Body/></s:Envelope>"),
    "J-two-elements": envelope("<t:AskResponse/><t:AskResponse/>"), "J-nothing": envelope(""),
    "J-other-element": envelope("<t:Ask/>"), "J-body-first": envelope("").replace(b"<s:Body>", b"<s:Other/><s:Body>"),
    "J-dtd": b"<!DOCTYPE a>" + envelope("<t:AskResponse/>"),
    "J-entity": b'<!DOCTYPE a [<!ENTITY x "y">]>' + envelope("<t:AskResponse>&x;</t:AskResponse>"),
    "J-undeclared-entity": envelope("<t:AskResponse>&x;</t:AskResponse>"),
    "J-encoding": b"<?xml version='1.0' encoding='GBK'?>" + envelope("<t:AskResponse/>"),
    "J-not-utf-8": envelope("<t:AskResponse/>").replace(b"<t:A", b"\xff<t:A"),
    "J-too-deep": envelope("<t:AskResponse>" + "<a>" * 100 + "</a>" * 100 + "</t:AskResponse>"),
    "J-too-many": envelope("<t:AskResponse>" + "<a/>" * 500_000 + "</t:AskResponse>"),
    "J-one-name-two-namespaces": envelope('<t:AskResponse><t:x>1</t:x><x xmlns="urn:x">2</x></t:AskResponse>'),
    "J-one-attribute-two-namespaces": envelope('<t:AskResponse a="1" t:a="2"/>'),
    "J-cut": envelope("<t:AskResponse/>")[:-3], "J-behind": envelope("<t:AskResponse/>") + b"<a/>",
    "J-other-namespace": envelope("<t:AskResponse/>").replace(b"schemas.xmlsoap", b"schemas.xmlsoup"),
    "J-fault-of-another": envelope('<Fault xmlns="urn:x"/>'),
}  # fmt: skip


@pytest.mark.requirement("SOA-05")
@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_answer_is_refused_without_its_words(content: bytes) -> None:
    with pytest.raises(BadXml) as bad:
        codec.answer(ASK, content)
    assert "AskResponse" not in str(bad.value)


def fault_of_1_2(code: str) -> str:
    return f"<s:Fault><s:Code><s:Value>s:{code}</s:Value></s:Code><s:Reason><s:Text>无</s:Text></s:Reason></s:Fault>"


FAULTS: dict[str, tuple[wsdl.Version, str, bool]] = {
    "1.1-client": ("1.1", "<s:Fault><faultcode>s:Client.X</faultcode><faultstring> 无 </faultstring></s:Fault>", True),
    "1.1-server": ("1.1", "<s:Fault><faultcode>s:Server</faultcode><faultstring>无</faultstring></s:Fault>", False),
    "1.2-sender": ("1.2", fault_of_1_2("Sender"), True), "1.2-receiver": ("1.2", fault_of_1_2("Receiver"), False),
}  # fmt: skip


@pytest.mark.requirement("SOA-06")
@pytest.mark.parametrize(("version", "inside", "by_sender"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told_from_an_answer(version: wsdl.Version, inside: str, by_sender: bool) -> None:
    heard = codec.answer(ASK, envelope(inside, version))
    assert heard.fault is not None
    assert (heard.fault.reason, heard.fault.by_sender) == ("无", by_sender)
    assert json.loads(heard.fault.json())["fault"]["reason"] == "无"


@pytest.mark.requirement("SOA-06")
def test_a_fault_without_anything_is_the_services() -> None:
    heard = codec.answer(ASK, envelope("<s:Fault><detail><a>1</a></detail></s:Fault>"))
    assert heard.fault == codec.Fault("", "", by_sender=False, detail={"a": "1"})


# --- consumers that speak SOAP ----------------------------------------------------------------------------------------
@pytest.mark.requirement("SOA-07")
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_consumer_is_told_what_was_released_and_no_more(version: wsdl.Version) -> None:
    released = b'{"row":[{"citizen":"1***","paid":"***","@version":"*"},{"key":["b"]}],"never":1}'
    told = codec.told(ASK, released, version).decode()
    assert ENVELOPE[version] in told
    assert json.loads(codec.answer(ASK, told.encode()).body) == {
        "row": [{"@version": "*", "citizen": "1***", "paid": {"#text": "***"}}, {"key": ["b"]}]
    }


HEARD: dict[str, tuple[str, str]] = {
    "another-version": (envelope("<t:Ask/>", "1.2").decode(), "version|1.1"),
    "must-understand": (envelope("<t:Ask/>", header='<s:Header><a s:mustUnderstand="1"/></s:Header>').decode(), "head"),
    "another-operation": (envelope("<t:Note/>").decode(), "element"),
    "fault": (envelope("<s:Fault/>").decode(), "element"),
}  # fmt: skip


@pytest.mark.requirement("SOA-07")
@pytest.mark.parametrize(("content", "word"), HEARD.values(), ids=HEARD.keys())
def test_an_envelope_that_asks_something_else_is_refused(content: str, word: str) -> None:
    with pytest.raises(BadXml, match=word):
        codec.asked(ASK, content.encode(), "1.1")


@pytest.mark.requirement("SOA-07")
@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("by_sender", [True, False])
def test_a_fault_of_ours_is_read_as_one(version: wsdl.Version, by_sender: bool) -> None:
    made = codec.fault(version, by_sender=by_sender, reason="没有\x00 <x> 𠮷\ud800")
    heard = codec.answer(ASK, made)
    assert heard.fault is not None
    assert (heard.fault.reason, heard.fault.by_sender) == ("没有 <x> 𠮷", by_sender)
