"""A gateway tells the catalog how often grants were used, at the latest when it stops."""

import os
import signal

import pytest

from harness.members import Authority, wait_until_known
from harness.platform import Platform

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
CONTRACT = ("resource", "provider", "name", "base_url", "networks", "operations", "fields", "parameters", "response")


@pytest.mark.requirement("STA-02")
def test_a_gateway_that_stops_has_told_of_every_call(platform: Platform, authority: Authority) -> None:
    found = authority.send("GET", "/api/catalog/interfaces/sthjj-air-quality/versions/v1")
    authority.send("PUT", "/api/catalog/interfaces/air-counted/versions/v1", {name: found[name] for name in CONTRACT})
    system = authority.system("counted", "jtj")
    authority.grant(system.name, "air-counted/v1", ["aqi"])
    wait_until_known(system, "GET", "air-counted/v1")  # the last of these calls is the first that counts
    statuses = [system.call("GET", "air-counted/v1").status_code for _ in range(2)]
    statuses.append(system.call("GET", "air-counted/v1", params={"unknown": "x"}).status_code)

    old = platform.pids()["gateway"]
    os.kill(old, signal.SIGTERM)
    platform.wait_for_restart("gateway", old)
    calls = authority.send("GET", "/api/catalog/statistics")["calls"]
    counted = [one for one in calls if one["interface"] == "air-counted/v1"]
    errors = sum(status >= 400 for status in statuses)
    assert counted == [{"interface": "air-counted/v1", "provider": "sthjj", "calls": 4, "errors": errors}]
