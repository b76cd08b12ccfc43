"""Providers that are a table or view (库表): one question is one read-only statement, its answer an array of objects.

Engines differ in their drivers alone (`Driver`, `Session`); which one an interface has, its address says.
"""

import asyncio
import ipaddress
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import structlog

from exchange_service.contract.model import BadContract
from exchange_service.credentials.model import Basic, Credential
from exchange_service.providers.provider import Answer, Made, Question
from exchange_service.providers.table.model import Dialect, Plan, Select, encode_row, untellable
from relay.egress import Egress, EgressDenied
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Engine, Interface, Table

log = structlog.get_logger()
OF_DRIVERS = (ValueError, TypeError, AttributeError, AssertionError, ArithmeticError, LookupError, struct.error)
"""What drivers raise when a server says what they did not expect."""
MOST_SESSIONS = 8
CONNECT_S, IDLE_S = 3.0, 30.0
MOST_BYTES = 10 * 1024 * 1024
PORTION = 50
"""Rows that are asked for at once, where the engine sends them in portions."""


class Lost(Exception):
    """The connection ended before all rows were here. Whether the statement had reached the server, nobody knows."""


class Portions:
    """The rows of one answer as they arrive, no more bytes than may be answered."""

    def __init__(self) -> None:
        self.rows: list[Sequence[Any]] = []
        self._bytes = 0

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Raises Refusal(TOO_MANY_ROWS) once the texts and bytes in them are more than MOST_BYTES."""
        for row in rows:
            self.rows.append(row)
            self._bytes += sum(len(value) for value in row if isinstance(value, str | bytes | bytearray))
            if self._bytes > MOST_BYTES:
                raise Refusal(codes.TOO_MANY_ROWS, f"more than {MOST_BYTES} bytes", limit=len(self.rows) - 1)


class Session(Protocol):
    """One login at a database."""

    async def rows(self, select: Select, timeout_s: float) -> Sequence[Sequence[Any]]:
        """At most what the statement is limited to, in a read-only transaction; raises Refusal, Lost.

        Engines that can send rows in portions are left as soon as there are too many bytes. Whatever else the driver
        raises over a value that Python has not (a date after 9999, 24:00) means that the answer cannot be told.
        """

    def close(self) -> None:
        """At once, without a word that could hang."""


class Driver(Protocol):
    """One engine."""

    dialect: Dialect

    async def connect(self, address: str, plan: Plan, login: Basic, timeout_s: float) -> Session:
        """A session at a checked address; raises Refusal, OSError."""


class TableProvider:
    """One interface's table."""

    def __init__(self, interface: Interface, egress: Egress, credential: Callable[[], Credential | None]) -> None:
        """Raises BadContract."""
        if not isinstance(interface.adapter, Table) or any(one.method != "GET" for one in interface.operations):
            raise BadContract("operations: a table is asked with GET alone")
        self._driver = driver_of(interface.adapter.engine)
        self._plan = Plan(interface, interface.adapter, self._driver.dialect)
        self._networks = [ipaddress.ip_network(network) for network in interface.networks]
        self._egress = egress
        self._credential = credential
        self._turns = asyncio.Semaphore(min(interface.max_in_flight, MOST_SESSIONS))
        self._idle: list[tuple[Session, Basic]] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(self, question: Question, timeout_s: float) -> Answer:
        """All rows as a JSON array; raises Refusal."""
        select = self._plan.select(question.fields, question.values, question.query)
        return Made(200, await asyncio.ensure_future(self._content(select, timeout_s)))

    async def probe(self, timeout_s: float) -> None:
        """A login of its own, and its end; raises Refusal."""
        session = await asyncio.ensure_future(self._new(self._login(), timeout_s))
        session.close()

    def close(self) -> None:
        """End the sessions that nobody uses; those in use end with their calls."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweep()

    # --- one question
    async def _content(self, select: Select, timeout_s: float) -> bytes:
        until = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.timeout(timeout_s), self._turns:
                return _written(select, await self._rows(select, until))
        except TimeoutError:
            raise Refusal(codes.PROVIDER_TIMEOUT, "the database did not answer in time") from None

    async def _rows(self, select: Select, until: float) -> Sequence[Sequence[Any]]:
        """Over a kept session, or a new one where that had ended: reading twice does no harm."""
        loop = asyncio.get_running_loop()
        login = self._login()
        may_have_left = False
        while kept := self._kept(login):
            try:
                return await self._through(kept, login, select, until - loop.time())
            except Lost:
                may_have_left = True
        try:
            session = await self._renewed(login, until)
        except Refusal as refused:
            raise (cut() if may_have_left and refused.code is codes.PROVIDER_UNREACHABLE else refused) from None
        try:
            return await self._through(session, login, select, until - loop.time())
        except Lost:
            raise cut() from None

    async def _through(self, session: Session, login: Basic, select: Select, left_s: float) -> Sequence[Sequence[Any]]:
        try:
            rows = await session.rows(select, left_s)
        except (Refusal, *OF_DRIVERS) as error:
            session.close()
            raise _of_rows(error) from None
        except BaseException:
            session.close()
            raise
        self._keep(session, login)
        return rows

    # --- sessions
    def _login(self) -> Basic:
        credential = self._credential()
        if credential is None:
            raise Refusal(codes.CREDENTIAL_MISSING, "a database has to be logged in to")
        if not isinstance(credential, Basic):
            raise Refusal(codes.CREDENTIAL_REFUSED, "a database takes a user and a password")
        return credential

    async def _renewed(self, login: Basic, until: float) -> Session:
        """A new session; where the login is refused and there is a newer one, with that."""
        loop = asyncio.get_running_loop()
        try:
            return await self._new(login, until - loop.time())
        except Refusal as refused:
            newer = self._login()
            if refused.code is not codes.CREDENTIAL_REFUSED or newer == login:
                raise
        return await self._new(newer, until - loop.time())

    async def _new(self, login: Basic, left_s: float) -> Session:
        """A session at the first checked address that answers; raises Refusal."""
        place, limit_s = self._plan.place, min(CONNECT_S, left_s)
        try:
            async with asyncio.timeout(limit_s):
                addresses = await self._egress.resolve(place.host, place.port, self._networks)
                for address in addresses[:-1]:
                    try:
                        return await self._driver.connect(address, self._plan, login, limit_s)
                    except OSError:
                        continue
                return await self._driver.connect(addresses[-1], self._plan, login, limit_s)
        except EgressDenied as denied:
            raise Refusal(codes.PROVIDER_FORBIDDEN_ADDRESS, str(denied)) from None
        except (OSError, *OF_DRIVERS) as error:  # TimeoutError among them, and a server that speaks something else
            raise Refusal(codes.PROVIDER_UNREACHABLE, f"no connection: {type(error).__name__}") from None

    def _kept(self, login: Basic) -> Session | None:
        """The session used last, if it was made with the present login."""
        while self._idle:
            session, made_with = self._idle.pop()
            if made_with == login:
                return session
            session.close()
        return None

    def _keep(self, session: Session, login: Basic) -> None:
        if self._closed:
            session.close()
            return
        self._idle.append((session, login))
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweeper = asyncio.get_running_loop().call_later(IDLE_S, self._sweep)

    def _sweep(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()


def cut() -> Refusal:
    """The statement may have left, and no answer came."""
    return Refusal(codes.PROVIDER_CUT, "the database ended the connection")


def _of_rows(error: Exception) -> Refusal:
    """What went wrong after the statement had left: nobody may be told that it never did."""
    if not isinstance(error, Refusal):  # a driver's, over a value that Python has not
        log.warning("table.value_untellable", error=type(error).__name__)
        return untellable()
    return Refusal(codes.PROVIDER_CUT, error.detail) if error.code is codes.PROVIDER_UNREACHABLE else error


def _written(select: Select, rows: Sequence[Sequence[Any]]) -> bytes:
    if len(rows) > select.most:
        raise Refusal(codes.TOO_MANY_ROWS, f"more than {select.most} rows", limit=select.most)
    size, written = 0, []
    for row in rows:
        written.append(encode_row(select.fields, row))
        size += len(written[-1])
        if size > MOST_BYTES:
            raise Refusal(codes.TOO_MANY_ROWS, f"more than {MOST_BYTES} bytes", limit=len(written) - 1)
    return b"[" + b",".join(written) + b"]"


def driver_of(engine: Engine) -> Driver:
    """The driver, imported when the first interface needs it. Raises BadContract where its package is not installed."""
    try:
        match engine:
            case "postgresql":
                from exchange_service.providers.table.postgresql import PostgreSql

                return PostgreSql()
            case "mysql":
                from exchange_service.providers.table.mysql import MySql

                return MySql()
            case "oracle":
                from exchange_service.providers.table.oracle import Oracle

                return Oracle()
            case "gaussdb":
                from exchange_service.providers.table.gaussdb import GaussDb

                return GaussDb()
            case "dameng":
                from exchange_service.providers.table.dbapi import DaMeng

                return DaMeng()
            case "kingbase":
                from exchange_service.providers.table.dbapi import KingBase

                return KingBase()
    except ImportError:
        raise BadContract(
            f"adapter.engine: install the package for it: pip install 'tongdao-exchange-service[{engine}]'"
        ) from None
