"""Malformed and hostile HTTP at the real gateway, on both lanes: refused, and no provider ever sees it."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from harness.front import PLACE, Behind, behind
from harness.http_vectors import VECTORS
from harness.lanes import Client
from harness.members import Authority
from harness.platform import Platform
from harness.stub import stub

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform"), pytest.mark.requirement("FRO-05")]
REFUSALS = {400, 405, 413, 414, 431, 501, 505}
STREAMED = ("ck-ext-flood", "trailer-flood")
"""So long that what comes first is on its way before the rest is found malformed."""
CASES = [pytest.param(expected, request, id=name) for name, expected, request in VECTORS]


@pytest.fixture(scope="module")
def provider(authority: Authority) -> Iterator[Behind]:
    with stub() as answering:
        yield behind(authority, answering)


@pytest.fixture(scope="module")
def token(provider: Behind) -> str:
    return provider.member.token()


def answers(platform: Platform, request: bytes) -> list[int]:
    """Statuses of everything that comes back. After the first answer we send no more, so that the server closes."""
    with Client(platform.port) as client:
        client.try_send(request)
        while b"\r\n\r\n" not in client.buffer and client.more():
            pass
        with suppress(OSError):
            client.socket.shutdown(socket.SHUT_WR)
        return client.statuses()


@pytest.mark.parametrize(("expected", "request_bytes"), [case for case in CASES if case.id not in STREAMED])
def test_no_provider_sees_a_malformed_call(
    platform: Platform, provider: Behind, token: str, expected: str, request_bytes: bytes
) -> None:
    provider.stub.seen.clear()
    begun = provider.stub.begun
    statuses = answers(platform, provider.governed(request_bytes, token))
    assert len(statuses) <= 1
    assert not [path for path in provider.paths if "smug" in path]
    if expected == "A":
        assert (statuses, provider.paths) == ([200], ["/"])
    elif expected == "R":
        assert set(statuses) <= REFUSALS
        assert provider.stub.begun == begun
    else:
        assert len(provider.paths) <= 1


def within(token: str, what: str, size: int) -> bytes:
    """A good call with so many fields, or so many bytes of target or head."""
    target, field = PLACE + b"p", b"X-A: %b\r\n"
    start = b"Host: a\r\nAuthorization: Bearer %b\r\n" % token.encode()
    if what == "target":
        target += b"a" * (size - len(target))
    elif what == "fields":
        start += field % b"b" * (size - 2)
    else:  # each field with its colon, space and line end; the target too
        start += field % (b"b" * (size - len(target) - len(start) - len(field % b"")))
    return b"GET %b HTTP/1.1\r\n%b\r\n" % (target, start)


@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize(
    ("what", "size", "refused"),
    [
        pytest.param(what, most + beyond, refused if beyond else 0, id=f"P17 {what} {most + beyond}")
        for what, most, refused in (("fields", 64, 431), ("target", 4096, 414), ("head", 16 * 1024, 431))
        for beyond in (0, 1)
    ],
)
def test_a_head_at_its_limit_is_taken_and_one_beyond_is_not(
    platform: Platform, provider: Behind, token: str, what: str, size: int, refused: int
) -> None:
    provider.stub.seen.clear()
    statuses = answers(platform, within(token, what, size))
    assert statuses == [refused or 200]
    assert len(provider.paths) == (0 if refused else 1)


@pytest.mark.parametrize(("expected", "request_bytes"), CASES)
def test_the_other_lane_answers_a_malformed_request_once_and_with_a_refusal(
    platform: Platform, expected: str, request_bytes: bytes
) -> None:
    """The page of addresses takes GET alone: a POST that is well made gets 405 as a problem document."""
    statuses = answers(platform, request_bytes)
    assert len(statuses) <= 1
    if expected == "A":
        assert statuses[0] in (200, 405)
    elif expected == "R":
        assert set(statuses) <= REFUSALS


@pytest.mark.parametrize(("_expected", "request_bytes"), [case for case in CASES if case.id in STREAMED])
def test_what_is_found_malformed_on_the_way_never_reaches_its_end(
    platform: Platform, provider: Behind, token: str, _expected: str, request_bytes: bytes
) -> None:
    """A chunk that was well made is passed on as it comes; the provider sees the request break off."""
    provider.stub.seen.clear()
    assert set(answers(platform, provider.governed(request_bytes, token))) <= REFUSALS
    assert not provider.paths
