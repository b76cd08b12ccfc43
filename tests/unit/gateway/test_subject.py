"""Whom a call asks about, as the gateway notes it: the place is the registration's, and no question can break it."""

import re
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.model import Allow, GrantRule, Route
from gateway.subject import FORM, JSON, MOST_MEMBERS, Subjects
from wire.catalog import Grant, Interface, Operation, Rest, Soap
from wire.subjects import SubjectKey

KEY = SubjectKey(b"the key of the pseudonyms of a test")
NUMBER = "99010019900307013X"
PERSON = KEY.pseudonym(NUMBER)
GRANT = GrantRule(
    Grant(id="g1", revision=1, system="s", department="d", interface="gaj-identity/v1", purpose="核验", fields=["*"])
)
BY_PATH, BY_QUERY, BY_BODY = (
    Operation(method="GET", path="/{id_card}", target="/{id_card}"),
    Operation(method="GET", path="", target="/"),
    Operation(method="POST", path="", target="/"),
)
INTERFACE = Interface(
    id="gaj-identity", version="v1", provider="gaj", name="核验", base_url="http://a.example", networks=[],
    operations=[BY_PATH, BY_QUERY, BY_BODY], fields=[], subject="id_card",
    request={"type": "object", "properties": {"id_card": {"type": "string"}}},
)  # fmt: skip
SUBJECTS = Subjects(KEY)


def of(operation: Operation, query: bytes = b"", body: bytes | None = b"", **changed: Any) -> str:
    """The pseudonym in a question; `value` is that of the path's variable."""
    value, mode, media_type = changed.pop("value", ""), changed.pop("mode", "query"), changed.pop("media_type", JSON)
    route = Route(msgspec.structs.replace(INTERFACE, **changed))
    allowed = Allow(GRANT, route, operation, {"id_card": value} if value else {}, mode)
    return SUBJECTS.of(allowed, query, body, media_type)


@pytest.mark.requirement("SUB-02")
def test_the_same_person_is_the_same_wherever_the_question_names_them() -> None:
    assert of(BY_PATH, value="99010019900307013x") == PERSON
    assert of(BY_QUERY, b"kind=1&id_card=990100%2D19900307%2D013X") == PERSON
    assert of(BY_QUERY, b"id%5Fcard=" + quote("９９０１００１９９００３０７０１３Ｘ").encode()) == PERSON
    assert of(BY_BODY, body=b'{"other": {"id_card": 1}, "id_card": " 99010019900307013X"}') == PERSON
    assert of(BY_BODY, body=b'{"id\\u005fcard": 990100199003070131}') == KEY.pseudonym("990100199003070131")


@pytest.mark.requirement("SUB-02")
def test_nobody_is_named_in_the_place_of_another() -> None:
    """Whatever a provider may read, it reads of one person: nobody else stands beside, in any spelling of the name."""
    body = b'{"id_card": "99010019900307013X"}'
    query = b"id_card=99010019900307013X"
    assert of(BY_BODY, b"kind=1", body) == of(BY_PATH, b"kind=1", b'{"a": 1}', value=NUMBER) == PERSON
    for other in (b"id_card=1", b"ID_CARD=1", b"%49d_card=", query):
        assert of(BY_BODY, other, body) == of(BY_PATH, other, value=NUMBER) == ""
        assert of(BY_QUERY, query + b"&" + other) == ""
    assert of(BY_QUERY, b"", body) == of(BY_QUERY, query, body) == of(BY_PATH, b"", body, value=NUMBER) == ""
    assert of(BY_QUERY, b"ID_CARD=99010019900307013X") == ""


@pytest.mark.requirement("SUB-02")
@pytest.mark.parametrize("name", ["ID_CARD", "Id_Card", "ｉｄ_card"])
def test_another_member_that_may_be_read_as_the_person_names_nobody(name: str) -> None:
    body = msgspec.json.encode({"id_card": NUMBER, name: "1"})
    assert of(BY_BODY, body=body) == of(BY_BODY, body=msgspec.json.encode({name: NUMBER})) == ""
    form = f"id_card={NUMBER}&{quote(name)}=1".encode()
    assert of(BY_BODY, body=form, media_type=FORM) == ""
    assert of(BY_BODY, body=form.partition(b"&")[0], media_type=FORM) == PERSON
    wide = {"id_card": NUMBER, **{f"n{n}": 1 for n in range(MOST_MEMBERS)}}
    assert of(BY_BODY, body=msgspec.json.encode(wide)) == ""


@pytest.mark.requirement("SUB-02", "GAT-03")
def test_where_a_consent_is_needed_nobody_is_named_in_a_query_that_need_not_be_read() -> None:
    """GET /by-phone/{phone}?id_card=… tells about whose phone it is, whoever consented."""
    by_phone = Operation(method="GET", path="/by-phone/{phone}", target="/by-phone/{phone}")
    query = b"id_card=99010019900307013X"
    asked: dict[str, Any] = {"operations": [BY_PATH, BY_QUERY, by_phone], "consent_required": True}
    optional: dict[str, object] = {"properties": {"id_card": {}, "phone": {}}, "required": ["phone"]}
    for parameters in (None, optional):
        assert of(by_phone, query, parameters=parameters, **asked) == ""
        assert of(BY_QUERY, query, parameters=parameters, **asked) == ""
        assert of(BY_PATH, value=NUMBER, parameters=parameters, **asked) == PERSON
    needed = {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"required": ["id_card"]}]}}}
    assert of(BY_QUERY, query, parameters=needed, **asked) == PERSON
    assert of(BY_QUERY, query) == PERSON  # where nothing hangs on it, it is noted


@pytest.mark.requirement("SUB-02")
@pytest.mark.parametrize(
    "query",
    [b"", b"id_card", b"id_card=", b"id_card=1&id_card=1", b"id_card=1&id%5fcard=2", b"id_card=%ff", b"\xff=1", b"&=&"],
)  # fmt: skip
def test_a_query_that_names_nobody_or_two_names_nobody(query: bytes) -> None:
    assert of(BY_QUERY, query) == ""


@pytest.mark.requirement("SUB-02")
@pytest.mark.parametrize(
    "body",
    [
        None, b"", b"{}", b"[]", b"null", b'{"id_card": null}', b'{"id_card": true}', b'{"id_card": 1.5}',
        b'{"id_card": ["1"]}', b'{"id_card": "1"', b'{"id_card": "\xff"}', b'{"id_card": "\\ud800"}', b"\xff\xfe",
        b'{"id_card": ' + b"9" * 10_000 + b"}", b'{"id_card": "' + b"9" * 10_000 + b'"}', b"[" * 200_000,
    ],
    ids=lambda body: repr(body)[:30],
)  # fmt: skip
def test_a_body_that_names_nobody_is_no_failure(body: bytes | None) -> None:
    assert of(BY_BODY, body=body) == ""


@pytest.mark.requirement("SUB-02")
@given(st.binary(), st.binary(), st.text())
def test_no_question_whatever_breaks_it(query: bytes, body: bytes, value: str) -> None:
    for operation in (BY_PATH, BY_QUERY, BY_BODY):
        for media_type in (JSON, b"text/xml", b"application/x-www-form-urlencoded", b""):
            for mode in ("query", "verify"):
                found = of(operation, query, body, value=value or "-", media_type=media_type, mode=mode)
                assert re.fullmatch(r"|p1:[0-9a-f]{32}", found)


@pytest.mark.requirement("SUB-02")
def test_an_interface_that_names_nobody_notes_nobody() -> None:
    assert of(BY_PATH, value=NUMBER, subject="") == ""


@pytest.mark.requirement("SUB-02")
def test_names_of_members_are_any_text() -> None:
    for name in ("公民身份号码", "id card", "class", "a.b/c"):
        request: dict[str, object] = {"properties": {name: {}}}
        body = msgspec.json.encode({name: NUMBER, "x": 1})
        assert of(BY_BODY, body=body, subject=name, request=request) == PERSON


@pytest.mark.requirement("GAT-01")
def test_beside_claims_the_question_names_the_person() -> None:
    claimed = b'{"claims": {"id_card": "1"}, "question": {"id_card": "99010019900307013X"}, "id_card": "2"}'
    for mode in ("verify", "compare"):
        assert of(BY_BODY, body=claimed, mode=mode) == PERSON
        plain = b'{"claims": {"id_card": "1"}}'
        assert of(BY_QUERY, b"id_card=99010019900307013X", plain, mode=mode) == PERSON
        assert of(BY_QUERY, b"id_card=99010019900307013X", claimed, mode=mode) == ""
        assert of(BY_PATH, b"", plain, value=NUMBER, mode=mode, adapter=Rest(request_format="xml")) == PERSON
        for other in (b"{}", b'{"question": null}', b'{"question": "99010019900307013X"}', b'{"id_card": "1"}'):
            assert of(BY_BODY, body=other, mode=mode) == ""
        xml, form = f"<q><id_card>{NUMBER}</id_card></q>", f"a=1&id_card={NUMBER}"
        for adapter, text in ((Rest(request_format="xml"), xml), (Rest(request_format="form"), form)):
            body = msgspec.json.encode({"claims": {}, "question": text})
            assert of(BY_BODY, body=body, mode=mode, adapter=adapter) == PERSON
            assert of(BY_BODY, body=b'{"question": {"id_card": "1"}}', mode=mode, adapter=adapter) == ""


SOAP = Soap(wsdl="<definitions/>")
NOBODY: dict[str, bytes] = {
    "nothing": b"", "none": b"<q/>", "the root": b"<id_card>1</id_card>",
    "two": b"<q><id_card>1</id_card><id_card>1</id_card></q>", "deeper": b"<q><a><id_card>1</id_card></a></q>",
    "not closed": b"<q><id_card>1</q>", "two roots": b"<q><id_card>1</id_card></q><q/>",
    "entity": b'<!DOCTYPE q [<!ENTITY e "1">]><q><id_card>&e;</id_card></q>',
    "no entity": b"<q><id_card>&e;</id_card></q>",
    "comment": b"<q><id_card>1<!-- --></id_card></q>", "instruction": b"<q><id_card><?p?>1</id_card></q>",
    "CDATA": b"<q><id_card>1<![CDATA[2]]></id_card></q>", "child": b"<q><id_card>1<x/></id_card></q>",
    "other case": b"<q><ID_CARD>2</ID_CARD><id_card>1</id_card></q>",
    "attribute": b'<q ID_Card="2"><id_card>1</id_card></q>', "only in capitals": b"<q><ID_CARD>1</ID_CARD></q>",
    "not UTF-8": b"<q><id_card>\xff</id_card></q>", "no namespace": b"<a:q><id_card>1</id_card></a:q>",
}  # fmt: skip
NOBODY_IN_SOAP: dict[str, bytes] = {
    "no envelope": b"<q><id_card>1</id_card></q>",
    "header": b"<Envelope><Header><q><id_card>1</id_card></q></Header></Envelope>",
    "no operation": b"<Envelope><Body><id_card>1</id_card></Body></Envelope>",
    "another body": b'<Envelope xmlns="e"><Body xmlns="x"><q><id_card>1</id_card></q></Body></Envelope>',
}  # fmt: skip


@pytest.mark.requirement("GAT-06")
@pytest.mark.parametrize("body", NOBODY.values(), ids=NOBODY.keys())
def test_xml_that_names_nobody_or_two_names_nobody(body: bytes) -> None:
    assert of(BY_BODY, body=body, media_type=b"text/xml") == ""


@pytest.mark.requirement("GAT-06")
@pytest.mark.parametrize("body", NOBODY_IN_SOAP.values(), ids=NOBODY_IN_SOAP.keys())
def test_an_envelope_that_names_nobody_names_nobody(body: bytes) -> None:
    assert of(BY_BODY, body=body, media_type=b"text/xml", adapter=SOAP) == ""


@pytest.mark.requirement("GAT-06")
def test_an_envelope_names_who_stands_in_its_body_and_a_root_may_be_called_so() -> None:
    inside = f"<q><!-- a --><id_card> {NUMBER[:9]}&#{ord(NUMBER[9])};{NUMBER[10:]}</id_card><![CDATA[b]]></q>"
    soap = f'<s:Envelope xmlns:s="e"><Body>{inside}</Body><s:Body>{inside}</s:Body></s:Envelope>'
    assert of(BY_BODY, body=soap.encode(), media_type=b"text/xml", adapter=SOAP) == PERSON
    plain = f"<Envelope><id_card>{NUMBER}</id_card></Envelope>"
    assert of(BY_BODY, body=plain.encode(), media_type=b"text/xml", adapter=Rest(request_format="xml")) == PERSON
