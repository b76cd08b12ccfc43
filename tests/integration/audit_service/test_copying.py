"""Rows that we write as binary COPY ourselves are, byte for byte, what PostgreSQL writes."""

from datetime import UTC, datetime
from io import BytesIO
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_service import copying
from harness.audit_log import Log

pytestmark = pytest.mark.anyio


def whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # bounds of st
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.tuples(whole(16), whole(32), whole(64), texts, st.binary(), st.uuids(), moments))
async def test_values_are_written_as_postgresql_writes_them(
    log: Log, values: tuple[int, int, int, str, bytes, UUID, datetime]
) -> None:
    two, four, eight, text, binary, uuid, moment = values
    query = "SELECT $1::int2, $2::int4, $3::int8, $4::text, $5::bytea, $6::uuid, $7::timestamptz, NULL"
    stated = BytesIO()
    async with log.database.reader.acquire() as connection:
        await connection.copy_from_query(query, *values, output=stated, format="binary")
    row = (
        copying.row_of(8), copying.smallint(two), copying.integer(four), copying.bigint(eight), copying.text(text),
        copying.binary(binary), copying.uuid(str(uuid)), copying.timestamp(moment), copying.NULL,
    )  # fmt: skip
    assert b"".join((copying.HEAD, *row, copying.END)) == stated.getvalue()


@pytest.mark.parametrize("damaged", ["", "0193", "01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e00"])
async def test_what_is_no_uuid_shifts_nothing(log: Log, damaged: str) -> None:
    row = copying.row_of(1) + copying.uuid(damaged)
    connection = await log.database.sequencer()
    with pytest.raises((asyncpg.InvalidBinaryRepresentationError, asyncpg.ProtocolViolationError)):
        await copying.copy(connection, "open_call", ["call_id"], [row])
    await connection.close()
