"""Calls under way on the framed connection to an exchange that is killed, or told to end."""

import asyncio
import os
import signal
import time

import pytest

from harness.checks import CASE, VEHICLE, broken, check, ending
from harness.members import Member, wait_until_known
from harness.platform import Platform
from runtime import http

pytestmark = [
    pytest.mark.system,
    pytest.mark.xdist_group("platform"),
    pytest.mark.requirement("REL-13"),
    pytest.mark.requirement("FLT-01"),
]
UNDER_WAY, DELAY_MS = 10, 1500


def connections_made(platform: Platform) -> int:
    return (platform.home.logs / "gateway.log").read_text().count("frames.connected")


async def end_amid_calls(platform: Platform, headers: dict[str, str], how: signal.Signals) -> list[http.Response]:
    """What calls that are at their provider are told when the exchange gets this signal."""
    async with http.client(platform.gateway, timeout_s=20) as client:
        calls = [asyncio.create_task(client.get(f"/x/{VEHICLE}", headers=headers)) for _ in range(UNDER_WAY)]
        await asyncio.sleep(DELAY_MS / 2000)
        assert not any(call.done() for call in calls)
        old = platform.pids()["exchange-service"]
        os.kill(old, how)
        answers = await asyncio.gather(*calls)
        await asyncio.to_thread(platform.wait_for_restart, "exchange-service", old)
    return answers


def test_calls_under_way_when_the_exchange_is_killed_are_told_that_nobody_knows(
    platform: Platform, member: Member
) -> None:
    wait_until_known(member, "GET", VEHICLE, CASE)
    before = connections_made(platform)
    assert before
    with broken(platform, "gaj", delay_ms=DELAY_MS):
        answers = asyncio.run(end_amid_calls(platform, member.headers(**CASE), signal.SIGKILL))
    records = {answer.headers["tongdao-record"] for answer in answers}
    assert len(records) == UNDER_WAY
    for answer in answers:
        told = check(answer, 502, "exchange/unreachable", "exchange")
        assert "may have taken effect" in told["detail"]
        assert ending(platform, told["record"])["code"] == "exchange/unreachable"
    answered_again(platform, member, before)


def test_an_exchange_that_is_told_to_end_answers_the_calls_under_way(platform: Platform, member: Member) -> None:
    wait_until_known(member, "GET", VEHICLE, CASE)
    before = connections_made(platform)
    with broken(platform, "gaj", delay_ms=DELAY_MS):
        answers = asyncio.run(end_amid_calls(platform, member.headers(**CASE), signal.SIGTERM))
    assert [answer.status_code for answer in answers] == [200] * UNDER_WAY
    answered_again(platform, member, before)


def answered_again(platform: Platform, member: Member, before: int) -> None:
    """Calls go through, over a connection that was made anew."""
    wait_until_known(member, "GET", VEHICLE, CASE)
    assert member.call("GET", VEHICLE, CASE).status_code == 200
    deadline = time.monotonic() + 15
    while connections_made(platform) == before:  # until then they go over HTTP
        assert time.monotonic() < deadline
        time.sleep(0.1)
