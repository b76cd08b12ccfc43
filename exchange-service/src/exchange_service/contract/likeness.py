"""What makes two questions the same: their likeness has one spelling, whatever the spelling of the question. Pure.

Where the interface says who is asked about, that person's number stands for the whole question: nothing that a provider
may pass over, a further parameter or member, makes another question of it. Elsewhere all of a question counts: names
and values as verdicts spell them (`verdict.spelled`), numbers by value, members and parameters in one order, and XML
and forms as the JSON that they say.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from exchange_service.contract.model import Contract
from exchange_service.contract.validate import parse_query, read_request
from exchange_service.contract.verdict import spelled
from wire.subjects import normal

NO_BODY: Final = ("GET", "HEAD")
_encode: Final = msgspec.json.Encoder().encode


def likeness(contract: Contract, method: str, path: str, values: Mapping[str, str], query: str, body: bytes) -> bytes:
    """One question in one spelling; it holds personal data, to be digested at once.

    path    the operation's template, `values` its variables    body  the operation's own, b"" for none
    Raises NotMatching, BadText for a question that no contract lets through.
    """
    parameters = dict(parse_query(query))
    tree = read_request(contract, body)[0] if body and contract.request_format != "binary" else None
    number = person(contract, method, values, parameters, tree)
    if number:
        return b"person " + number.encode(errors="surrogatepass")
    return b"question " + _encode([method, path, plain(values), plain(parameters), plain(tree)])


def person(
    contract: Contract, method: str, values: Mapping[str, str], parameters: Mapping[str, str], tree: object
) -> str:
    """The number of whom a question is about in one spelling, "" where it names nobody (see wire.subjects.place)."""
    name = contract.subject
    if not name:
        return ""
    if name in values:
        found: object = values[name]
    elif method not in NO_BODY and contract.subject_in_body:
        found = tree.get(name) if isinstance(tree, dict) else None
    else:
        found = parameters.get(name)
    return normal(str(found)) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def plain(value: Any) -> Any:
    """A value in one spelling: objects as sorted pairs without nulls, numbers and text as text."""
    if isinstance(value, Mapping):
        pairs = [[spelled(name), plain(member)] for name, member in value.items() if member is not None]
        return {"members": sorted(pairs, key=_encode)}
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, str):
        return spelled(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if value is None or isinstance(value, bool) else str(value)
