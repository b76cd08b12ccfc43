"""What each kind of provider takes to be registered: its operations, names and address. Pure.

A table is asked by one operation, a file by its name, a SOAP service by an operation of its WSDL. Names that reach a
database are names and nothing else. Checks answer all mistakes at once, each as (path of the member, what is wrong).
"""

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from msgspec.structs import replace

from catalog_service.directory.model import Interface
from catalog_service.directory.templates import mistakes_in_template, variables_of
from wire import subjects
from wire.catalog import Files, Filter, Operation, Rest, Soap, Table

Mistake = tuple[str, str]
PAGING = ("limit", "offset")
"""Parameters that every table takes besides its filters."""
LONGEST_VALUE = 200
MOST_ROWS = 10_000

_NAME = re.compile(r"[^\W\d][\w$#]{0,62}")
"""A column, a schema or a relation; it is quoted where it is used, so that a reserved word is none."""
_RELATION = re.compile(rf"(?:{_NAME.pattern}\.){{0,2}}{_NAME.pattern}")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_DATABASE = re.compile(r"/[A-Za-z0-9_][A-Za-z0-9_.$-]{0,62}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{0,40}")
_NUMBER = {"type": "string", "pattern": "^[0-9]{1,9}$"}
_TIMESTAMP = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?$"
_OF_KIND: dict[str, dict[str, object]] = {
    "text": {"minLength": 1, "maxLength": LONGEST_VALUE},
    "integer": {"pattern": "^-?[0-9]{1,18}$"},
    "decimal": {"pattern": "^-?[0-9]{1,30}(?:\\.[0-9]{1,30})?$"},
    "date": {"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    "timestamp": {"pattern": _TIMESTAMP},
    "boolean": {"enum": ["true", "false"]},
}


def mistakes_in_adapter(interface: Interface) -> Iterator[Mistake]:
    """What is wrong with how the provider is to be spoken to, besides addresses and the WSDL's own text."""
    if interface.format == "binary" and interface.mode != "query":
        yield "mode", "bytes that pass through are neither verified nor compared"
    match interface.adapter:
        case Rest():
            yield from _rest(interface, interface.adapter)
        case Soap():
            yield from _soap(interface)
        case Table():
            yield from _table(interface, interface.adapter)
        case Files():
            yield from _files(interface, interface.adapter)


def completed(interface: Interface) -> Interface:
    """The interface with the parameters that follow from a table's filters, where none are given."""
    if isinstance(interface.adapter, Table) and interface.parameters is None:
        return replace(interface, parameters=parameters_of(interface.adapter))
    return interface


def parameters_of(table: Table) -> dict[str, object]:
    """JSON Schema of a table's question: its filters, `limit` and `offset`, all of them text, and nothing else."""
    asked: dict[str, object] = {one.parameter: {"type": "string", **_OF_KIND[one.kind]} for one in table.filters}
    return {
        "type": "object",
        "properties": {**asked, **dict.fromkeys(PAGING, _NUMBER)},
        "required": [one.parameter for one in table.filters if one.required],
        "additionalProperties": False,
    }


def needs_networks(interface: Interface) -> bool:
    """Whether its provider is reached over a network: a folder of the exchange is not."""
    return not interface.base_url.startswith("file:")


# --- HTTP -----------------------------------------------------------------------------------------------------------
def _rest(interface: Interface, adapter: Rest) -> Iterator[Mistake]:
    for n, operation in enumerate(interface.operations):
        wrong = list(mistakes_in_template(operation.target, f"operations/{n}/target"))
        yield from wrong
        if not wrong and set(variables_of(operation.path)) != set(variables_of(operation.target)):
            yield f"operations/{n}/target", "has other variables than the path"
    if adapter.request_format == "binary" and interface.request is not None:
        yield "request", "bytes that pass through are not checked"


def _soap(interface: Interface) -> Iterator[Mistake]:
    if interface.format != "json":
        yield "format", "answers of SOAP services are registered as json; whoever asks with SOAP is answered with it"
    for n, operation in enumerate(interface.operations):
        if operation.method != "POST":
            yield f"operations/{n}/method", "SOAP is asked with POST"
        if variables_of(operation.path):
            yield f"operations/{n}/path", "no variables: what is asked stands in the body"


# --- tables ---------------------------------------------------------------------------------------------------------
def _table(interface: Interface, table: Table) -> Iterator[Mistake]:
    if interface.format != "json":
        yield "format", "a table answers json"
    if interface.request is not None:
        yield "request", "a table is asked with parameters"
    if interface.operations != [Operation(method="GET", path="", target="")]:
        yield "operations", 'a table has one operation: GET, path "" and target ""'
    if not _DATABASE.fullmatch(_parts(interface.base_url).path):
        yield "base_url", f"{table.engine}://host[:port]/database"
    if not _RELATION.fullmatch(table.relation):
        yield "adapter/relation", "[schema.]name, of letters, digits and _"
    if not 1 <= table.most_rows <= MOST_ROWS:
        yield "adapter/most_rows", f"from 1 to {MOST_ROWS}"
    yield from _columns(interface, table)
    yield from _filters(interface, table)


def _columns(interface: Interface, table: Table) -> Iterator[Mistake]:
    """Every field is a column, and every name is one."""
    names = {field.name for field in interface.fields}
    if not names:
        yield "fields", "at least one column that may be asked for"
    for n, field in enumerate(interface.fields):
        if not _NAME.fullmatch(table.columns.get(field.name, field.name)):
            yield f"fields/{n}/name", "is no column; say in adapter/columns which one it is"
        elif "." in field.name:
            yield f"fields/{n}/name", "rows are flat: no dots"
    for name, column in table.columns.items():
        if name not in names:
            yield f"adapter/columns/{name[:80]}", "is no field"
        elif not _NAME.fullmatch(column):
            yield f"adapter/columns/{name[:80]}", "no name of a column"
    for n, column in enumerate(table.order):
        if not _NAME.fullmatch(column):
            yield f"adapter/order/{n}", "no name of a column"


def _filters(interface: Interface, table: Table) -> Iterator[Mistake]:
    for n, one in enumerate(table.filters):
        yield from _filter(f"adapter/filters/{n}", one)
    for name, count in Counter(one.parameter for one in table.filters).items():
        if count > 1:
            yield "adapter/filters", f"{name} is there more than once"
    if interface.parameters is None:
        return
    asked = subjects.members(interface.parameters)
    known = {one.parameter for one in table.filters}
    if missing := sorted(known - asked):
        yield "parameters", f"does not name {', '.join(missing)[:200]}"
    if strange := sorted(asked - known - {*PAGING}):
        yield "parameters", f"{', '.join(strange)[:200]}: no filter of the table"


def _filter(where: str, one: Filter) -> Iterator[Mistake]:
    if not _PARAMETER.fullmatch(one.parameter) or one.parameter in PAGING:
        yield f"{where}/parameter", f"letters, digits and _; {' and '.join(PAGING)} are taken"
    if not _NAME.fullmatch(one.column):
        yield f"{where}/column", "no name of a column"
    if one.op == "prefix" and one.kind != "text":
        yield f"{where}/op", "only text has a beginning"
    if one.op in ("ge", "le") and one.kind == "boolean":
        yield f"{where}/op", "true is neither more nor less than false"


# --- files ----------------------------------------------------------------------------------------------------------
def _files(interface: Interface, files: Files) -> Iterator[Mistake]:
    if interface.format != "binary":
        yield "format", "files are binary"
    if interface.request is not None:
        yield "request", "a file is asked for by its name"
    for n, operation in enumerate(interface.operations):
        if operation.method not in ("GET", "HEAD"):
            yield f"operations/{n}/method", "GET or HEAD"
        if not re.fullmatch(r"/\{[^/{}]+\}", operation.path):
            yield f"operations/{n}/path", "/{name}: one file of the folder"
        elif operation.target not in ("", operation.path):
            yield f"operations/{n}/target", "empty, or the same as the path"
    yield from _place(interface.base_url, files)


def _place(base_url: str, files: Files) -> Iterator[Mistake]:
    scheme, authority, path, *_ = _parts(base_url)
    if scheme == "file" and path.strip("/") == "":
        yield "base_url", "file:///folder, not the root"
    if scheme == "s3" and not _BUCKET.fullmatch(authority):
        yield "base_url", "s3://bucket/prefix"
    if (scheme == "s3") != bool(files.endpoint):
        yield "adapter/endpoint", "the address of the S3 service; for nothing else"
    if not _REGION.fullmatch(files.region) or (files.region and scheme != "s3"):
        yield "adapter/region", "of an S3 service: small letters, digits and hyphens"


def _parts(url: str) -> SplitResult:
    """Of an address; of what is none, which the rules for addresses tell, nothing."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
