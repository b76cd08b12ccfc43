"""Databases whose drivers know DB-API 2.0 (PEP 249) only: each session has a thread of its own.

达梦 is untried: no such server was at hand. 人大金仓's driver was tried against PostgreSQL, not against its own server.
A thread that its server keeps waiting goes on until the driver's own limit; nobody waits for it.
"""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from exchange_service.credentials.model import Basic
from exchange_service.providers.table.model import Dialect, Plan, Select
from exchange_service.providers.table.postgresql import refusal_of as by_sqlstate
from exchange_service.providers.table.provider import PORTION, Lost, Portions, Session
from runtime.errors import Refusal
from wire import codes

T = TypeVar("T")
DAMENG_REFUSED = frozenset((-2501, -2502, -2503, -2505, -5504, -5503))
DAMENG_UNUSABLE = frozenset((-2007, -2106, -2111, -2103))


class DbApiSession:
    """One connection, used by its thread alone."""

    def __init__(
        self, thread: ThreadPoolExecutor, connection: Any, before: Callable[[float], list[str]], told: Any
    ) -> None:
        """before  statements ahead of the question, given what is left in seconds    told  makes refusals of errors"""
        self._thread = thread
        self._connection = connection
        self._before = before
        self._told = told

    async def rows(self, select: Select, timeout_s: float) -> Sequence[Sequence[Any]]:
        return await _in(self._thread, lambda: self._rows(select, timeout_s))

    def _rows(self, select: Select, timeout_s: float) -> Sequence[Sequence[Any]]:
        try:
            cursor = self._connection.cursor()
            try:
                for statement in self._before(timeout_s):
                    cursor.execute(statement)
                cursor.execute(select.text, select.values)
                found = Portions()
                while portion := cursor.fetchmany(PORTION):
                    found.add(portion)
            finally:
                cursor.close()
                self._connection.rollback()
        except Refusal:
            raise
        except Exception as error:
            raise self._told(error) from None
        return found.rows

    def close(self) -> None:
        def end() -> None:
            with suppress(Exception):
                self._connection.close()

        with suppress(RuntimeError):
            self._thread.submit(end)
        self._thread.shutdown(wait=False)


async def _session(
    open_it: Callable[[], Any], before: Callable[[float], list[str]], told: Callable[..., Exception]
) -> Session:
    thread = ThreadPoolExecutor(1, "table")
    try:
        connection = await _in(thread, open_it)
    except Exception as error:
        thread.shutdown(wait=False)
        raise told(error, connecting=True) from None
    except BaseException:
        thread.shutdown(wait=False)
        raise
    return DbApiSession(thread, connection, before, told)


async def _in(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, work)


class KingBase:
    """ksycopg2, in a mode that speaks PostgreSQL's SQL. The driver puts values into the text, quoted, by itself."""

    dialect = Dialect(mark=lambda _: "%s", percent=True)

    def __init__(self) -> None:
        """Raises ImportError."""
        self._module = importlib.import_module("ksycopg2")

    async def connect(self, address: str, plan: Plan, login: Basic, timeout_s: float) -> Session:
        place = plan.place

        def open_it() -> Any:
            return self._module.connect(
                host=address, port=place.port, dbname=place.database, user=login.user, password=login.password,
                connect_timeout=max(2, int(timeout_s)), sslmode="prefer", passfile="",
                options="-c default_transaction_read_only=on -c timezone=Asia/Shanghai",
            )  # fmt: skip

        def before(left_s: float) -> list[str]:
            return [f"SET LOCAL statement_timeout = {max(1, int(left_s * 1000))}"]

        return await _session(open_it, before, self._refusal_of)

    def _refusal_of(self, error: Exception, *, connecting: bool = False) -> Exception:
        state = getattr(error, "pgcode", None) or ""
        if connecting and not state:
            refused = "authentication" in str(error)
            return Refusal(codes.CREDENTIAL_REFUSED if refused else codes.PROVIDER_UNREACHABLE, type(error).__name__)
        if not state or state.startswith(("08", "57P")):
            return Lost()
        return by_sqlstate(state)


class DaMeng:
    """dmPython. The time limit of a statement is the connection's, set once: no statement may run longer than it."""

    dialect = Dialect(mark=lambda _: "?")
    LONGEST_S = 30

    def __init__(self) -> None:
        """Raises ImportError."""
        self._module = importlib.import_module("dmPython")

    async def connect(self, address: str, plan: Plan, login: Basic, timeout_s: float) -> Session:
        """The registered database is the schema that names without one belong to."""
        place = plan.place

        def open_it() -> Any:
            return self._module.connect(
                user=login.user, password=login.password, server=address, port=place.port, schema=place.database,
                login_timeout=max(1, int(timeout_s)), connection_timeout=self.LONGEST_S, autoCommit=False,
            )  # fmt: skip

        return await _session(open_it, lambda _: ["SET TRANSACTION READ ONLY"], self._refusal_of)

    def _refusal_of(self, error: Exception, *, connecting: bool = False) -> Exception:
        number = getattr(error.args[0], "code", 0) if error.args else 0
        if number in DAMENG_REFUSED:
            return Refusal(codes.CREDENTIAL_REFUSED, f"error {number}")
        if number in DAMENG_UNUSABLE:
            return Refusal(codes.INTERFACE_UNUSABLE, f"error {number}")
        if connecting:
            return Refusal(codes.PROVIDER_UNREACHABLE, f"error {number}")
        return Refusal(codes.PROVIDER_BROKEN_ANSWER, f"error {number}") if number else Lost()
