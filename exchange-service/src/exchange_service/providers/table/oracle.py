"""Oracle, by python-oracledb in thin mode. Untried: no such server was at hand.

A listener may send its client on to another address (SCAN, shared servers), which the driver follows without asking
us: providers register the address of an instance, and the network policy around the exchange has to hold the rest.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import oracledb

from exchange_service.credentials.model import Basic
from exchange_service.providers.table.model import Dialect, Plan, Select
from exchange_service.providers.table.provider import PORTION, Lost, Portions, Session
from runtime.errors import Refusal
from wire import codes

REFUSED = frozenset((1005, 1017, 1031, 1045, 28000, 28001))
UNUSABLE = frozenset((904, 942, 932, 12505, 12514, 1722, 1861))
LOST = frozenset((28, 1012, 2396, 3113, 3114, 3135))
OVERDUE = frozenset((1013, 3136))


class Oracle:
    """Names are as registered, upper case where the table was made without quotes."""

    dialect = Dialect(mark=lambda n: f":{n}", fetch=True)

    async def connect(self, address: str, plan: Plan, login: Basic, timeout_s: float) -> Session:
        place = plan.place
        try:
            connection = await oracledb.connect_async(
                user=login.user, password=login.password, host=address, port=place.port, service_name=place.database,
                tcp_connect_timeout=timeout_s, retry_count=0,
            )  # fmt: skip
        except oracledb.Error as error:
            raise refusal_of(error, connecting=True) from None
        return OracleSession(connection)


class OracleSession:
    """One connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, select: Select, timeout_s: float) -> Sequence[Sequence[Any]]:
        self._connection.call_timeout = max(1, int(timeout_s * 1000))
        try:
            with self._connection.cursor() as cursor:
                await cursor.execute("SET TRANSACTION READ ONLY")
                await cursor.execute(select.text, list(select.values), fetch_decimals=True, fetch_lobs=False)
                found = Portions()
                while portion := await cursor.fetchmany(PORTION):
                    found.add(portion)
            await self._connection.rollback()
        except oracledb.Error as error:
            raise refusal_of(error) from None
        return found.rows

    def close(self) -> None:
        with suppress(Exception):
            self._connection._impl._protocol._transport.abort()  # its own close waits for the server


def refusal_of(error: Any, *, connecting: bool = False) -> Exception:
    """What an ORA number means for the consumer; the server's own words may hold values and are not repeated."""
    number = int(getattr(error.args[0], "code", 0) or 0) if error.args else 0
    lost = (
        number in LOST or str(getattr(error.args[0], "full_code", "")).startswith("DPY-4011") if error.args else False
    )
    if number in REFUSED:
        return Refusal(codes.CREDENTIAL_REFUSED, f"ORA-{number:05d}")
    if number in UNUSABLE:
        return Refusal(codes.INTERFACE_UNUSABLE, f"ORA-{number:05d}")
    if connecting:
        return Refusal(codes.PROVIDER_UNREACHABLE, f"ORA-{number:05d}")
    if number in OVERDUE or "DPY-4024" in str(getattr(error.args[0], "full_code", "")):
        return Refusal(codes.PROVIDER_TIMEOUT, "the statement took too long")
    return Lost() if lost else Refusal(codes.PROVIDER_BROKEN_ANSWER, f"ORA-{number:05d}")
