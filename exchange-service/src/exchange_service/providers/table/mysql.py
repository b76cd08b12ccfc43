"""MySQL and MariaDB, with statements that the server prepares: values never stand in the text."""

import datetime
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncmy

from exchange_service.credentials.model import Basic
from exchange_service.providers.table.model import Dialect, Plan, Select, Value
from exchange_service.providers.table.provider import Lost, Session
from runtime.errors import Refusal
from wire import codes

_TEXTS = frozenset((15, 247, 248, 249, 250, 251, 252, 253, 254))
_NUMBERS = frozenset((0, 1, 2, 3, 4, 5, 8, 9, 13, 16, 246))
_TYPES = {
    "text": _TEXTS, "integer": _NUMBERS, "decimal": _NUMBERS, "boolean": _NUMBERS, "date": frozenset((7, 10, 12)),
    "timestamp": frozenset((7, 12)),
}  # fmt: skip
"""Column types of the protocol by the kind of a filter."""
REFUSED = frozenset((1044, 1045, 1142, 1143, 1227, 1698, 1820, 1862))
UNUSABLE = frozenset((1049, 1054, 1064, 1146, 1235, 1267, 1356))
OVERDUE = frozenset((1317, 1969, 3024))
UNFIT = frozenset((1264, 1292, 1366, 1525))
LOST = frozenset((1053, 1152, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2055, 4031))
FULL = frozenset((1040, 1129, 1130, 1203, 1226))


class MySql:
    """asyncmy."""

    dialect = Dialect(mark=lambda _: "?", quote="`")

    async def connect(self, address: str, plan: Plan, login: Basic, timeout_s: float) -> Session:
        try:
            connection = await asyncmy.connect(
                host=address, port=plan.place.port, user=login.user, password=login.password,
                database=plan.place.database, charset="utf8mb4", autocommit=True,
                connect_timeout=max(1, int(timeout_s)), init_command="SET SESSION time_zone = '+08:00'",
            )  # fmt: skip
        except asyncmy.errors.Error as error:
            raise refusal_of(error, connecting=True) from None
        session = MySqlSession(connection)
        try:
            await session.begin(plan)
        except BaseException:
            session.close()
            raise
        return session


class MySqlSession:
    """One connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._limit = ""

    async def begin(self, plan: Plan) -> None:
        """Read only from here on, and only if a filter's kind is that of its column.

        MySQL compares a number with a text by making numbers of both: 'abc' = 0 holds. So neither may meet the other.
        """
        try:
            await self._connection.query("SET SESSION TRANSACTION READ ONLY")
            version = str(self._connection.get_server_info())
            self._limit = "max_statement_time = {:.3f}" if "MariaDB" in version else "max_execution_time = {:.0f}"
            kinds = plan.kinds()
            described = (await self._run(plan.shape(), ())).description
        except Lost:
            raise Refusal(codes.PROVIDER_UNREACHABLE, "the database ended the connection") from None
        except asyncmy.errors.Error as error:
            raise refusal_of(error) from None
        for (column, kind), about in zip(kinds, described, strict=False):
            if about[1] not in _TYPES[kind]:
                raise Refusal(codes.INTERFACE_UNUSABLE, f"filter on {column}: the column is not of the kind {kind}")

    async def rows(self, select: Select, timeout_s: float) -> Sequence[Sequence[Any]]:
        left = max(timeout_s, 0.001)
        limit = self._limit.format(left if "statement" in self._limit else left * 1000)
        try:
            await self._connection.query(f"SET SESSION {limit}")
        except asyncmy.errors.Error as error:
            raise refusal_of(error) from None
        result = await self._run(select.text, tuple(map(_bound, select.values)))
        return result.rows or ()

    async def _run(self, text: str, values: tuple[Any, ...]) -> Any:
        try:
            statement = await self._connection.prepare(text)
            try:
                return await statement.execute(values)
            finally:
                with suppress(asyncmy.errors.Error):
                    await statement.close()
        except asyncmy.errors.Error as error:
            raise refusal_of(error) from None
        except (ConnectionError, RuntimeError, EOFError):  # a transport that has been closed
            raise Lost from None

    def close(self) -> None:
        with suppress(Exception):
            self._connection.close()


def _bound(value: Value) -> Value:
    """A time as the session's zone has it."""
    return value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value


def refusal_of(error: Exception, *, connecting: bool = False) -> Exception:
    """What an error number means for the consumer; the server's own words may hold values and are not repeated."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if number in REFUSED:
        return Refusal(codes.CREDENTIAL_REFUSED, f"error {number}")
    if number in UNUSABLE:
        return Refusal(codes.INTERFACE_UNUSABLE, f"error {number}")
    if number in OVERDUE:
        return Refusal(codes.PROVIDER_TIMEOUT, "the statement took too long")
    if number in UNFIT:
        return Refusal(codes.NOT_MATCHING_SCHEMA, f"error {number}", path="")
    if connecting or number in FULL:
        return Refusal(codes.PROVIDER_UNREACHABLE, f"error {number}")
    if number in LOST or not number:
        return Lost()
    return Refusal(codes.PROVIDER_BROKEN_ANSWER, f"error {number}")
