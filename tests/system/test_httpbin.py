"""A provider that nobody here wrote: httpbin, registered like any other, called with every method, and streamed."""

import asyncio
import hashlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import asyncpg
import pytest

from harness.members import Authority, Member, wait_until_known
from harness.platform import Platform
from runtime import http
from runtime.http import Client
from tlog import receipt as receipts
from tongdao_cli.keys import OPERATOR
from tongdao_cli.postgres import free_port

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
RESOURCE = "1059900100013/900001"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
SERVER = "import sys; from httpbin import app; app.run('127.0.0.1', int(sys.argv[1]), threaded=True)"


@pytest.fixture(scope="module")
def httpbin() -> Iterator[str]:
    """The address of a running httpbin."""
    port = free_port()
    command = [sys.executable, "-c", SERVER, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    with http.sync_client(address) as client:
        while True:
            with suppress(http.HTTPError):
                client.get("/status/204")
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield address
    process.terminate()
    process.wait(10)


def interface(address: str, operations: list[tuple[str, str, str]], **changes: Any) -> dict[str, Any]:
    names = ("args", "data", "files", "form", "headers", "json", "method", "origin", "url")
    return {
        "resource": RESOURCE, "provider": "dsjj", "name": "httpbin", "base_url": address, "networks": ["127.0.0.0/8"],
        "operations": [{"method": method, "path": path, "target": target} for method, path, target in operations],
        "fields": [{"name": name} for name in names], **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[Client]:
    with platform.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def member(platform: Platform, client: Client, httpbin: str) -> Member:
    authority = Authority(platform, client)
    system = authority.system("bin-user", "xzspj")
    resource = {"name": "httpbin", "provider": "dsjj", "summary": "回显服务", "share": {"type": "unconditional"}}
    authority.send("PUT", f"/api/catalog/resources/{RESOURCE}", resource)
    anything = [(method, "/{thing}", "/anything/{thing}") for method in METHODS]
    status = [("GET", "/status/{code}", "/status/{code}"), ("GET", "/redirect/{times}", "/redirect/{times}")]
    authority.send("PUT", "/api/catalog/interfaces/httpbin/versions/v1", interface(httpbin, [*anything, *status]))
    streamed = [("GET", "/{size}", "/bytes/{size}"), ("POST", "", "/anything")]
    authority.send(
        "PUT", "/api/catalog/interfaces/httpbin-stream/versions/v1",
        interface(httpbin, streamed, format="binary", fields=[]),
    )  # fmt: skip
    authority.grant(system.name, "httpbin/v1", ["args", "headers", "json", "method", "url"])
    authority.grant(system.name, "httpbin-stream/v1", ["*"])
    for path in ("httpbin/v1/a", "httpbin-stream/v1/1"):
        wait_until_known(system, "GET", path)
    return system


@pytest.mark.requirement("EXC-20")
@pytest.mark.parametrize("method", METHODS)
def test_every_method_arrives_as_it_was_sent(member: Member, method: str) -> None:
    carries = method in ("POST", "PUT", "PATCH", "DELETE")
    arguments: dict[str, Any] = {"json": {"姓名": "张三", "n": 1.50}} if carries else {}
    answer = member.call(method, "httpbin/v1/%E4%BA%91%20A?b=1&c=%E5%BC%A0", {"traceparent": TRACE}, **arguments)
    assert answer.status_code == 200
    assert answer.headers["tongdao-record"]
    assert answer.headers["traceparent"] == TRACE
    check_request_hash(answer)
    if method == "HEAD":
        assert answer.content == b""
        return
    echo = answer.json()
    assert set(echo) == {"args", "headers", "json", "method", "url"}
    assert echo["method"] == method
    assert echo["args"] == {"b": "1", "c": "张"}
    assert unquote(echo["url"]).partition("/anything/")[2] == "云 A?b=1&c=张"
    assert echo["json"] == ({"姓名": "张三", "n": 1.5} if carries else None)
    assert echo["headers"]["Traceparent"] == TRACE


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


NOT_FOR_THE_PROVIDER = {
    "H-82 ours called hop by hop": {"Connection": "Authorization, Tongdao-Record"},
    "H-83 of proxies": {
        "X-Forwarded-For": "1.2.3.4", "X-Real-IP": "1.2.3.4", "Forwarded": "for=1.2.3.4", "X-Client-Cert": "a",
        "X-User-Id": "root", "X-User": "root", "X-Original-URL": "/b", "X-HTTP-Method-Override": "DELETE",
    },
    "H-83 others": {"Cookie": "a=b", "Tongdao-Case": "7"},
    "H-87": {"Range": "bytes=0-1", "If-None-Match": '"a"', "Cache-Control": "no-cache"},
}  # fmt: skip


@pytest.mark.requirement("EXC-21")
@pytest.mark.parametrize("row", NOT_FOR_THE_PROVIDER)
def test_the_provider_sees_no_header_that_is_not_meant_for_it(member: Member, row: str) -> None:
    answer = member.call("GET", "httpbin/v1/a", NOT_FOR_THE_PROVIDER[row])
    assert (answer.status_code, answer.json()["method"]) == (200, "GET")
    seen = answer.json()["headers"]
    assert {name.lower() for name in seen} <= {
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
        "tongdao-call",
        "tongdao-timeout-ms",
    }


@pytest.mark.parametrize("status", [201, 204, 304, 400, 404, 418, 500, 503])
def test_the_provider_s_status_is_passed_on(member: Member, status: int) -> None:
    answer = member.call("GET", f"httpbin/v1/status/{status}")
    assert answer.status_code == status
    assert "tongdao-fault" not in answer.headers


def test_a_redirect_is_not_followed(member: Member) -> None:
    answer = member.call("GET", "httpbin/v1/redirect/1")
    assert (answer.status_code, answer.json()["code"]) == (502, "provider/broken-answer")


@pytest.mark.requirement("EXC-22")
def test_a_streamed_interface_passes_bytes_both_ways(platform: Platform, member: Member) -> None:
    answer = member.call("GET", "httpbin-stream/v1/90000")
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == 90000
    check_digest(platform, answer.headers["tongdao-record"], answer.content)
    sent = bytes(range(256)) * 8000
    echo = member.call("POST", "httpbin-stream/v1", {"Content-Type": "application/octet-stream"}, content=sent)
    assert echo.status_code == 200
    assert len(echo.content) > len(sent)
    assert echo.json()["headers"]["Content-Type"] == "application/octet-stream"
    check_digest(platform, echo.headers["tongdao-record"], echo.content)


def check_request_hash(answer: http.Response) -> None:
    """The asker can see from the header that this answers its very question."""
    stated, _, salt = answer.headers["tongdao-request-hash"].removeprefix("sha-256=").partition(";salt=")
    asked = answer.request
    question = b"%b %b\n%b" % (asked.method.encode(), asked.url.raw_path, asked.content)
    assert stated == hashlib.sha256(bytes.fromhex(salt) + question).hexdigest()


def check_digest(platform: Platform, record: str, content: bytes) -> None:
    """The outcome's digest is that of the bytes which the client holds."""
    with platform.consumer(OPERATOR) as auditor:
        receipt = auditor.receipt(record)
    leaf = receipts.verify(receipt, platform.vkey)[-1]
    salt = bytes.fromhex(json.loads(json.dumps(receipt))["records"][-1]["salt"])
    assert leaf["answer_digest"] == hashlib.sha256(salt + content).hexdigest()
    assert leaf["answer_bytes"] == len(content)


@pytest.mark.requirement("EXC-23")
def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_no_intent_open(
    platform: Platform, member: Member
) -> None:
    host, _, port = platform.gateway.removeprefix("http://").partition(":")
    head = f"POST /x/httpbin-stream/v1 HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1000000\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}authorization: Bearer {member.token()}\r\n\r\n".encode() + b"x" * 1000)
        time.sleep(0.5)
    assert asyncio.run(newest_outcome(platform, member.name))["code"] == "request/client-gone"


async def newest_outcome(platform: Platform, system: str) -> dict[str, Any]:
    """The system's newest outcome, once no intent of the gateway is open."""
    connection = await asyncpg.connect(platform.database_url)
    deadline = time.monotonic() + 20
    while await connection.fetchval(
        "SELECT (SELECT count(*) FROM audit.batch) + (SELECT count(*) FROM audit.open_call)"
    ):
        assert time.monotonic() < deadline, "an intent stayed open"
        await asyncio.sleep(0.1)
    rows = await connection.fetch("SELECT body FROM audit.leaf ORDER BY leaf_index DESC LIMIT 50")
    await connection.close()
    leaves = (json.loads(row["body"]) for row in rows)
    return next(leaf for leaf in leaves if leaf.get("system") == system and leaf.get("phase") == "outcome")
