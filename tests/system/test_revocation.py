"""What is revoked is refused at every gateway, also where word of it was cut off; without word there are no calls.

How soon is printed by `make bench-revocation`; here is what has to be true whatever the time.
"""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from harness import revocations
from harness.chaos import Relay, relay
from harness.checks import check
from harness.members import Authority, Member
from harness.platform import Platform
from harness.replicas import replica
from harness.revocations import Way, admitted, ask, ways
from runtime import http
from runtime.http import Client, sync_client

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform"), pytest.mark.requirement("CLI2-03")]
SHORT_S = "3"
"""A gateway that waits for no more than that without its catalog; polls of the feed are held for two."""


@pytest.fixture(scope="module")
def between(platform: Platform) -> Iterator[Relay]:
    """On the way from the second gateway to the catalog."""
    with relay(urlsplit(platform.url("catalog-service")).port or 80) as one:
        yield one


@pytest.fixture(scope="module")
def second(platform: Platform, between: Relay) -> Iterator[str]:
    """Another gateway, whose word from the catalog can be cut off."""
    there = f"http://127.0.0.1:{between.port}"
    with replica(platform, "gateway", "gateway-2", catalog_url=there, max_staleness_s=SHORT_S) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def gateways(platform: Platform, second: str) -> list[str]:
    return [platform.gateway, second]


@pytest.fixture(scope="module")
def asker(authority: Authority) -> Member:
    return revocations.asker(authority, "to-be-revoked")


@pytest.fixture
def way(
    request: pytest.FixtureRequest, platform: Platform, authority: Authority, client: Client, asker: Member
) -> Iterator[Way]:
    """One way to take away what the asker may do; given back afterwards."""
    chosen = next(one for one in ways(platform, authority, client, asker) if one.name == request.param)
    yield chosen
    chosen.give_back()


def check_refused(gateways: list[str], token: str, code: str) -> None:
    """Every gateway comes to say this code, and stays with it."""
    status = 401 if code.startswith("token/") else 403
    for gateway in gateways:
        with sync_client(gateway) as client:
            revocations.wait_for(client, token, code)
            for _ in range(5):
                check(ask(client, token), status, code)


@pytest.mark.parametrize(
    "way",
    ["token", "client", "system", "department"],
    ids=["M-1 token", "M-1 client", "M-1 system", "T-44 department"],
    indirect=True,
)
def test_what_is_revoked_is_refused_at_every_gateway(gateways: list[str], asker: Member, way: Way) -> None:
    token = admitted(gateways, asker)
    way.take(token)
    check_refused(gateways, token, way.code)


@pytest.mark.parametrize("way", ["system"], ids=["M-2"], indirect=True)
def test_word_that_was_cut_off_silently_arrives_on_another_connection(
    second: str, between: Relay, asker: Member, way: Way
) -> None:
    token = admitted([second], asker)
    assert between.freeze()
    way.take(token)
    check_refused([second], token, way.code)


@pytest.mark.parametrize("way", ["system"], ids=["M-3"], indirect=True)
def test_without_its_catalog_a_gateway_refuses_in_the_end(
    gateways: list[str], between: Relay, asker: Member, way: Way
) -> None:
    """And what was revoked meanwhile counts when it hears of it again."""
    token = admitted(gateways, asker)
    first, second = gateways
    with sync_client(second) as client:
        between.silence()
        try:
            way.take(token)
            revocations.wait_for(client, token, "policy/stale")
            check(ask(client, token), 503, "policy/stale", "exchange")
        finally:
            between.mend()
        revocations.wait_for(client, token, way.code)
    check_refused([first], token, way.code)


@pytest.mark.parametrize("way", ["system"], ids=["M-4"], indirect=True)
def test_the_last_word_counts_however_fast_it_changes(gateways: list[str], asker: Member, way: Way) -> None:
    token = admitted(gateways, asker)
    for _ in range(5):
        way.take(token)
        way.give_back()
    for gateway in gateways:
        with sync_client(gateway) as client:
            revocations.wait_for(client, token, "")
    way.take(token)
    check_refused(gateways, token, way.code)


@pytest.mark.parametrize("way", ["token"], ids=["T-64"], indirect=True)
def test_once_refused_a_token_is_never_admitted_again(platform: Platform, asker: Member, way: Way) -> None:
    """A hundred use it while it is revoked: whoever asks after one of them heard no, hears no."""
    token = admitted([platform.gateway], asker)
    admitted_late = asyncio.run(_a_hundred(platform.gateway, token, way))
    assert admitted_late == []


async def _a_hundred(gateway: str, token: str, way: Way) -> list[int]:
    refused = asyncio.Event()
    late: list[int] = []

    async def one(client: http.AsyncClient, n: int) -> None:
        after = 0
        while after < 2:
            known = refused.is_set()
            answer = await client.get(f"/x/{revocations.INTERFACE}", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code in (200, *revocations.REFUSED), answer.text
            if answer.status_code == 200 and known:
                late.append(n)
            elif answer.status_code != 200:
                refused.set()
            after += known

    async with http.client(gateway, timeout_s=30) as client, asyncio.TaskGroup() as group:
        for n in range(100):
            group.create_task(one(client, n))
        await asyncio.to_thread(way.take, token)
    return late
