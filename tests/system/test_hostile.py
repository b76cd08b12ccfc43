"""What a hostile client can do to the real gateway, and cannot: hold connections, send too much, forge lines, guess."""

import base64
import gzip
import json
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from harness.checks import CASE, PERSON, VEHICLE, check, providers_asked
from harness.lanes import HOST, Client, get, until
from harness.members import Authority, Member
from harness.platform import Platform
from harness.replicas import replica
from runtime.http import sync_client

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
MIB = 1024 * 1024
VERIFY = b"/x/gaj-identity-verify/v1"
JSON = b"Content-Type: application/json\r\n"
FORGED = '{"level":"info","event":"admin.logged_in"}'


class Victim:
    """A gateway of its own that lets nobody hold more than 200 connections."""

    def __init__(self, address: str, log: Path) -> None:
        self.port = int(address.rpartition(":")[2])
        self.address = address
        self.log = log
        listening = (one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN)
        self.process = psutil.Process(next(one.pid for one in listening if one.laddr.port == self.port))

    def memory_bytes(self) -> int:
        size: int = self.process.memory_info().rss
        return size


@pytest.fixture(scope="module")
def victim(platform: Platform) -> Iterator[Victim]:
    with replica(platform, "gateway", "gateway-hostile", log_level="DEBUG") as address:
        yield Victim(address, platform.home.logs / "gateway-hostile.log")


@pytest.fixture(scope="module")
def bearer(member: Member) -> bytes:
    return b"Authorization: Bearer %b\r\n" % member.token().encode()


def line(victim: Victim, source: str = HOST) -> socket.socket:
    """A connection from an address of this machine."""
    return socket.create_connection((HOST, victim.port), timeout=10, source_address=(source, 0))


def asked(client: Client, request: bytes) -> int:
    """The status of the answer."""
    client.send(request)
    return client.answer()[0]


# --- connections
@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize("row", ["D-4 I15"])
def test_one_address_holds_so_many_connections_and_others_are_served(victim: Victim, row: str) -> None:
    files = victim.process.num_fds()
    with ExitStack() as held:
        for _ in range(200):
            held.enter_context(line(victim, "127.0.0.3"))
        for _ in range(20):
            with line(victim, "127.0.0.3") as refused:
                assert refused.recv(1000).startswith(b"HTTP/1.1 429 ")
        with line(victim, "127.0.0.4") as other:
            other.sendall(get(b"/health/live"))
            assert other.recv(1000).startswith(b"HTTP/1.1 200 ")
    until(lambda: victim.process.num_fds() <= files + 2)
    with line(victim, "127.0.0.3") as again:
        again.sendall(get(b"/health/live"))
        assert again.recv(1000).startswith(b"HTTP/1.1 200 ")


# --- bodies
@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize("row", ["D-5"])
def test_a_body_that_unpacks_to_a_thousand_times_its_size_is_not_unpacked(
    platform: Platform, victim: Victim, member: Member, row: str
) -> None:
    bomb = gzip.compress(b"\0" * 64 * MIB)
    before = victim.memory_bytes()
    headers = {**member.headers(), "Content-Type": "application/json", "Content-Encoding": "gzip"}
    with providers_asked(platform, 0), sync_client(victim.address) as client:
        answer = client.post(VERIFY.decode(), content=bomb, headers=headers)
    check(answer, 415, "request/unsupported-media-type")
    assert victim.memory_bytes() - before < 20 * MIB


@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize("row", ["D-7 announced", "D-7 in chunks"])
def test_a_body_over_the_limit_is_refused_before_all_of_it_came(
    platform: Platform, victim: Victim, bearer: bytes, row: str
) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: a\r\n%b%b" % (VERIFY, JSON, bearer)
    with providers_asked(platform, 0), Client(victim.port) as client:
        if row == "D-7 announced":
            client.send(head + b"Content-Length: %d\r\n\r\n" % (10 * MIB + 1))
        else:
            client.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(11):
                client.try_send(b"%x\r\n%b\r\n" % (MIB, b"x" * MIB))
        status, _, body = client.answer()
    assert (status, json.loads(body)["code"]) == (413, "request/too-large")


@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize("row", ["D-8 I15"])
def test_a_body_in_a_million_chunks_takes_the_memory_of_its_bytes(
    platform: Platform, victim: Victim, bearer: bytes, row: str
) -> None:
    """JSON in pieces of one byte: read like any other, and found not to be what the contract wants."""
    body = b'{"name":"' + b"x" * (MIB // 2) + b'"}'
    pieces = b"".join([b"1\r\n%c\r\n" % byte for byte in body]) + b"0\r\n\r\n"
    before = victim.memory_bytes()
    with providers_asked(platform, 0), Client(victim.port) as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: a\r\n%b%bTransfer-Encoding: chunked\r\n\r\n" % (VERIFY, JSON, bearer))
        client.try_send(pieces)
        status, _, answered = client.answer()
    assert (status, json.loads(answered)["code"]) == (422, "request/schema")
    assert victim.memory_bytes() - before < 10 * MIB


@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize("row", ["D-10"])
def test_an_object_of_a_hundred_thousand_names_is_refused(platform: Platform, member: Member, row: str) -> None:
    claims = {**PERSON, **{f"n{number}": 1 for number in range(100_000)}}
    with providers_asked(platform, 0):
        answer = member.call("POST", "gaj-identity-verify/v1", json=claims)
    check(answer, 422, "request/schema")
    assert len(answer.content) < 10_000


# --- strangers
@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize("row", ["D-9"])
def test_a_flood_of_bad_tokens_keeps_nobody_out(platform: Platform, victim: Victim, bearer: bytes, row: str) -> None:
    with providers_asked(platform, 0), Client(victim.port) as client:
        for number in range(1000):
            client.send(get(b"/x/" + VEHICLE.encode(), b"Authorization: Bearer %b\r\n" % bad_token(f"kid-{number}")))
            assert client.answer()[0] == 401
    good = get(b"/x/" + VEHICLE.encode(), bearer + b"Tongdao-Case: YJ2026-000001\r\n")
    with Client(victim.port) as client:
        until(lambda: asked(client, good) == 200)  # 429 until the other gateway lets go of its part of the rate


@pytest.mark.requirement("FRO-05")
@pytest.mark.parametrize("row", ["H-85"])
def test_a_bad_token_is_refused_before_its_body_is_asked_for(platform: Platform, victim: Victim, row: str) -> None:
    with providers_asked(platform, 0), Client(victim.port) as client:
        client.send(
            b"POST %b HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\n%bContent-Length: 100\r\n"
            b"Expect: 100-continue\r\n\r\n" % (VERIFY, bad_token("x"), JSON)
        )
        assert client.statuses() == [401]


@pytest.mark.requirement("FRO-07")
@pytest.mark.parametrize("token", ["H-93 none", "H-93 made up"])
def test_a_stranger_cannot_tell_what_there_is(victim: Victim, token: str) -> None:
    """An interface, none, one that is not for it, a wrong method, a wrong path, a wrong case: one answer."""
    more = b"" if token == "H-93 none" else b"Authorization: Bearer %b\r\n" % bad_token("x")
    answers = set()
    for method, path in [
        ("GET", VEHICLE), ("DELETE", VEHICLE), ("GET", "no-such-thing/v1"), ("GET", "gaj-vehicle-info/v9"),
        ("GET", "gaj-vehicle-info/v1/more"), ("POST", "sthjj-air-quality/v1"), ("GET", "%2e%2e/x"), ("GET", ""),
    ]:  # fmt: skip
        for prefix in ("/x/", "/sandbox/"):
            with Client(victim.port) as client:
                client.send(f"{method} {prefix}{path} HTTP/1.1\r\nHost: a\r\n".encode() + more + b"\r\n")
                status, headers, body = client.answer()
            headers.pop("date")
            answers.add((status, json.dumps(headers), body))
    assert [status for status, _, _ in answers] == [401]


def bad_token(kid: str, **header: Any) -> bytes:
    """In the form of a token, with a key that nobody knows."""
    parts: list[dict[str, Any]] = [{"alg": "ES256", "typ": "at+jwt", "kid": kid, **header}, {"sub": kid}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*encoded, base64.urlsafe_b64encode(secrets.token_bytes(64)).rstrip(b"=")])


# --- lines of the log
TEXTS = {
    "a new line": f"a\r\n{FORGED}\r\n", "a colour": "a\x1b[31m\x9b2J", "a line separator": f"a\u2028{FORGED}\u2029",
    "right to left": "a\u202etxt.exe", "long": "x" * 9000,
}  # fmt: skip


@pytest.mark.requirement("FRO-08")
@pytest.mark.parametrize("what", TEXTS, ids=[f"H-95 {what}" for what in TEXTS])
def test_no_line_of_any_log_is_written_by_a_caller(
    platform: Platform, authority: Authority, member: Member, victim: Victim, what: str
) -> None:
    text = TEXTS[what]
    escaped = quote(text[:1000])
    visible = re.sub(r"[^ -~]", "?", text[:4000]).encode()
    with Client(victim.port) as client:
        client.send(get(f"/x/{escaped}/v1".encode(), b"Authorization: Bearer %b\r\n" % bad_token(text)))
        assert client.answer()[0] in (401, 431)
    with sync_client(victim.address) as client_of_a_member:
        headers: dict[str, Any] = {**member.headers(), **CASE, "User-Agent": visible, "Tongdao-Grant": visible[:900]}
        answer = client_of_a_member.get(f"/x/{VEHICLE}/{escaped}", headers=headers)
        assert answer.is_client_error
    for path, body in (
        ("/api/catalog/departments/h95", {"name": text}),
        ("/api/catalog/grants", {"system": member.name, "interface": text, "fields": ["*"], "purpose": text}),
        ("/oauth2/token", {"client_assertion": text, "grant_type": text}),
    ):
        with platform.client() as client_of_the_authority:
            method = "PUT" if "departments" in path else "POST"
            sent = client_of_the_authority.request(method, path, json=body, headers=authority._headers)
        assert sent.status_code in (200, 201, 400, 413, 422), f"{path} was not read: {sent.status_code} {sent.text}"
    logs = [victim.log, *(log for log in platform.home.logs.glob("*.log") if log.name != "postgres.log")]
    for said in (log.read_text(encoding="utf-8").split("\n") for log in logs):
        for entry in said:
            assert entry.isprintable()
            assert len(entry) < 20_000
            assert not entry or json.loads(entry)["event"] != "admin.logged_in"
