"""Verifications and comparisons: what may be claimed, how claims are held against answers, and that no more leaves."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.contract.model import Contract
from exchange_service.contract.text import BadJson
from exchange_service.contract.verdict import (
    Ambiguous,
    BadClaims,
    NoVerdict,
    Verdict,
    agrees,
    check_claims,
    judge,
    take_apart,
)
from harness.json_texts import texts
from wire.catalog import Field, Files, Interface, Mode, Rest

pytestmark = pytest.mark.requirement("PRJ-07")
_exact = msgspec.json.Decoder(float_hook=Decimal).decode


def contract(**parts: Any) -> Contract:
    given = {"fields": [Field(name="name"), Field(name="since")], **parts}
    return Contract(
        Interface(
            id="a", version="v1", provider="gaj", name="", base_url="http://provider.example", networks=[],
            operations=[], **given,
        )
    )  # fmt: skip


CONTRACT = contract()


def judged(mode: Mode, claims: dict[str, Any], answer: str, fields: list[str] | None = None) -> Any:
    verdict = judge(CONTRACT, mode, claims, fields or list(claims), _exact(answer))
    return json.loads(verdict.body), verdict.word


def test_claims_and_question_are_taken_apart() -> None:
    body = b'{"claims": {"name":"A","n":1.50,"x":null}, "question": {"id" : 1.0}}'
    claimed = take_apart(CONTRACT, body)
    assert claimed.claims == {"name": "A", "n": Decimal("1.50"), "x": None}
    assert claimed.question == b'{"id" : 1.0}'
    assert take_apart(CONTRACT, b'{"claims":{"name":"A"}}').question == b""


@pytest.mark.parametrize(
    ("adapter", "question"), [(Rest(request_format="xml"), b"<a/>"), (Rest(request_format="form"), b"a=1&b=2")],
    ids=["xml", "form"],
)  # fmt: skip
def test_a_question_that_is_no_json_stands_in_a_string(adapter: Rest, question: bytes) -> None:
    body = json.dumps({"claims": {"name": "A"}, "question": question.decode()}).encode()
    assert take_apart(contract(adapter=adapter), body).question == question
    with pytest.raises(BadClaims):
        take_apart(contract(adapter=adapter), b'{"claims":{"name":"A"},"question":{}}')


@pytest.mark.parametrize(
    "body",
    [b"[]", b"1", b"{}", b'{"claims":{}}', b'{"claims":[]}', b'{"claims":{"name":{}}}',
     b'{"claims":{"name":["SECRET"]}}',
     b'{"claims":{"name":"SECRET"},"more":1}', b'{"question":{}}', b'{"claims":"SECRET"}',
     json.dumps({"claims": {str(n): n for n in range(201)}}).encode()],
    ids=["array", "number", "nothing", "no claim", "claims an array", "an object", "an array", "more", "no claims",
         "a string", "too many"],
)  # fmt: skip
def test_what_are_no_claims(body: bytes) -> None:
    with pytest.raises(BadClaims) as bad:
        take_apart(CONTRACT, body)
    assert "SECRET" not in str(bad.value)


@pytest.mark.parametrize("body", [b'{"claims":{"a":1,"a":2}}', b'{"claims":{"a":1e400}}', b"", b"\xff"])
def test_claims_are_strict_json(body: bytes) -> None:
    with pytest.raises(BadJson):
        take_apart(CONTRACT, body)


def test_a_file_can_be_asked_no_question() -> None:
    with pytest.raises(BadClaims):
        take_apart(contract(adapter=Files()), b'{"claims":{"a":1},"question":{}}')


@pytest.mark.parametrize(
    ("mode", "claims", "fields", "fits"),
    [
        ("verify", {"a": 1, "b": 1}, ["a", "b"], True),
        ("verify", {"a": 1}, ["a", "b"], False),
        ("compare", {"a": 1}, ["a", "b"], True),
        ("compare", {"a": 1, "c": 1}, ["a", "b"], False),
        ("verify", {"a": 1, "b": 1, "c": 1}, ["a", "b"], False),
        ("compare", {"a.x": 1}, ["a"], False),
        ("verify", {"name": 1, "since": 1}, ["*"], True),
        ("verify", {"name": 1}, ["*"], False),
        ("compare", {"other": 1}, ["*"], False),
    ],
)  # fmt: skip
def test_what_may_be_claimed(mode: Mode, claims: dict[str, Any], fields: list[str], fits: bool) -> None:
    if fits:
        check_claims(CONTRACT, mode, claims, fields)
    else:
        with pytest.raises(BadClaims):
            check_claims(CONTRACT, mode, claims, fields)


@pytest.mark.parametrize(
    ("claim", "value", "expected"),
    [
        ("张三", "张三", True), ("张三", "张三 ", True), ("ＡＢ", "ab", True), ("ﬁ", "FI", True),
        ("straße", "STRASSE", True),
        ("张三", "张三丰", False), ("", "x", False), ("05", "5", False), ("1.0", "1", False),
        ("5", 5, True), (5, "5", True), ("5.0", 5, True), ("５", 5, True), ("05", 5, False), ("0x5", 5, False),
        (Decimal("1.50"), "1.5", True), (1, Decimal("1.0"), True), (Decimal("1E+2"), 100, True),
        (Decimal("1.000000000000000005"), 1, False), (18446744073709551617, 18446744073709551616, False),
        ("1e999999", 1, False), ("1e9999999999", 1, False), ("9" * 401, 1, False), ("Infinity", 1, False),
        ("nan", 1, False),
        (True, True, True), (True, "TRUE", True), ("false", False, True), (True, 1, False), (1, True, False),
        (True, False, False), ("yes", True, False),
        (None, None, True), (None, "", False), (None, 0, False), ("", None, False),
        ("x", {"a": 1}, False), ("x", ["x"], False), (0, {}, False),
    ],
    ids=str,
)  # fmt: skip
def test_when_a_claim_agrees(claim: Any, value: Any, expected: bool) -> None:
    assert agrees(claim, value) is expected


@pytest.mark.parametrize(
    ("claims", "answer", "expected"),
    [
        ({"a": "x"}, '{"a":"x","z":1}', "yes"),
        ({"a": "x"}, '{"a":"y"}', "no"),
        ({"a": "x", "b": None}, '{"a":"x"}', "yes"),
        ({"a": "x", "b": None}, '{"a":"x","b":1}', "no"),
        ({"o.a": 1, "o.b": 2}, '{"o":{"a":1,"b":2}}', "yes"),
        ({"o.a": 1, "o.b": 2}, '{"o":[{"a":1,"b":3},{"a":1,"b":2}]}', "yes"),
        ({"o.a": 1, "o.b": 2}, '{"o":[{"a":1,"b":3},{"a":2,"b":2}]}', "no"),
        ({"a": 1, "b": 2}, '[{"a":1},[{"a":1,"b":2}]]', "yes"),
        ({"a": "x", "p.n": "2"}, '{"a":"x","p":[{"n":1},{"n":2}]}', "yes"),
        ({"a": "x", "p.n": None}, '{"a":"x","p":[]}', "yes"),
        ({"a": "x"}, '{"a":["w","x"]}', "yes"),
        ({"a": "x"}, '{"a":{"b":"x"}}', "no"),
        ({"o.a": 1}, '{"o":1,"a":1}', "no_record"),
        ({"a": "x"}, "[]", "no_record"),
        ({"a": "x"}, "null", "no_record"),
        ({"a": "x"}, "{}", "no_record"),
        ({"a": "x"}, '{"a":null}', "no_record"),
        ({"a": "x"}, '{"a":[]}', "no_record"),
        ({"a": None}, '{"a":null}', "no_record"),
        ({"o.a": 1}, '{"code":0,"o":null}', "no_record"),
        ({"o.a": 1}, '{"o":[null,{"b":1}]}', "no_record"),
    ],
    ids=str,
)
def test_verifications(claims: dict[str, Any], answer: str, expected: str) -> None:
    assert judged("verify", claims, answer) == ({"result": expected}, expected)


@pytest.mark.parametrize(
    ("claims", "answer", "fields", "word"),
    [
        ({"a": "x", "b": 1, "c": 1, "d": None}, '{"a":"X","b":2,"d":null}',
         {"a": "match", "b": "mismatch", "c": "absent", "d": "match"}, "no"),
        ({"o.a": 1}, '{"o":[{"a":1.0}]}', {"o.a": "match"}, "yes"),
        ({"a": "x"}, '[null,{"a":"x"},{}]', {"a": "match"}, "yes"),
        ({"b": None}, '{"b":1}', {"b": "mismatch"}, "no"),
    ],
    ids=["words", "in an array", "one record among nothing", "null"],
)  # fmt: skip
def test_comparisons(claims: dict[str, Any], answer: str, fields: dict[str, str], word: str) -> None:
    assert judged("compare", claims, answer) == ({"result": "compared", "fields": fields}, word)


def test_a_comparison_without_a_record_and_with_several() -> None:
    assert judged("compare", {"a": 1}, "{}") == ({"result": "no_record"}, "no_record")
    for answer in ('[{"a":1},{"a":1}]', '{"a":[1,2]}', '[[{"a":1}],{"a":2}]', '[{"a":1},{"b":1}]'):
        with pytest.raises(Ambiguous):
            judged("compare", {"a": 1}, answer, ["a", "b"])


def test_the_status_tells_as_well() -> None:
    assert judge(CONTRACT, "verify", {"a": 1}, ["a"], {"a": 1}, 404) == Verdict(b'{"result":"no_record"}', "no_record")
    assert judge(CONTRACT, "verify", {"a": 1}, ["a"], None, 204).word == "no_record"
    for status in (400, 403, 500, 302):
        with pytest.raises(NoVerdict):
            judge(CONTRACT, "verify", {"a": 1}, ["a"], {"a": 1}, status)


names = st.sampled_from(["a", "b", "c", "a.b", "b.c", "名称"])
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=4)


@given(texts(), st.dictionaries(names, scalars, min_size=1, max_size=4), st.sampled_from(["verify", "compare"]))
def test_nothing_of_the_answer_is_in_the_result(body: bytes, claims: dict[str, Any], mode: Mode) -> None:
    """Every result is one of the few that can be made of the claimed names alone."""
    try:
        verdict = judge(CONTRACT, mode, claims, list(claims), _exact(body))
    except Ambiguous:
        return
    said = json.loads(verdict.body)
    if mode == "verify" or said["result"] == "no_record":
        assert said in ({"result": "yes"}, {"result": "no"}, {"result": "no_record"})
    else:
        assert said["result"] == "compared"
        assert said["fields"].keys() == claims.keys()
        assert set(said["fields"].values()) <= {"match", "mismatch", "absent"}
    assert verdict.word in ("yes", "no", "no_record")


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.booleans() | st.integers() | st.text(min_size=1), min_size=1)
)
def test_the_truth_is_a_yes_and_anything_else_a_no(record: dict[str, Any]) -> None:
    answer = json.dumps([{"a": "else"}, {"x": [record]}])
    claims = {f"x.{name}": value for name, value in record.items()}
    assert judged("verify", claims, answer)[1] == "yes"
    assert judged("compare", claims, json.dumps({"x": record}))[1] == "yes"
    wrong = {**claims, "x.a": "0" + str(record.get("a", "")) + "x"}
    assert judged("verify", wrong, answer)[1] == "no"
