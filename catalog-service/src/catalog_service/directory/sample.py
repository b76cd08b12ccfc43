"""Whether an answer of a provider's system, or an example of one, is what its interface registered. Pure.

The schema is the provider's word: it fetches nothing and a costly pattern gives up, as at the exchange.
"""

from collections.abc import Iterator
from typing import Any, NoReturn

import jsonschema_rs
import msgspec

from catalog_service.directory.model import Interface
from catalog_service.directory.templates import variables_of
from wire import subjects

MOST_BACKTRACKS = 10_000
MOST_MISFITS = 20


def misfits_of(interface: Interface, sample: Any) -> list[str]:
    """What is wrong with the sample, each with its place; values are never repeated."""
    return [*_schema(interface, sample), *_fields(interface, sample)][:MOST_MISFITS]


def mistakes_in_examples(interface: Interface) -> Iterator[tuple[str, str]]:
    """Examples for the sandbox ask and answer as the interface says, each mistake as (path of the member, what)."""
    asked = {name for operation in interface.operations for name in variables_of(operation.path)}
    asked |= subjects.members(interface.parameters)
    for n, example in enumerate(interface.examples):
        where = f"examples/{n}"
        if subjects.holds_a_number(msgspec.json.encode(example).decode()):
            yield where, "holds an identity number: examples are shown to everybody"
        if strange := sorted(example.values.keys() - asked):
            yield f"{where}/values", f"{strange[0][:80]} is no path variable and no parameter"
        elif example.values:
            yield from _fits(interface.parameters, example.values, f"{where}/values")
        if example.request is not None:
            yield from _fits(interface.request, example.request, f"{where}/request")
        if example.response is not None and 200 <= example.status < 300 and interface.format != "binary":
            yield from _fits(interface.response, example.response, f"{where}/response")


def _fits(schema: dict[str, Any] | None, value: Any, where: str) -> Iterator[tuple[str, str]]:
    """The first way in which the value breaks the schema."""
    broken = next(_breaks(schema, value), "")
    if broken:
        yield where, broken


def _schema(interface: Interface, sample: Any) -> Iterator[str]:
    return _breaks(interface.response, sample)


def _breaks(schema: dict[str, Any] | None, value: Any) -> Iterator[str]:
    if schema is None:
        return
    try:
        validator = jsonschema_rs.validator_for(
            schema,
            retriever=_nothing,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=MOST_BACKTRACKS),
        )
    except (ValueError, TypeError, OverflowError) as error:
        yield f"the registered schema cannot be used: {str(error).partition(chr(10))[0][:200]}"
        return
    for broken in validator.iter_errors(value):
        yield f"/{'/'.join(map(str, broken.instance_path))} breaks {'/'.join(map(str, broken.schema_path))}"


def _nothing(uri: str) -> NoReturn:
    raise ValueError(f"schemas are not fetched: {uri}")


def _fields(interface: Interface, sample: Any) -> Iterator[str]:
    """Each registered field is in the answer somewhere; one that never comes could be granted to nobody's use."""
    for field in interface.fields:
        if interface.format == "json" and not _is_there(sample, field.name.split(".")):
            yield f"field {field.name} is not in the sample"


def _is_there(value: Any, names: list[str]) -> bool:
    if not names:
        return True
    if isinstance(value, list):
        return any(_is_there(one, names) for one in value)
    return isinstance(value, dict) and names[0] in value and _is_there(value[names[0]], names[1:])
