"""What a table is asked, as SQL: registered names, quoted; values bound, never part of the text; nothing else.

Pure. A statement reads one relation, only columns that are both registered and granted, in the registered order, and
one row more than may be answered, so that "too many" is noticed.
"""

import base64
import datetime
import ipaddress
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from exchange_service.contract.model import BadContract
from exchange_service.contract.validate import NotMatching, parse_query
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Filter, Interface, Table

PORTS: Final = {
    "postgresql": 5432, "mysql": 3306, "oracle": 1521, "dameng": 5236, "kingbase": 54321, "gaussdb": 8000,
}  # fmt: skip
"""Where a server of each engine listens if the address does not say."""
PAGING: Final = ("limit", "offset")
MOST_OFFSET: Final = 10**9
CHINA: Final = datetime.timezone(datetime.timedelta(hours=8))
"""Times without a zone are China's, in questions; times with one are told in it."""

Value = str | int | Decimal | bool | datetime.date | datetime.datetime
Mark = Callable[[int], str]
"""How a statement names its n-th bound value, counted from 1."""


@dataclass(frozen=True)
class Dialect:
    """What differs between engines.

    quote    around names          percent  a percent sign in the text has to be doubled, because marks begin with one
    fetch    pages as the standard says (OFFSET … FETCH NEXT), not with LIMIT
    """

    mark: Mark
    quote: Literal['"', "`"] = '"'
    percent: bool = False
    fetch: bool = False


@dataclass(frozen=True)
class Select:
    """One statement with its bound values. `fields` name the columns of its rows; `most` rows may be answered."""

    text: str
    values: tuple[Value, ...]
    fields: tuple[str, ...]
    most: int


@dataclass(frozen=True)
class Place:
    """Which database, as it is registered."""

    host: str
    port: int
    database: str


class Plan:
    """A registered table, ready to be asked."""

    def __init__(self, interface: Interface, table: Table, dialect: Dialect) -> None:
        """Raises BadContract."""
        self.place = place_of(interface.base_url, table)
        self._table = table
        self._dialect = dialect
        self._columns = {field.name: table.columns.get(field.name, field.name) for field in interface.fields}
        self._filters = {one.parameter: one for one in table.filters}
        self._relation = ".".join(map(self._quoted, table.relation.split(".")))
        self._order = [self._quoted(column) for column in table.order]
        for column in (*self._columns.values(), *(one.column for one in table.filters)):
            self._quoted(column)
        if not self._columns or any("." in name for name in self._columns):
            raise BadContract("fields: a table answers the columns that are registered, and they hold no dots")
        if len(self._filters) != len(table.filters) or not self._filters.keys().isdisjoint(PAGING):
            raise BadContract("adapter.filters: each parameter once, and none named limit or offset")
        if table.most_rows < 1:
            raise BadContract("adapter.most_rows: at least 1")

    def select(self, granted: Sequence[str], values: Mapping[str, str], query: str) -> Select:
        """The statement for one question; raises Refusal.

        granted  fields that may leave, ["*"] for all    values, query  as in `Question`
        """
        fields = [name for name in self._columns if name in granted or "*" in granted]
        if not fields:
            raise Refusal(codes.GRANT_NONE, "none of the table's columns is granted")
        given = _given(values, query)
        if missing := [name for name, one in self._filters.items() if one.required and name not in given]:
            raise mismatch(missing[0], "is needed")
        bound: list[Value] = []
        where = [self._condition(one, given.pop(name), bound) for name, one in self._filters.items() if name in given]
        limit, offset, most = self._page(given)
        if given:
            raise mismatch("", "a parameter that nobody registered")
        text = f"SELECT {', '.join(self._quoted(self._columns[name]) for name in fields)} FROM {self._relation}"  # noqa: S608  # names are registered and quoted, values bound
        if where:
            text += f" WHERE {' AND '.join(where)}"
        if self._order:
            text += f" ORDER BY {', '.join(self._order)}"
        return Select(text + self._limited(limit, offset), tuple(bound), tuple(fields), most)

    def kinds(self) -> list[tuple[str, str]]:
        """(column, kind) of all filters: what the columns have to be."""
        return [(one.column, one.kind) for one in self._table.filters]

    def shape(self) -> str:
        """A statement that reads nothing and shows the types of the filters' columns, in the order of `kinds`."""
        columns = ", ".join(self._quoted(one.column) for one in self._table.filters) or "1"
        return f"SELECT {columns} FROM {self._relation} WHERE 1 = 0"  # noqa: S608  # registered names, quoted

    def _condition(self, one: Filter, text: str, bound: list[Value]) -> str:
        value = read_value(one, text)
        column, mark = self._quoted(one.column), self._dialect.mark(len(bound) + 1)
        if one.op == "prefix":
            if not isinstance(value, str):
                raise mismatch(one.parameter, "a prefix is of a text")
            bound.append(re.sub("[!%_]", r"!\g<0>", value) + "%")
            return f"{column} LIKE {mark} ESCAPE '!'"
        bound.append(value)
        return f"{column} {({'eq': '=', 'ge': '>=', 'le': '<='})[one.op]} {mark}"

    def _page(self, given: dict[str, str]) -> tuple[int, int, int]:
        """Rows to fetch, rows to pass over, rows that may be answered."""
        most, paged = self._table.most_rows, not given.keys().isdisjoint(PAGING)
        limit = _whole("limit", given.pop("limit", str(most)), most)
        offset = _whole("offset", given.pop("offset", "0"), MOST_OFFSET)
        if offset and not self._order:
            raise mismatch("offset", "this table has no order: its pages would overlap")
        return (limit, offset, limit) if paged else (most + 1, 0, most)

    def _limited(self, limit: int, offset: int) -> str:
        if self._dialect.fetch:
            return f" OFFSET {offset} ROWS FETCH NEXT {limit} ROWS ONLY"
        return f" LIMIT {limit} OFFSET {offset}"

    def _quoted(self, name: str) -> str:
        """A registered name. Any character may stand in one but control characters; the quote is doubled."""
        if not name or len(name) > 128 or any(c < " " or c == "\x7f" for c in name) or not _is_text(name):
            raise BadContract(
                "adapter: the name of a relation or column is empty, too long or holds control characters"
            )
        quote = self._dialect.quote
        quoted = quote + name.replace(quote, quote * 2) + quote
        return quoted.replace("%", "%%") if self._dialect.percent else quoted


def place_of(base_url: str, table: Table) -> Place:
    """engine://host[:port]/database; raises BadContract."""
    try:
        parts = urlsplit(base_url)
        port = parts.port or PORTS[table.engine]
    except ValueError:
        raise BadContract("base_url: not a valid address") from None
    database = unquote(parts.path.removeprefix("/"))
    if (
        parts.scheme != table.engine
        or not parts.hostname
        or not database
        or "/" in database
        or not database.isprintable()
    ):
        raise BadContract(f"base_url: {table.engine}://host[:port]/database")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise BadContract("base_url: no user, no query, no fragment")
    return Place(parts.hostname, port, database)


# --- the question's values ------------------------------------------------------------------------------------------
_FORMS: Final[dict[str, re.Pattern[str]]] = {
    "integer": re.compile(r"-?[0-9]{1,18}", re.ASCII),
    "decimal": re.compile(r"-?[0-9]{1,38}(?:\.[0-9]{1,38})?", re.ASCII),
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII),
    "timestamp": re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?", re.ASCII
    ),
    "boolean": re.compile("true|false"),
}
_READERS: Final[dict[str, Callable[[str], Value]]] = {
    "integer": int,
    "decimal": Decimal,
    "date": datetime.date.fromisoformat,
    "timestamp": lambda text: _zoned(datetime.datetime.fromisoformat(text)),
    "boolean": lambda text: text == "true",
}


def read_value(one: Filter, text: str) -> Value:
    """A parameter as the kind that is registered; raises Refusal with its name, never its value."""
    if one.kind == "text":
        if "\x00" in text or not _is_text(text):
            raise mismatch(one.parameter, "not a text")
        return text
    if not _FORMS[one.kind].fullmatch(text):
        raise mismatch(one.parameter, f"not of the kind {one.kind}")
    try:
        return _READERS[one.kind](text)
    except (ValueError, OverflowError):
        raise mismatch(one.parameter, f"not of the kind {one.kind}") from None


def mismatch(parameter: str, reason: str) -> Refusal:
    return Refusal(codes.NOT_MATCHING_SCHEMA, reason, path=f"/{parameter}" if parameter else "")


def _zoned(time: datetime.datetime) -> datetime.datetime:
    return time.replace(tzinfo=CHINA) if time.tzinfo is None else time.astimezone(CHINA)


def _is_text(text: str) -> bool:
    """Whether it can be sent at all: a lone surrogate is no character."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _given(values: Mapping[str, str], query: str) -> dict[str, str]:
    """All parameters together, each once."""
    given = dict(values)
    try:
        for name, value in parse_query(query):
            if name in given:
                raise mismatch("", "a parameter is given twice")
            given[name] = value
    except NotMatching as bad:
        raise mismatch("", bad.reason) from None
    return given


def _whole(parameter: str, text: str, most: int) -> int:
    if not re.fullmatch("[0-9]{1,10}", text, re.ASCII) or not 0 <= int(text) <= most:
        raise mismatch(parameter, f"a number from 0 to {most}")
    return int(text)


# --- the answer's values --------------------------------------------------------------------------------------------
ENDLESS: Final = {datetime.datetime.max: "infinity", datetime.datetime.min: "-infinity"}  # noqa: DTZ901  # it has none
"""What asyncpg makes of PostgreSQL's infinite timestamps, with and without a zone."""
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def encode_row(fields: Sequence[str], row: Sequence[Any]) -> bytes:
    """One row as a JSON object: exact numbers, ISO 8601 times, null. Raises Refusal for what JSON cannot say.

    PostgreSQL's timestamps without end are told as "infinity" and "-infinity"; of dates its driver makes 9999-12-31 and
    0001-01-01, and these are told. A time that has no place in China's zone (9999-12-31T20:00Z) is told in its own.
    """
    try:
        return _encode({name: _told(value) for name, value in zip(fields, row, strict=True)})
    except (ValueError, TypeError, ArithmeticError):
        raise untellable() from None


def _told(value: Any) -> Any:
    """A driver's value as msgspec writes it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise untellable()
        return value
    if isinstance(value, datetime.datetime):
        return _moment(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return _duration(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, list | tuple):
        return [_told(part) for part in value]
    if isinstance(value, uuid.UUID | ipaddress.IPv4Address | ipaddress.IPv6Address):
        return str(value)
    raise untellable()


def _moment(value: datetime.datetime) -> str:
    if value.tzinfo is None:
        return ENDLESS.get(value) or value.isoformat()
    try:
        return value.astimezone(CHINA).isoformat()
    except OverflowError:
        return value.isoformat()


def _duration(value: datetime.timedelta) -> str:
    """[-]HH:MM:SS[.ffffff], as SQL writes a TIME."""
    microseconds = abs(value // datetime.timedelta(microseconds=1))
    seconds, rest = divmod(microseconds, 1_000_000)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}" + (f".{rest:06d}" if rest else "")
    return f"-{text}" if value < datetime.timedelta(0) else text


def untellable() -> Refusal:
    """A value that Python or JSON has not."""
    return Refusal(codes.PROVIDER_BROKEN_ANSWER, "a column holds what JSON cannot say")
