"""Three gateways as real processes on one platform: together they admit what one may, and to the last call."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import asyncpg
import pytest

from gateway.periods import periods_at
from harness.members import Authority, Member, Officer
from harness.platform import Platform
from harness.replicas import replica
from runtime.http import AsyncClient, client, sync_client
from wire import scopes

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
PATH = "sthjj-air-quality/v1"
FIELDS = ["aqi"]
NOWHERE = "postgresql://tongdao_gateway:x@127.0.0.1:1/nothing"


@pytest.fixture(scope="module")
def gateways(platform: Platform) -> Iterator[list[str]]:
    """Addresses of three gateways that know of each other."""
    with ExitStack() as running:
        more = [running.enter_context(replica(platform, "gateway", f"gateway-{n}")) for n in (2, 3)]
        yield [platform.gateway, *more]


def limited(authority: Authority, name: str, **limits: object) -> tuple[Member, str]:
    """A system with a grant of its own, and the grant's id."""
    system = authority.system(name, "jtj")
    return system, authority.grant(system.name, PATH, FIELDS, **limits)


def wait_for_grant(gateway: str, system: Member, grant: str) -> None:
    """Until a gateway knows the grant; nothing of it is used up."""
    deadline = time.monotonic() + 15
    with sync_client(gateway) as asking:
        headers = system.headers()
        while asking.get(f"/api/quotas?grant={grant}", headers=headers).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)


async def offered(gateways: Sequence[str], token: str, calls: int, at_once: int) -> list[tuple[float, float, int, str]]:
    """So many calls spread over the gateways: when each was sent and answered, its status, its code."""
    turn = asyncio.Semaphore(at_once)

    async def one(asking: AsyncClient) -> tuple[float, float, int, str]:
        async with turn:
            sent = time.monotonic()
            answer = await asking.get(f"/x/{PATH}", headers={"Authorization": f"Bearer {token}"})
        code = "" if answer.status_code == 200 else str(answer.json()["code"])
        return sent, time.monotonic(), answer.status_code, code

    clients = [client(address, timeout_s=30) for address in gateways]
    try:
        return await asyncio.gather(*(one(clients[n % len(clients)]) for n in range(calls)))
    finally:
        for each in clients:
            await each.aclose()


def told(platform: Platform, statement: str, *values: object) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(platform.database_url)
        await connection.execute(statement, *values)
        await connection.close()

    asyncio.run(run())


@pytest.mark.requirement("QUO-01", "QUO-08")
@pytest.mark.parametrize("_row", ["M-7 500 calls over three gateways"])
def test_three_gateways_admit_what_one_may(
    gateways: list[str], platform: Platform, authority: Authority, _row: str
) -> None:
    rate, burst = 100 / 60, 100
    system, grant = limited(authority, "m-seven", rate_per_s=rate, burst=burst)
    for gateway in gateways:
        wait_for_grant(gateway, system, grant)
    calls = asyncio.run(offered(gateways, system.token(), 500, 24))
    admitted = sorted(call for call in calls if call[2] == 200)
    assert {code for _, _, status, code in calls if status != 200} == {"rate/exceeded"}
    assert len(admitted) >= burst / 2
    for first, (since, *_) in enumerate(admitted):  # every window, wherever its edges are
        ends = sorted(answered for _, answered, *_ in admitted[first:])
        for n, until in enumerate(ends, 1):
            assert n <= burst + rate * (until - since) + len(gateways)


@pytest.mark.requirement("QUO-05", "QUO-08")
@pytest.mark.parametrize("_row", ["M-9 twenty at once at 999 of 1000"])
def test_the_last_call_of_the_day_is_made_once(
    gateways: list[str], platform: Platform, authority: Authority, _row: str
) -> None:
    system, grant = limited(authority, "m-nine", quota_day=1000)
    for gateway in gateways:
        wait_for_grant(gateway, system, grant)
    today = periods_at(time.time())["day"]
    told(platform, "INSERT INTO gateway.quota VALUES ($1, $2, 999, $3)", grant, today.name, today.until)
    calls = asyncio.run(offered(gateways, system.token(), 20, 20))
    assert sorted(code for *_, code in calls) == ["", *["quota/day"] * 19]


@pytest.mark.requirement("QUO-05", "QUO-07", "QUO-08")
def test_a_quota_is_used_to_the_last_call_and_shown(
    gateways: list[str], platform: Platform, authority: Authority
) -> None:
    system, grant = limited(authority, "used-up", quota_month=60)
    for gateway in gateways:
        wait_for_grant(gateway, system, grant)
    statuses = [call[2] for call in asyncio.run(offered(gateways, system.token(), 180, 12))]
    assert statuses.count(200) == 60
    provider: Officer = authority.officer("sthjj", scopes.OFFICER, "quota-watcher")
    for who in (system, provider):
        (item,) = who.ask("GET", f"/api/quotas?grant={grant}").json()["items"]
        assert [(one["period"], one["limit"], one["used"], one["left"]) for one in item["quotas"]] == [
            ("month", 60, 60, 0)
        ]


@pytest.mark.requirement("QUO-04", "QUO-08")
@pytest.mark.parametrize("_row", ["M-8 one replica without the lease table"])
def test_a_gateway_that_never_reached_the_table_admits_nothing(
    gateways: list[str], platform: Platform, authority: Authority, _row: str
) -> None:
    system, grant = limited(authority, "m-eight")
    with replica(platform, "gateway", "gateway-lost", database_url=NOWHERE) as lost:
        wait_for_grant(lost, system, grant)
        calls = asyncio.run(offered([lost], system.token(), 10, 10))
        assert {(status, code) for _, _, status, code in calls} == {(503, "quota/unknown")}
    wait_for_grant(gateways[0], system, grant)
    assert system.call("GET", PATH).status_code == 200


@pytest.mark.requirement("QUO-07")
def test_the_command_shows_what_is_used(platform: Platform) -> None:
    shown = platform.tongdao("quota", "--as", "sthjj-emission", "--json")
    assert (shown.returncode, "100000" in shown.stdout) == (0, True), shown.stderr
    table = platform.tongdao("quota", "--as", "sthjj-emission")
    grants = [item["grant"] for item in json.loads(shown.stdout)["items"]]
    assert all(grant in table.stdout for grant in grants), table.stdout
    refused = platform.tongdao("quota", "--as", "sthjj-emission", "--grant", "nobody-knows")
    assert (refused.returncode, "request/not-found" in refused.stderr) == (1, True)
