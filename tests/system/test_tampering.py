"""Somebody with all rights on the database changes one byte: `tongdao audit fsck` names the place and exits with 1."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from harness.checks import CASE, VEHICLE
from harness.members import Member
from harness.platform import Platform

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform"), pytest.mark.anyio]
FLIP = "set_byte({column}, {at}, get_byte({column}, {at}) # 1)"


@asynccontextmanager
async def superuser(platform: Platform) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(platform.database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def fsck(platform: Platform) -> tuple[int, str]:
    done = await asyncio.to_thread(platform.tongdao, "audit", "fsck")
    return done.returncode, done.stdout + done.stderr


@pytest.mark.requirement("AUD-30")
async def test_one_byte_of_a_stored_leaf(platform: Platform, member: Member) -> None:
    record = member.call("GET", VEHICLE, CASE).headers["tongdao-record"]
    with platform.consumer("platform-operator") as auditor:
        receipt: Any = auditor.receipt(record)
    index = receipt["records"][0]["index"]
    change = f"UPDATE audit.leaf SET body = {FLIP.format(column='body', at=100)} WHERE leaf_index = $1"
    assert (await fsck(platform))[0] == 0
    async with superuser(platform) as connection:
        await connection.execute(change, index)
        code, said = await fsck(platform)
        await connection.execute(change, index)
    assert code == 1
    assert f"leaf {index}" in said
    assert (await fsck(platform))[0] == 0


@pytest.mark.requirement("AUD-30")
async def test_one_byte_of_a_batch_that_is_not_yet_sequenced(platform: Platform, member: Member) -> None:
    change = f"UPDATE audit.batch SET bytes = {FLIP.format(column='bytes', at=100)} WHERE id = $1"
    async with superuser(platform) as holder, superuser(platform) as connection:
        held = holder.transaction()
        await held.start()
        await holder.execute("SELECT FROM audit.log_head FOR UPDATE")  # the sequencer waits here
        answer = await asyncio.to_thread(member.call, "GET", VEHICLE, CASE)
        assert answer.status_code == 200  # ingest does not
        row = await connection.fetchrow(
            "SELECT id, gateway, epoch, first_sequence FROM audit.batch WHERE gateway = 'gateway-1' ORDER BY id LIMIT 1"
        )
        await connection.execute(change, row["id"])
        code, said = await fsck(platform)
        await connection.execute(change, row["id"])
        await held.rollback()
    assert code == 1
    assert f"batch {row['gateway']}/{row['epoch']}/{row['first_sequence']}" in said
    with platform.consumer("platform-operator") as auditor:
        auditor.receipt(answer.headers["tongdao-record"])
    assert (await fsck(platform))[0] == 0
