"""Who asks in the system tests: the authority, a client without a token, a system with grants of its own."""

from collections.abc import Iterator

import pytest

from harness.checks import CASE, PERSON, VEHICLE
from harness.members import Authority, Member, wait_until_known
from harness.platform import Platform
from runtime.http import Client


@pytest.fixture(scope="session")
def client(platform: Platform) -> Iterator[Client]:
    with platform.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def authority(platform: Platform, client: Client) -> Authority:
    return Authority(platform, client)


@pytest.fixture(scope="session")
def member(platform: Platform, client: Client, authority: Authority) -> Member:
    """A system with grants of its own; ready when the gateway knows the last of them."""
    made = authority.system("refusals", "sthjj")
    authority.grant(made.name, "gaj-vehicle-info/v1", ["status", "owner_name"], case_pattern="YJ[0-9]{4}-[0-9]{6}")
    authority.grant(made.name, "gaj-identity-verify/v1", ["result"])
    wait_until_known(made, "GET", VEHICLE, CASE)
    wait_until_known(made, "POST", "gaj-identity-verify/v1", json=PERSON)
    return made
