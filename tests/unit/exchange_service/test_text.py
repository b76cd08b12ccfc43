"""Strict JSON: what is read, what is refused, and how little it takes to refuse it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.contract.text import DEEPEST, LONGEST_NUMBER, MOST_BYTES, MOST_MEMBERS, BadJson, read
from harness.json_texts import texts
from harness.plain_projector import project_plainly

pytestmark = pytest.mark.requirement("EXC-04")

REFUSED = {
    "nothing": b"",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "something behind": b"{} x",
    "two values": b"{}{}",
    "NUL behind": b"{}\x00",
    "other white space": b"\x0c{}",
    "no-break space": '{\u00a0"a":1}'.encode(),
    "NaN": b'{"a":NaN}',
    "Infinity": b"[Infinity]",
    "minus Infinity": b"[-Infinity]",
    "beyond a double": b"[1e400]",
    "beyond a double, negative": b"[-1e400]",
    "leading zero": b"[01]",
    "leading plus": b"[+1]",
    "no digit before the point": b"[.5]",
    "no digit behind the point": b"[1.]",
    "no exponent": b"[1e]",
    "hexadecimal": b"[0x1]",
    "comma at the end of an array": b"[1,]",
    "comma at the end of an object": b'{"a":1,}',
    "no comma": b"[1 2]",
    "no colon": b'{"a" 1}',
    "a number as a name": b"{1:2}",
    "single quotes": b"{'a':1}",
    "comment": b"[1/**/]",
    "cut off": b'{"a":[1',
    "cut off in a string": b'{"a',
    "not UTF-8 in a value": b'["\xff"]',
    "not UTF-8 in a name": b'{"\xff":1}',
    "overlong": b'["\xc0\x80"]',
    "surrogate in UTF-8": b'["\xed\xa0\x80"]',
    "beyond Unicode": b'["\xf4\x90\x80\x80"]',
    "lone high surrogate": b'["\\ud800"]',
    "lone low surrogate": b'["\\udc00"]',
    "high surrogate and a letter": b'["\\ud800\\u0041"]',
    "lone surrogate in a name": b'{"\\ud800":1}',
    "control character": b'["\x01"]',
    "line feed": b'["\n"]',
    "unknown escape": b'["\\x41"]',
    "short escape": b'["\\u12"]',
    "bad escape": b'["\\u12G4"]',
}
READ = [
    b"{}", b" [ ] ", b'"a"', b"0", b"-0", b"1E+2", b"1e-400", b"18446744073709551616", b'"\\u0000"', b'"\x7f"',
    '"\u2028😀"'.encode(), b'"\\uD83D\\uDE00"', b'{"":1}', b'{"a":{"a":{"a":1}}}', b'{"a":1,"A":2}',
    b'[{"a":1},{"a":1}]', '{"é":1,"e\u0301":2}'.encode(), b'{"__proto__":{}}',
]  # fmt: skip


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_refused(body: bytes) -> None:
    with pytest.raises(BadJson):
        read(body)


@pytest.mark.parametrize("body", READ, ids=str)
def test_read(body: bytes) -> None:
    text = read(body)
    assert text.body is body
    assert text.tree == json.loads(body)


DUPLICATES = [
    b'{"a":1,"a":1}',
    b'{"a":1,"\\u0061":2}',
    b'{"a":{},"a":{}}',
    b'[[{"b":{"a" : 1 ,\n"c":2,"a"\t:\t3}}]]',
    b'{"a":":","a":1}',
    b'{"a":"\\u003a","a":1}',
    b'{"a":1,"a":"\\u003A:"}',
    b'{"a\\\\":1,"a\\\\":"\\":"}',
    b'{"\\u003a":1,":":2}',
    '{"名称":1,"\\u540d称":2}'.encode(),
]


@pytest.mark.parametrize("body", DUPLICATES)
@pytest.mark.parametrize("padding", [0, 5000], ids=["small", "large"])
def test_a_member_twice_is_refused_however_it_is_written(body: bytes, padding: int) -> None:
    with pytest.raises(BadJson, match="twice"):
        read(b"[" + body + b"," + b" " * padding + b'"12:30"]')


@pytest.mark.parametrize("padding", [0, 5000], ids=["small", "large"])
def test_colons_in_strings_are_no_members(padding: int) -> None:
    read(b'{"a:":"12:30:00","b":":\\u003a","c":["\\":",":\\\\"]' + b" " * padding + b"}")


def test_depth() -> None:
    read(b"[" * DEEPEST + b"]" * DEEPEST)
    read(b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST)
    for deep in (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), b"[" * 100_000, b'{"a":' * 100_000):
        with pytest.raises(BadJson):
            read(deep)


def test_many_boxes_side_by_side_are_not_deep() -> None:
    read(b"[" + b"[],{}," * 1000 + b"1]")


def test_members() -> None:
    def members(count: int) -> bytes:
        return b"[" + json.dumps({str(i): 1 for i in range(count)}, separators=(",", ":")).encode() + b"]"

    read(members(MOST_MEMBERS))
    with pytest.raises(BadJson, match="members"):
        read(members(MOST_MEMBERS + 1))


@pytest.mark.parametrize("before", range(0, 100, 7))
@pytest.mark.parametrize("number", ["9", "-9", "0.9", "1.0", "1e-0", "-1E+0"])
def test_long_numbers_are_found_wherever_they_stand(number: str, before: int) -> None:
    longest = number + "0" * (LONGEST_NUMBER - len(number))
    if "E" in number or "e" in number or "." in number:
        longest = number[:-1] + "0" * (LONGEST_NUMBER - len(number)) + number[-1]
    read(f"[{' ' * before}{longest}]".encode())
    with pytest.raises(BadJson):
        read(f"[{' ' * before}{longest}0]".encode())


def test_a_string_of_digits_is_no_long_number() -> None:
    read(b'{"digits":"' + b"1234567890" * 100 + b'\\"","n":1}')


def test_size() -> None:
    with pytest.raises(BadJson, match="bytes"):
        read(b"[" + b" " * MOST_BYTES + b"]")


def test_messages_hold_nothing_of_the_text() -> None:
    for body in ('{"张三":"990101199003070218","张三":1}', '["990101199003070218\\x"]', '["990101199003070218'):
        with pytest.raises(BadJson) as bad:
            read(body.encode())
        assert "9901" not in str(bad.value)
        assert "张" not in str(bad.value)


@given(
    texts(unique=False),
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(["", "{", "}", "[", "]", ",", ":", '"', " ", "1"])), max_size=3
    ),
)
def test_reads_what_a_plain_walk_over_the_text_reads(body: bytes, edits: list[tuple[int, str]]) -> None:
    """Texts as they are and broken ones: a character replaced here and there."""
    text = body.decode()
    for place, character in edits:
        text = text[:place] + character + text[place + 1 :]

    def is_read(reader: object) -> bool:
        try:
            reader(text.encode())  # type: ignore[operator]
        except BadJson:
            return False
        return True

    # The plain walk takes boxes only, and leaves pairing of surrogates and the range of numbers to others.
    boxed = text.lstrip(" \t\r\n")[:1] in ("{", "[")
    if boxed and "\\ud" not in text.lower() and "9" * 309 not in text:
        assert is_read(read) == is_read(lambda given: project_plainly(given, ["*"], {}))
