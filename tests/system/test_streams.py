"""A large file on its way through the whole platform: neither gateway nor exchange keeps it."""

import hashlib
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.members import Authority, Member, wait_until_known
from harness.platform import Platform
from runtime import http
from runtime.http import Client
from tlog import receipt as receipts
from tongdao_cli.keys import OPERATOR
from tongdao_cli.postgres import free_port

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
RESOURCE = "1059900100013/900002"
SIZE = 50 * 1024 * 1024
MOST_GROWTH_KB = 30 * 1024
PROGRAMS = ("gateway", "exchange-service")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files: a large one of random bytes, and a small one."""
    place = tmp_path_factory.mktemp("files")
    (place / "large").write_bytes(random.Random(5).randbytes(SIZE))
    (place / "small").write_bytes(b"small")
    return place


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A web server over the folder: Python's own."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    with http.sync_client(f"http://127.0.0.1:{port}") as client:
        while True:
            with suppress(http.HTTPError):
                client.get("/small")
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def reader(platform: Platform, client: Client, authority: Authority, address: str) -> Member:
    """A system that may read these files."""
    resource = {"name": "文件", "provider": "dsjj", "summary": "文件", "share": {"type": "unconditional"}}
    authority.send("PUT", f"/api/catalog/resources/{RESOURCE}", resource)
    body = {
        "resource": RESOURCE, "provider": "dsjj", "name": "文件", "base_url": address, "networks": ["127.0.0.0/8"],
        "operations": [{"method": "GET", "path": "/{name}", "target": "/{name}"}], "fields": [], "format": "binary",
        "timeout_s": 30.0,
    }  # fmt: skip
    authority.send("PUT", "/api/catalog/interfaces/large-files/versions/v1", body)
    system = authority.system("file-reader", "xzspj")
    authority.grant(system.name, "large-files/v1", ["*"])
    wait_until_known(system, "GET", "large-files/v1/small")
    return system


@pytest.mark.requirement("EXC-30")
def test_fifty_megabytes_pass_through_and_nobody_grows(
    platform: Platform, client: Client, reader: Member, folder: Path, record_property: Callable[[str, object], None]
) -> None:
    headers = reader.headers()
    pids = {name: platform.pids()[name] for name in PROGRAMS}
    before = {name: memory_kb(pid, "VmRSS") for name, pid in pids.items()}
    for pid in pids.values():
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is counted from now on
    record, arrived = download(client, headers)
    grown = {name: memory_kb(pid, "VmHWM") - before[name] for name, pid in pids.items()}
    record_property("figures", f"memory for a file of {SIZE // 1024} kB: {grown} kB more")
    assert all(growth < MOST_GROWTH_KB for growth in grown.values()), grown
    with platform.consumer(OPERATOR) as auditor:
        receipt = auditor.receipt(record)
    leaf = receipts.verify(receipt, platform.vkey)[-1]
    salt = bytes.fromhex(json.loads(json.dumps(receipt))["records"][-1]["salt"])
    content = (folder / "large").read_bytes()
    assert arrived == hashlib.sha256(content).hexdigest()
    assert leaf["answer_digest"] == hashlib.sha256(salt + content).hexdigest()
    assert leaf["answer_bytes"] == SIZE


def download(client: Client, headers: dict[str, str]) -> tuple[str, str]:
    """Record and SHA-256 of the large file as it arrives."""
    digest = hashlib.sha256()
    with client.stream("GET", "/x/large-files/v1/large", headers=headers) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_bytes(65536):
            digest.update(chunk)
    return answer.headers["tongdao-record"], digest.hexdigest()


def memory_kb(pid: int, what: str) -> int:
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])
