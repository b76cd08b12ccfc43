"""What bad input gets: exact status and code, who is at fault, whether it is recorded, and how often a provider was
asked (mostly never)."""

import os
import signal
import time

import pytest

from harness.checks import CASE, PERSON, VEHICLE, check, check_recorded, providers_asked
from harness.members import Authority, Member, wait_until_known
from harness.platform import Platform
from runtime.http import Client
from tlog import receipt as receipts

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]


# --- the permission -------------------------------------------------------------------------------------------------
REFUSED: list[tuple[str, str, dict[str, str], int, str]] = [
    ("GET", "sthjj-air-quality/v1", {}, 403, "grant/none"),
    ("GET", "no-such-thing/v1", {}, 404, "interface/unknown"),
    ("GET", "gaj-vehicle-info/v9", {}, 404, "interface/unknown"),
    ("GET", "gaj-vehicle-info/v1/more", CASE, 404, "interface/unknown-operation"),
    ("DELETE", "gaj-vehicle-info/v1", CASE, 405, "interface/method-not-allowed"),
    ("GET", "gaj-vehicle-info/v1/%2e%2e/x", CASE, 400, "request/bad-path"),
    ("GET", "gaj-vehicle-info/v1/a%0d%0ab", CASE, 400, "request/bad-path"),
    ("GET", "gaj-vehicle-info/v1/a%00b", CASE, 400, "request/bad-path"),
    ("GET", f"{VEHICLE}&more=a%0d%0ab", CASE, 422, "request/schema"),
    ("GET", VEHICLE, {}, 403, "case/missing"),
    ("GET", VEHICLE, {"Tongdao-Case": "7"}, 403, "case/malformed"),
    ("GET", VEHICLE, {**CASE, "Tongdao-Grant": "another"}, 403, "grant/unknown"),
]
ROWS = {"DELETE gaj-vehicle-info/v1": "H-94 "}
NAMED = [
    f"{ROWS.get(f'{method} {path}', 'H-88 ' if '%0' in path else '')}{method} {path} {code}"
    for method, path, _, _, code in REFUSED
]


@pytest.mark.requirement("GWY-11")
@pytest.mark.requirement("CD-06", "CD-19-20", "YN-08-09", "ZB-07")
@pytest.mark.parametrize(("method", "path", "headers", "status", "code"), REFUSED, ids=NAMED)
def test_a_refused_call_is_recorded_and_asks_nobody(
    platform: Platform, member: Member, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    with providers_asked(platform, 0):
        answer = member.call(method, path, headers)
    document = check(answer, status, code)
    assert {"type", "title", "status", "code", "remedy", "record", "fault"} <= document.keys()
    assert ("allow" in answer.headers) == (status == 405)
    check_recorded(platform, answer)


@pytest.mark.requirement("SUB-02")
@pytest.mark.parametrize("where", ["interface", "version", "trace", "case"])
def test_a_number_in_the_wrong_place_is_not_kept(platform: Platform, member: Member, where: str) -> None:
    """A consumer that builds its request wrongly must not put a person into the log."""
    number = PERSON["id_card"]
    path = {"interface": f"{number}/v1", "version": f"gaj-vehicle-info/{number}"}.get(where, VEHICLE)
    headers = {"trace": {"traceparent": f"00-{number}-x"}, "case": {"Tongdao-Case": f"办件 {number}".encode()}}
    answer = member.call("GET", path, headers.get(where))  # type: ignore[arg-type]  # a header in UTF-8
    assert answer.is_client_error
    with platform.consumer("platform-operator") as auditor:
        leaves = receipts.verify(auditor.receipt(answer.headers["tongdao-record"]), platform.vkey)
    assert not [leaf for leaf in leaves if number in str(leaf)]


def test_a_refusal_speaks_the_language_that_is_asked_for(member: Member) -> None:
    english = member.call("GET", VEHICLE, {"Accept-Language": "en-GB, zh;q=0.3"}).json()
    chinese = member.call("GET", VEHICLE, {"Accept-Language": "fr, zh-CN;q=0.8"}).json()
    assert english["title"] == "This grant asks for the number of the case at hand"
    assert chinese["title"] == "该授权要求填写办件编号"
    assert chinese["remedy"] == "请在 Tongdao-Case 头中填写办件编号"


@pytest.mark.requirement("GWY-12")
def test_a_suspended_grant_is_refused_and_says_by_whom(
    platform: Platform, authority: Authority, member: Member
) -> None:
    system = authority.system("suspended-one", "jtj")
    grant = authority.grant(system.name, "sthjj-air-quality/v1", ["aqi"])
    wait_until_known(system, "GET", "sthjj-air-quality/v1")
    authority.send("POST", f"/api/catalog/grants/{grant}/suspend", {"reason": "超目的使用"})
    deadline = time.monotonic() + 10
    while (answer := system.call("GET", "sthjj-air-quality/v1")).is_success:
        assert time.monotonic() < deadline
    document = check(answer, 403, "grant/suspended")
    assert document["by"]
    assert document["since"]
    assert "超目的使用" in document["detail"]
    authority.send("POST", f"/api/catalog/grants/{grant}/resume", {"reason": "整改完成"})
    wait_until_known(system, "GET", "sthjj-air-quality/v1")


def test_explain_says_what_the_gateway_would(member: Member, client: Client) -> None:
    headers = {**member.headers(), "Accept-Language": "en"}
    query = {"interface": "gaj-vehicle-info/v1"}
    refused = client.get("/api/explain", params=query, headers=headers).json()
    assert refused["decision"] == "case/missing"
    assert [step["step"] for step in refused["steps"] if not step["holds"]] == ["case_is_named"]
    allowed = client.get("/api/explain", params={**query, "case": "YJ2026-000001"}, headers=headers).json()
    assert allowed["decision"] == "allow"
    others = client.get("/api/explain", params={**query, "system": "xzspj-one-thing"}, headers=headers)
    check(others, 403, "request/not-yours")


# --- the rate -------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GWY-03")
def test_over_the_rate_is_told_how_long_to_wait(platform: Platform, authority: Authority) -> None:
    system = authority.system("in-a-hurry", "jtj")
    authority.grant(system.name, "sthjj-air-quality/v1", ["aqi"], rate_per_s=0.2, burst=1)
    wait_until_known(system, "GET", "sthjj-air-quality/v1")
    with providers_asked(platform, 0):
        answer = system.call("GET", "sthjj-air-quality/v1")
    check(answer, 429, "rate/exceeded")
    assert 1 <= int(answer.headers["retry-after"]) <= 5
    check_recorded(platform, answer)


# --- the body -------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GWY-13")
def test_a_body_that_breaks_the_schema_is_told_where(platform: Platform, member: Member) -> None:
    with providers_asked(platform, 0):
        answer = member.call("POST", "gaj-identity-verify/v1", json={**PERSON, "id_card": 7})
    assert check(answer, 422, "request/schema")["path"] == "/id_card"
    assert "990101" not in answer.text
    check_recorded(platform, answer)


def test_a_query_that_breaks_the_schema_is_told_where(member: Member) -> None:
    answer = member.call("GET", "gaj-vehicle-info/v1?plate_no=1&plate_type=999", CASE)
    assert check(answer, 422, "request/schema")["path"] == "/plate_type"


@pytest.mark.requirement("GWY-13")
@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{}" + b" " * 10 * 1024 * 1024, {"Content-Type": "application/json"}, 413, "request/too-large"),
        (b"name=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "request/unsupported-media-type"),
        (
            b"{}",
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
            415,
            "request/unsupported-media-type",
        ),
        (b'{"name":1,"name":2}', {"Content-Type": "application/json"}, 422, "request/schema"),
        (b"{", {"Content-Type": "application/json"}, 422, "request/schema"),
    ],
    ids=["too large", "a form", "compressed", "a member twice", "not JSON"],
)
def test_a_body_that_cannot_be_taken_asks_nobody(
    platform: Platform, member: Member, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    with providers_asked(platform, 0):
        answer = member.call("POST", "gaj-identity-verify/v1", headers, content=body)
    check(answer, status, code)
    check_recorded(platform, answer)


@pytest.mark.parametrize("row", ["H-92"])
def test_a_get_with_a_body_is_refused(member: Member, row: str) -> None:
    """Two readings of such a request are possible."""
    answer = member.call("GET", VEHICLE, {**CASE, "Content-Type": "application/json"}, content=b"{}")
    check(answer, 400, "request/unexpected-body")


# --- the log --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GWY-16")
def test_without_the_log_nothing_is_asked(platform: Platform, member: Member) -> None:
    token = member.token()
    headers = {"Authorization": f"Bearer {token}", **CASE}
    pid = platform.pids()["audit-service"]
    with platform.client() as client, providers_asked(platform, 0):
        os.kill(pid, signal.SIGSTOP)
        try:
            first = client.get(f"/x/{VEHICLE}", headers=headers)
            second = client.get(f"/x/{VEHICLE}", headers=headers)
        finally:
            os.kill(pid, signal.SIGCONT)
    for answer in (first, second):
        check(answer, 503, "audit/unavailable", "exchange")
        assert answer.headers["retry-after"] == "1"
    deadline = time.monotonic() + 20
    while not member.call("GET", VEHICLE, CASE).is_success:
        assert time.monotonic() < deadline, "calls did not come back with the log"
        time.sleep(0.2)
