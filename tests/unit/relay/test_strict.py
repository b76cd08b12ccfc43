"""What a request head must look like."""

import re

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import strict
from relay.strict import Rejected, check_head

pytestmark = pytest.mark.requirement("REL-01")
HOST = (b"host", b"a")
NAMES = st.from_regex(rb"[a-z][a-z0-9-]{0,12}", fullmatch=True)
VALUES = st.from_regex(rb"[!-~]{0,20}", fullmatch=True)


def judge(
    fields: list[tuple[bytes, bytes]], *, method: bytes = b"GET", version: str = "1.1", target: bytes = b"/"
) -> dict[bytes, bytes]:
    return check_head(method, version, target, fields)


@given(target=st.binary(min_size=1, max_size=40))
def test_a_target_is_taken_if_and_only_if_it_is_a_path_in_plain_ascii(target: bytes) -> None:
    plain = target[:1] == b"/" and all(0x21 <= byte <= 0x7E and byte not in b'"#' for byte in target)
    try:
        judge([HOST], target=target)
    except Rejected:
        assert not plain
    else:
        assert plain


@given(value=st.binary(max_size=40))
def test_a_length_is_taken_if_and_only_if_it_is_plain_digits(value: bytes) -> None:
    plain = 0 < len(value) <= 12 and all(byte in b"0123456789" for byte in value)
    try:
        found = judge([HOST, (b"content-length", value)])
    except Rejected:
        assert not plain
    else:
        assert plain
        assert int(found[b"content-length"]) >= 0


@given(coding=st.binary(max_size=30) | st.sampled_from([b"chunked", b"Chunked", b"CHUNKED", b"gzip, chunked", b""]))
@pytest.mark.parametrize("length", [None, b"5"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_head_that_passes_tells_the_end_of_its_body_in_one_way(
    coding: bytes, length: bytes | None, version: str
) -> None:
    fields = [HOST, (b"transfer-encoding", coding)] + ([(b"content-length", length)] if length else [])
    try:
        found = judge(fields, version=version)
    except Rejected:
        return
    assert found[b"transfer-encoding"].lower() == b"chunked"
    assert b"content-length" not in found
    assert version == "1.1"


@given(value=st.binary(max_size=30))
def test_a_host_is_a_name_or_address_with_at_most_a_port(value: bytes) -> None:
    try:
        judge([(b"host", value)])
    except Rejected:
        return
    assert re.fullmatch(rb"[A-Za-z0-9.:\[\]-]+", value)
    assert not {*value} & {*b"/@ ,\x00"}


@given(fields=st.lists(st.tuples(NAMES, VALUES), max_size=20))
def test_what_passes_has_every_value_in_order_and_nothing_else(fields: list[tuple[bytes, bytes]]) -> None:
    fields = [field for field in fields if field[0] not in strict.ONCE and not field[0].startswith(b"tongdao-")]
    found = judge([HOST, *fields])
    expected = {name: b", ".join(value for other, value in fields if other == name) for name, _ in fields}
    assert found == {b"host": b"a", **expected}


@pytest.mark.parametrize("name", sorted({*strict.ONCE, b"tongdao-grant", b"tongdao-case", b"tongdao-anything"}))
@given(value=VALUES)
def test_what_may_stand_once_is_refused_twice_even_when_both_agree(name: bytes, value: bytes) -> None:
    value = b"5" if name == b"content-length" else value
    fields = [(name, value), (name, value)] + ([HOST] if name != b"host" else [])
    with pytest.raises(Rejected):
        judge(fields)


class Values:
    """What llhttp makes of the values of a head, in the mode that the fast lane runs it in."""

    def __init__(self, head: bytes) -> None:
        self.found: list[bytes] = []
        self.refused = False
        try:
            httptools.HttpRequestParser(self).feed_data(head)
        except httptools.HttpParserError:
            self.refused = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self.found.append(name + value)


@given(value=st.binary(max_size=30))
def test_no_control_character_passes_in_a_value(value: bytes) -> None:
    clean = all((byte >= 0x20 and byte != 0x7F) or byte == 0x09 for byte in value)
    values = Values(b"GET / HTTP/1.1\r\nx:" + value + b"\r\n\r\n")
    assert values.refused or all((byte >= 0x20 and byte != 0x7F) or byte == 0x09 for byte in b"".join(values.found))
    assert clean is not values.refused or b"\r\n" in value


@pytest.mark.parametrize("control", [byte for byte in range(0x80) if (byte < 0x20 and byte != 0x09) or byte == 0x7F])
@pytest.mark.parametrize("form", [b"GET / HTTP/1.1\r\nx: a%cb\r\n\r\n", b"GET / HTTP/1.1\r\na%cb: x\r\n\r\n"])
def test_each_control_character_ends_the_head(form: bytes, control: int) -> None:
    assert Values(form % control).refused


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (405, {"method": b"TRACE"}),
        (405, {"method": b"CONNECT"}),
        (505, {"version": "2.0"}),
        (505, {"version": "0.9"}),
        (414, {"target": b"/" + b"a" * 4096}),
        (400, {"target": b"*"}),
    ],
)
def test_each_refusal_has_its_status(status: int, arguments: dict[str, object]) -> None:
    with pytest.raises(Rejected) as rejected:
        judge([HOST], **arguments)  # type: ignore[arg-type]  # what the table holds
    assert rejected.value.status == status


def test_the_limits_are_reached_and_not_passed() -> None:
    judge([HOST], target=b"/" + b"a" * 4095)
    with pytest.raises(Rejected) as large:
        judge([HOST, (b"x", b"a" * strict.MAX_HEAD_BYTES)])
    assert large.value.status == 431
    with pytest.raises(Rejected) as none:
        judge([])
    assert none.value.status == 400
