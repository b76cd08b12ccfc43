"""What the database holds, for how long, and what its role may do."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from harness.postgres import Database
from identity.store import forget_assertions, use_assertion, used_assertion
from runtime.db import engine

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.requirement("IDN-05")
async def test_used_assertions_are_kept_until_they_have_expired(database: Database) -> None:
    store = engine(database.url_of("identity"))
    async with store.begin() as transaction:
        for number, minutes in enumerate((-1, 1)):
            assert await transaction.run_sync(use_assertion, bytes([number] * 32), NOON + timedelta(minutes=minutes))
        assert not await transaction.run_sync(use_assertion, bytes([1] * 32), NOON)
        await transaction.execute(forget_assertions(NOON))
        digests = (await transaction.execute(select(used_assertion.c.digest))).scalars().all()
    await store.dispose()
    assert bytes([0] * 32) not in digests
    assert bytes([1] * 32) in digests


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM identity.client",
        "UPDATE identity.used_assertion SET expires_at = now()",
        "UPDATE identity.outbox SET event = 'x'",
        "TRUNCATE identity.outbox",
        "CREATE TABLE identity.more (n int)",
    ],
)
async def test_the_role_has_no_right_that_it_does_not_need(database: Database, statement: str) -> None:
    store = engine(database.url_of("identity"))
    with pytest.raises(DBAPIError, match="permission denied"):
        async with store.begin() as transaction:
            await transaction.execute(text(statement))
    await store.dispose()
