"""Whether an answer of a provider's system is what its interface registered: schema and fields. Pure.

The schema is the provider's word: it fetches nothing and a costly pattern gives up, as at the exchange.
"""

from collections.abc import Iterator
from typing import Any, NoReturn

import jsonschema_rs

from catalog_service.directory.model import Interface

MOST_BACKTRACKS = 10_000
MOST_MISFITS = 20


def misfits_of(interface: Interface, sample: Any) -> list[str]:
    """What is wrong with the sample, each with its place; values are never repeated."""
    return [*_schema(interface, sample), *_fields(interface, sample)][:MOST_MISFITS]


def _schema(interface: Interface, sample: Any) -> Iterator[str]:
    if interface.response is None:
        return
    try:
        validator = jsonschema_rs.validator_for(
            interface.response,
            retriever=_nothing,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=MOST_BACKTRACKS),
        )
    except (ValueError, TypeError, OverflowError) as error:
        yield f"the registered schema cannot be used: {str(error).partition(chr(10))[0][:200]}"
        return
    for broken in validator.iter_errors(sample):
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
