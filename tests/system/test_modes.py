"""Verifying, comparing, trying out, and windows of maintenance, on the whole platform: what is told, what is kept."""

import time
from typing import Any

import pytest

from harness.checks import VEHICLE, check, check_recorded, ending, providers_asked
from harness.members import Authority, Member, wait_until_known
from harness.platform import Platform
from runtime.http import Response

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
V1 = "gaj-vehicle-info/v1"
QUERY = VEHICLE.partition("?")[2]
UNKNOWN = "plate_no=%E4%BA%91Z00000&plate_type=02"
FIELDS = ["owner_name", "status"]


def ask(member: Member, mode: str, claims: dict[str, Any], query: str = QUERY) -> Response:
    return member.call("POST", f"{V1}:{mode}?{query}", json={"claims": claims})


@pytest.fixture(scope="module")
def facts(authority: Authority) -> dict[str, str]:
    """What the provider says of the vehicle, without masks."""
    system = authority.system("modes-facts", "sthjj")
    authority.grant(system.name, V1, FIELDS, masks={"owner_name": "plain"})
    wait_until_known(system, "GET", VEHICLE)
    return dict(system.call("GET", VEHICLE).json())


@pytest.fixture(scope="module")
def verifier(authority: Authority, facts: dict[str, str]) -> Member:
    """A system that may verify owner and status, and nothing else."""
    system = authority.system("modes-verify", "sthjj")
    authority.grant(system.name, V1, FIELDS, mode="verify")
    wait_until_known(system, "POST", f"{V1}:verify?{QUERY}", json={"claims": facts})
    return system


@pytest.fixture(scope="module")
def comparer(authority: Authority, facts: dict[str, str]) -> Member:
    system = authority.system("modes-compare", "sthjj")
    authority.grant(system.name, V1, FIELDS, mode="compare")
    wait_until_known(system, "POST", f"{V1}:compare?{QUERY}", json={"claims": facts})
    return system


# --- verifying ------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GAT-01", "YN-29-3-r")
@pytest.mark.parametrize(
    ("claimed", "query", "word"),
    [({}, QUERY, "yes"), ({"owner_name": "别人"}, QUERY, "no"), ({}, UNKNOWN, "no_record")],
    ids=["so it is", "so it is not", "nothing is known"],
)
def test_a_verification_tells_one_word(
    platform: Platform, verifier: Member, facts: dict[str, str], claimed: dict[str, str], query: str, word: str
) -> None:
    with providers_asked(platform, 1):
        answer = ask(verifier, "verify", {**facts, **claimed}, query)
    assert (answer.status_code, answer.json()) == (200, {"result": word}), answer.text
    leaf = ending(platform, answer.headers["tongdao-record"])
    assert (leaf["mode"], leaf["verdict"], leaf["method"]) == ("verify", word, "POST")
    assert leaf["fields_returned"] == 0


@pytest.mark.requirement("GAT-01", "YN-29-3-r")
def test_a_comparison_tells_a_word_of_each_field(platform: Platform, comparer: Member, facts: dict[str, str]) -> None:
    right = ask(comparer, "compare", {"status": facts["status"]})
    assert right.json() == {"result": "compared", "fields": {"status": "match"}}, right.text
    wrong = ask(comparer, "compare", {**facts, "owner_name": "别人"})
    assert wrong.json()["fields"] == {"owner_name": "mismatch", "status": "match"}
    leaves = [ending(platform, answer.headers["tongdao-record"]) for answer in (right, wrong)]
    assert [(leaf["mode"], leaf["verdict"]) for leaf in leaves] == [("compare", "yes"), ("compare", "no")]
    assert ask(comparer, "compare", facts, UNKNOWN).json() == {"result": "no_record"}


@pytest.mark.requirement("GAT-01")
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", VEHICLE), ("POST", f"{V1}:compare?{QUERY}")],
    ids=["plain", "the other mode"],
)
def test_who_may_verify_is_told_no_fact(platform: Platform, verifier: Member, method: str, path: str) -> None:
    with providers_asked(platform, 0):
        answer = verifier.call(method, path, json={"claims": {}} if method == "POST" else None)
    assert check(answer, 403, "grant/mode")["modes"] == ["verify"]
    check_recorded(platform, answer)


@pytest.mark.requirement("GAT-01")
@pytest.mark.parametrize(
    "claims", [{}, {"status": "正常"}, {"owner_name": "x", "status": "x", "vehicle_type": "x"}],
    ids=["none", "some", "one more"],
)  # fmt: skip
def test_a_verification_claims_what_is_granted(platform: Platform, verifier: Member, claims: dict[str, str]) -> None:
    with providers_asked(platform, 0):
        answer = ask(verifier, "verify", claims)
    check(answer, 422, "request/claims")
    check_recorded(platform, answer)


def test_explain_says_it_of_each_mode(verifier: Member) -> None:
    for mode, decision in (("query", "grant/mode"), ("verify", "allow"), ("compare", "grant/mode")):
        said = verifier.ask("GET", f"/api/explain?interface={V1}&mode={mode}").json()
        assert (said["mode"], said["decision"]) == (mode, decision)


# --- the sandbox ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GAT-05")
@pytest.mark.parametrize("mode", ["", ":verify"], ids=["plain", "verify"])
def test_the_sandbox_is_open_before_anything_is_granted(platform: Platform, authority: Authority, mode: str) -> None:
    system = authority.system(f"modes-newcomer{mode.replace(':', '-')}", "jtj")
    found = authority.send("GET", "/api/catalog/interfaces/gaj-vehicle-info/versions/v1")
    claims = {"claims": {field["name"]: "x" for field in found["fields"]}}
    path = f"/sandbox/{V1}{mode}?{QUERY}"
    deadline = time.monotonic() + 15
    with providers_asked(platform, 0):
        while (answer := system.ask("POST" if mode else "GET", path, claims if mode else None)).status_code == 403:
            assert time.monotonic() < deadline, answer.text  # the gateway has not heard of the system yet
            time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    leaf = ending(platform, answer.headers["tongdao-record"])
    assert (leaf["mode"], leaf["provider"], leaf["grant"], leaf["subject"]) == ("sandbox", "", "", "")


@pytest.mark.requirement("GAT-05")
def test_the_twin_shows_what_is_granted_and_no_more(platform: Platform, authority: Authority) -> None:
    system = authority.system("modes-twin", "jtj")
    authority.grant(system.name, V1, ["status"])
    wait_until_known(system, "GET", VEHICLE)
    with providers_asked(platform, 0):
        answer = system.ask("GET", f"/sandbox/{VEHICLE}")
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() <= {"status"}


# --- maintenance ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GAT-04")
def test_in_a_window_of_maintenance_nobody_is_asked(platform: Platform, authority: Authority) -> None:
    found = authority.send("GET", "/api/catalog/interfaces/sthjj-air-quality/versions/v1")
    stated = ("resource", "provider", "name", "base_url", "networks", "operations", "fields", "parameters", "response")
    path = "/api/catalog/interfaces/air-maintained/versions/v1"
    authority.send("PUT", path, {name: found[name] for name in stated if name in found})
    system = authority.system("modes-patient", "jtj")
    authority.grant(system.name, "air-maintained/v1", ["aqi"])
    wait_until_known(system, "GET", "air-maintained/v1")
    now = int(time.time())
    window = {"begins": now - 60, "until": now + 3600, "reason": "升级"}
    authority.send("PUT", f"{path}/maintenance", {"windows": [window]})
    wait_for(system, 503)
    with providers_asked(platform, 0):
        answer = system.call("GET", "air-maintained/v1")
    document = check(answer, 503, "interface/maintenance", "provider")
    assert document["until"].endswith("+00:00")
    assert 3000 < int(answer.headers["retry-after"]) <= 3600
    check_recorded(platform, answer)
    authority.send("PUT", f"{path}/maintenance", {"windows": []})
    wait_for(system, 200)


def wait_for(system: Member, status: int) -> None:
    deadline = time.monotonic() + 15
    while (answer := system.call("GET", "air-maintained/v1")).status_code != status:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
