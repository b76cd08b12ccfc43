"""What is looked at in every answer of the gateway: problem document, record, and how often a provider was asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.platform import Platform
from runtime import http
from runtime.http import Response
from tlog import receipt as receipts
from tongdao_cli.keys import OPERATOR

VEHICLE = "gaj-vehicle-info/v1?plate_no=%E4%BA%91A12345&plate_type=02"
CASE = {"Tongdao-Case": "YJ2026-000001"}
PERSON = {"name": "张三丰测试", "id_card": "990101199003070218", "biz_no": "YJ2026-000001"}


def journal(platform: Platform) -> list[dict[str, Any]]:
    path = Path(platform.home.root.parent / "journal")
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def providers_asked(platform: Platform, times: int) -> Iterator[None]:
    """The departments are asked so often within the block."""
    before = len(journal(platform))
    yield
    assert len(journal(platform)) - before == times


def check(answer: Response, status: int, code: str, fault: str = "consumer") -> dict[str, Any]:
    """A problem document with this code."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["tongdao-fault"] == fault == answer.json()["fault"]
    return dict(answer.json())


def ending(platform: Platform, record: str) -> dict[str, Any]:
    """The last leaf of a call, from a receipt that verifies."""
    with platform.consumer(OPERATOR) as auditor:
        leaves = receipts.verify(auditor.receipt(record), platform.vkey)
    return dict(leaves[-1])


def check_recorded(platform: Platform, answer: Response) -> None:
    leaf = ending(platform, answer.headers["tongdao-record"])
    assert (leaf["status"], leaf["code"]) == (answer.status_code, answer.json()["code"])
    assert answer.json()["record"] == answer.headers["tongdao-record"]


@contextmanager
def broken(platform: Platform, department: str, **fault: Any) -> Iterator[None]:
    """A department that misbehaves within the block."""
    with http.sync_client(platform.url("sample-providers")) as sample:
        assert sample.post("/faults", json={"department": department, **fault}).is_success
        try:
            yield
        finally:
            assert sample.post("/faults", json={"department": department, "clear": True}).is_success
