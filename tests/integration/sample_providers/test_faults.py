"""Departments that misbehave on command, and their journal, over real connections."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from runtime.http import Client, HTTPError

VEHICLE = "/gaj/v1/vehicles?plate_no=%E4%BA%91A12345&plate_type=02"
PATIENCE_S = 60


@pytest.fixture
def client(departments: Any) -> Iterator[Client]:
    with departments.client() as opened:
        yield opened
        opened.post("/faults", json={"clear": True})


def switch(client: Client, **fault: Any) -> None:
    """Switch a fault of the police department on."""
    assert client.post("/faults", json={"department": "gaj", **fault}).status_code == 204


def test_a_status_instead_of_facts(client: Client) -> None:
    switch(client, status=503)

    assert client.get(VEHICLE).status_code == 503
    assert client.get("/mzj/v1/divisions/110101").status_code == 200


def test_garbage_that_says_it_is_json(client: Client) -> None:
    switch(client, garbage=True)
    response = client.get(VEHICLE)

    assert response.headers["content-type"] == "application/json"
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(response.content)


def test_an_answer_that_is_cut_off(client: Client) -> None:
    switch(client, cut=True)

    with pytest.raises(HTTPError):
        client.get(VEHICLE)


def test_members_that_nobody_registered(client: Client) -> None:
    switch(client, extra_fields={"secret": {"a": 1}})
    switch(client, department="sthjj", extra_fields={"secret": 2})

    assert client.get(VEHICLE).json()["secret"] == {"a": 1}
    assert {station["secret"] for station in client.get("/sthjj/v1/air-quality").json()} == {2}


def test_a_fault_is_replaced_and_cleared(client: Client) -> None:
    switch(client, status=503)
    switch(client, status=500)
    assert client.get(VEHICLE).status_code == 500
    switch(client, clear=True)
    assert client.get(VEHICLE).status_code == 200


def test_a_misspelt_fault_is_refused(client: Client) -> None:
    assert client.post("/faults", json={"department": "gaj", "dely_ms": 1}).status_code == 422


@pytest.mark.requirement("DEM-07")
def test_the_switches_are_closed_unless_a_setting_opens_them(closed_departments: Any) -> None:
    with closed_departments.client() as client:
        assert client.post("/faults", json={"department": "gaj", "status": 503}).status_code == 404
        assert client.get("/seen").status_code == 404
        assert client.get(VEHICLE).status_code == 200


@pytest.mark.requirement("DEM-05")
def test_a_request_is_on_record_before_it_is_answered(doomed_departments: Any) -> None:
    """The department is made to wait; its line stands in the file although it dies without a word."""
    with doomed_departments.client() as client:
        switch(client, delay_ms=600_000)
    with socket.create_connection(("127.0.0.1", doomed_departments.port)) as asking:
        asking.sendall(f"GET {VEHICLE} HTTP/1.1\r\nhost: x\r\ntraceparent: 00-a-b-01\r\n\r\n".encode())
        lines = lines_of(doomed_departments)
        doomed_departments.process.kill()
        with pytest.raises(ConnectionResetError):
            raise_if_silent(asking.recv(1))

    assert [(line["method"], line["path"], line["traceparent"]) for line in lines] == [
        ("GET", "/gaj/v1/vehicles", "00-a-b-01")
    ]


def test_the_newest_requests_can_be_seen(client: Client) -> None:
    client.get("/mzj/v1/divisions/110101", headers={"tongdao-call": "0198"})
    newest = client.get("/seen").json()[-1]

    assert (newest["path"], newest["call"]) == ("/mzj/v1/divisions/110101", "0198")


def lines_of(there: Any) -> list[dict[str, Any]]:
    """The journal, once there is a line in it."""
    deadline = time.monotonic() + PATIENCE_S
    while not there.journal.read_bytes().endswith(b"\n"):
        assert time.monotonic() < deadline, "no line was written"
        time.sleep(0.01)
    return [msgspec.json.decode(line) for line in there.journal.read_bytes().splitlines()]


def raise_if_silent(received: bytes) -> None:
    """A killed peer may end the connection in order or reset it; both mean that no answer came."""
    if received == b"":
        raise ConnectionResetError
