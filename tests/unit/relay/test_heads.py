"""Heads of requests to origins."""

import pytest

from relay.heads import chunked, request_head

pytestmark = pytest.mark.requirement("REL-07")


def test_a_head_has_what_was_given_and_its_framing_and_nothing_else() -> None:
    assert request_head(b"POST", b"/a?b=c", b"origin:8080", [(b"accept", b"*/*")], 5) == (
        b"POST /a?b=c HTTP/1.1\r\nhost: origin:8080\r\naccept: */*\r\ncontent-length: 5\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("method", "length", "framing"),
    [
        (b"GET", 0, b""),
        (b"HEAD", 0, b""),
        (b"DELETE", 0, b""),
        (b"POST", 0, b"content-length: 0\r\n"),
        (b"PUT", 0, b"content-length: 0\r\n"),
        (b"DELETE", 3, b"content-length: 3\r\n"),
        (b"POST", None, b"transfer-encoding: chunked\r\n"),
    ],
)
def test_the_framing_follows_the_body(method: bytes, length: int | None, framing: bytes) -> None:
    assert request_head(method, b"/", b"a", [], length) == b"%b / HTTP/1.1\r\nhost: a\r\n%b\r\n" % (method, framing)


def test_lines_that_are_ready_stand_before_the_others() -> None:
    assert request_head(b"GET", b"/", b"a", [(b"x", b"1")], 0, ready=b"y: 2\r\n") == (
        b"GET / HTTP/1.1\r\nhost: a\r\ny: 2\r\nx: 1\r\n\r\n"
    )


def test_chunks_and_the_last_one() -> None:
    assert chunked(b"x" * 26) + chunked(b"") == b"1a\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n"
