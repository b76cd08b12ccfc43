"""PostgreSQL, and what speaks exactly as it does."""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import asyncpg

from exchange_service.credentials.model import Basic
from exchange_service.providers.table.model import Dialect, Plan, Select
from exchange_service.providers.table.provider import PORTION, Lost, Portions, Session
from runtime.errors import Refusal
from wire import codes

SETTINGS = {
    "default_transaction_read_only": "on", "timezone": "Asia/Shanghai", "application_name": "tongdao",
    "idle_in_transaction_session_timeout": "60000",
}  # fmt: skip
OF_THE_VALUE = ("out of", "invalid UUID")
"""What the driver itself, before it sends, says of values; all else that it says is of their kind."""
OVERDUE, UNKNOWN_DATABASE, NO_PRIVILEGE = "57014", "3D000", "42501"
IN_WORDS = {
    "42P01": "there is no such table or view", "42703": "the table has no such column",
    NO_PRIVILEGE: "the user may not read the table", "28P01": "user or password are not accepted",
    UNKNOWN_DATABASE: "there is no such database",
}  # fmt: skip


@cache
def _unverified() -> ssl.SSLContext:
    """Against listeners on the wire alone: a registration has no place for a database's authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class PostgreSql:
    """asyncpg. `module` is it, or one made of it."""

    dialect = Dialect(mark=lambda n: f"${n}")

    def __init__(self, module: Any = asyncpg) -> None:
        self._module = module
        self._error = _error_of(module)

    async def connect(self, address: str, plan: Plan, login: Basic, timeout_s: float) -> Session:
        """With TLS where the server has it. Nothing is taken from the environment or from files in a home."""
        try:
            try:
                connection = await self._connect(address, plan, login, timeout_s, _unverified())
            except ConnectionError as error:
                if "rejected SSL" not in str(error):
                    raise
                connection = await self._connect(address, plan, login, timeout_s, False)
        except self._error as error:
            raise refusal_of(error.sqlstate) from None
        except (self._module.InterfaceError, ValueError) as error:
            raise Refusal(codes.PROVIDER_UNREACHABLE, f"no login: {type(error).__name__}") from None
        return PostgreSqlSession(self._module, connection)

    async def _connect(
        self, address: str, plan: Plan, login: Basic, timeout_s: float, tls: ssl.SSLContext | bool
    ) -> Any:
        return await self._module.connect(
            host=address, port=plan.place.port, user=login.user, password=login.password,
            database=plan.place.database, ssl=tls, timeout=timeout_s, statement_cache_size=0, server_settings=SETTINGS,
        )  # fmt: skip


def _error_of(module: Any) -> Any:
    """What all errors of a server are; the module made of asyncpg has another name for it."""
    return getattr(module, "PostgresError", None) or module.GaussDBError


class PostgreSqlSession:
    """One connection."""

    def __init__(self, module: Any, connection: Any) -> None:
        self._module = module
        self._error = _error_of(module)
        self._connection = connection

    async def rows(self, select: Select, timeout_s: float) -> Sequence[Sequence[Any]]:
        """The transaction is ended by the server where we are too slow to."""
        limit_ms = max(1, int(timeout_s * 1000))
        try:
            transaction = self._connection.transaction(readonly=True)
            await transaction.start()
            await self._connection.execute(f"SET LOCAL statement_timeout = {limit_ms}")
            cursor = await self._connection.cursor(select.text, *select.values)
            found = Portions()
            while portion := await cursor.fetch(PORTION):
                found.add([tuple(row) for row in portion])
            await transaction.rollback()
        except self._error as error:
            if error.sqlstate.startswith(("08", "57P")):
                raise Lost from None
            if type(error) is self._module.DataError and not any(words in str(error) for words in OF_THE_VALUE):
                raise Refusal(codes.INTERFACE_UNUSABLE, "a filter's kind is not that of its column") from None
            raise refusal_of(error.sqlstate) from None
        except (self._module.InterfaceError, self._module.InternalClientError, ConnectionError):
            raise Lost from None  # the second where the server's last word comes between two of ours
        return found.rows

    def close(self) -> None:
        with suppress(Exception):
            self._connection.terminate()


def refusal_of(state: str) -> Refusal:
    """What an SQLSTATE means for the consumer; the server's own words may hold values and are not repeated."""
    said = f"{IN_WORDS[state]} (SQLSTATE {state})" if state in IN_WORDS else f"SQLSTATE {state}"
    if state.startswith("28") or state == NO_PRIVILEGE:
        return Refusal(codes.CREDENTIAL_REFUSED, said)
    if state == OVERDUE:
        return Refusal(codes.PROVIDER_TIMEOUT, "the statement took too long")
    if state.startswith("42") or state == UNKNOWN_DATABASE:
        return Refusal(codes.INTERFACE_UNUSABLE, said)
    if state.startswith("22"):
        return Refusal(codes.NOT_MATCHING_SCHEMA, f"SQLSTATE {state}", path="")
    if state.startswith(("08", "53", "57P")):
        return Refusal(codes.PROVIDER_UNREACHABLE, f"SQLSTATE {state}")
    return Refusal(codes.PROVIDER_BROKEN_ANSWER, f"SQLSTATE {state}")
