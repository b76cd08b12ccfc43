"""What a provider that is down, slow, broken or elsewhere means for the consumer, and what of a good answer leaves."""

from typing import Any

import pytest

from harness.checks import CASE, VEHICLE, broken, check, check_recorded, ending, providers_asked
from harness.members import Authority, Member, wait_until_known
from harness.platform import Platform
from tongdao_cli.postgres import free_port

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]


# --- the provider ---------------------------------------------------------------------------------------------------
def copy_of_air_quality(authority: Authority, name: str, **changes: Any) -> None:
    """Another interface of sthjj with the contract of its air quality, so that its breaker is its own."""
    found = authority.send("GET", "/api/catalog/interfaces/sthjj-air-quality/versions/v1")
    not_stated = ("id", "version", "state", "stage", "entry_state", "successor", "until", "maintenance", "health")
    body = {key: value for key, value in found.items() if key not in not_stated}
    authority.send("PUT", f"/api/catalog/interfaces/{name}/versions/v1", {**body, **changes})


@pytest.fixture(scope="module")
def weather(authority: Authority) -> Member:
    """A system with grants for copies of the air quality interface."""
    system = authority.system("weather", "jtj")
    copies: dict[str, dict[str, Any]] = {
        "air-nobody": {"base_url": f"http://127.0.0.1:{free_port()}"},
        "air-slow": {"timeout_s": 0.5},
        "air-garbage": {},
        "air-forbidden": {"base_url": f"http://localhost:{free_port()}", "networks": ["10.0.0.0/8"]},
    }
    for name, changes in copies.items():
        copy_of_air_quality(authority, name, **changes)
        authority.grant(system.name, f"{name}/v1", ["aqi"])
    for name in copies:
        wait_until_known(system, "GET", f"{name}/v1")
    return system


@pytest.mark.requirement("GWY-14")
def test_a_provider_that_is_not_there_is_given_a_pause(platform: Platform, weather: Member) -> None:
    codes = [weather.call("GET", "air-nobody/v1") for _ in range(6)]
    assert codes[0].status_code in (502, 503)
    resting = check(codes[-1], 503, "provider/resting", "provider")
    assert resting["record"]
    assert int(codes[-1].headers["retry-after"]) >= 1
    down = next(answer for answer in codes if answer.status_code == 502)
    check(down, 502, "provider/unreachable", "provider")
    check_recorded(platform, down)
    check_recorded(platform, codes[-1])


@pytest.mark.requirement("GWY-14")
def test_a_provider_that_is_too_slow_is_a_timeout(platform: Platform, weather: Member) -> None:
    with broken(platform, "sthjj", delay_ms=2000), providers_asked(platform, 1):
        answer = weather.call("GET", "air-slow/v1")
    check(answer, 504, "provider/timeout", "provider")
    check_recorded(platform, answer)


@pytest.mark.requirement("GWY-14")
@pytest.mark.parametrize("fault", [{"garbage": True}, {"cut": True}], ids=["garbage", "cut off"])
def test_a_provider_that_breaks_its_contract_is_at_fault(
    platform: Platform, weather: Member, fault: dict[str, Any]
) -> None:
    with broken(platform, "sthjj", **fault):
        answer = weather.call("GET", "air-garbage/v1")
    check(answer, 502, "provider/broken-answer", "provider")
    check_recorded(platform, answer)


@pytest.mark.requirement("GWY-14")
def test_a_provider_outside_its_networks_is_not_called(platform: Platform, weather: Member) -> None:
    with providers_asked(platform, 0):
        answer = weather.call("GET", "air-forbidden/v1")
    check(answer, 502, "provider/forbidden-address", "provider")
    check_recorded(platform, answer)


def test_what_the_provider_says_itself_carries_no_fault(platform: Platform, member: Member) -> None:
    answer = member.call("GET", "gaj-vehicle-info/v1?plate_no=%E4%BA%91Z00000&plate_type=02", CASE)
    assert answer.status_code == 404
    assert "tongdao-fault" not in answer.headers
    assert answer.json() == {}  # its words are not among the granted fields
    assert ending(platform, answer.headers["tongdao-record"])["status"] == 404


@pytest.mark.requirement("GWY-15")
def test_only_granted_fields_leave_however_many_the_provider_sends(platform: Platform, member: Member) -> None:
    with broken(platform, "gaj", extra_fields={"secret": "S" * 20}):
        answer = member.call("GET", VEHICLE, CASE)
    assert answer.json() == {"owner_name": "张****", "status": "正常"}
    leaf = ending(platform, answer.headers["tongdao-record"])
    assert (leaf["fields_returned"], leaf["fields_masked"]) == (2, 1)
