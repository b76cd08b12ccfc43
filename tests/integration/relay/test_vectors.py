"""The strict front: every vector, on both lanes."""

import pytest

from harness.http_vectors import VECTORS, on_the_fast_lane
from harness.lanes import Client, Lanes
from relay import protocol, strict

CASES = [
    pytest.param(expected, data, id=f"{name}-{lane}")
    for name, expected, request in VECTORS
    for lane, data in (("fastapi", request), ("call", on_the_fast_lane(request)))
]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is kept after an answer shows soon that nothing else comes."""
    monkeypatch.setattr(protocol, "IDLE_S", 0.2)


@pytest.mark.requirement("REL-01")
@pytest.mark.parametrize(("expected", "data"), CASES)
def test_what_could_be_read_in_two_ways_is_refused_on_both_lanes(lanes: Lanes, expected: str, data: bytes) -> None:
    with Client(lanes.port) as client:
        client.try_send(data)
        if expected == "A":
            assert client.answer()[0] == 200
            return
        statuses = client.statuses()
    accepted = [status for status in statuses if 200 <= status < 300]
    assert not any(b"smug" in path for path in lanes.seen)
    assert len(statuses) <= 1
    if expected == "R":
        assert not accepted


@pytest.mark.requirement("REL-01")
@pytest.mark.parametrize("path", [b"/", b"/x/"], ids=["H-86 fastapi", "H-86 call"])
def test_trailers_are_never_merged_into_the_headers(lanes: Lanes, path: bytes) -> None:
    with Client(lanes.port) as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" % path)
        client.send(b"2\r\nhi\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
        status, headers, body = client.answer()
    assert (status, body) == (200, b"hi")
    assert headers["tongdao-authorization"] == ""


@pytest.mark.requirement("REL-01")
@pytest.mark.parametrize("path", [b"/", b"/x/"], ids=["H-94 fastapi", "H-94 call"])
def test_a_method_that_is_not_served_is_told_which_are(lanes: Lanes, path: bytes) -> None:
    with Client(lanes.port) as client:
        client.send(b"OPTIONS %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
        status, headers = client.head()
    assert status == 405
    assert "patch" in headers["allow"]
    assert not lanes.seen


@pytest.mark.requirement("REL-01")
@pytest.mark.parametrize("path", [b"/", b"/x/"], ids=["fastapi", "call"])
def test_as_many_fields_as_are_allowed_and_no_more(lanes: Lanes, path: bytes) -> None:
    head = b"GET %b HTTP/1.1\r\nHost: a\r\n" % path + b"X-A: b\r\n" * (strict.MAX_FIELDS - 1)
    with Client(lanes.port) as client:
        client.send(head + b"\r\n")
        assert client.answer()[0] == 200
    with Client(lanes.port) as client:
        client.send(head + b"X-A: b\r\n\r\n")
        assert client.head()[0] == 431
    assert len(lanes.seen) <= 1
