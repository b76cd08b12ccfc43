"""What may leave of a provider's answer, whatever its format: kind, strict reading, contract, projection. Pure.

This is the one door for buffered answers; `releasing.py` runs it in a thread where the answer is large.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec

from exchange_service.contract.media import BadKind, Kind, kind_of
from exchange_service.contract.model import Contract, Projection
from exchange_service.contract.project import project
from exchange_service.contract.text import read
from exchange_service.contract.validate import check_response, check_tree
from exchange_service.contract.xml import json_form, project_xml, read_xml

JSON_TYPE: Final = "application/json"
XML_TYPE: Final = "application/xml"
_exact: Final = msgspec.json.Decoder(float_hook=Decimal).decode


class Released(msgspec.Struct, frozen=True):
    """What leaves. `tree` is what was read (None where nothing was), for drift; it holds what does not leave."""

    body: bytes
    fields: list[str]
    masked: list[str]
    content_type: str
    tree: object = None


NOTHING: Final = Released(b"", [], [], "")


def release(
    contract: Contract, projection: Projection, content: bytes, content_type: bytes, succeeded: bool
) -> Released:
    """The part of an answer that leaves, in the interface's own format.

    succeeded  2xx: held against the response schema; errors are projected but have no schema of their own
    Raises BadText, NotMatching: the provider breaks the contract. An error that is not in the interface's format
    leaves empty.
    """
    kind = kind_of_answer(contract, content, content_type, succeeded)
    if kind == "json":
        return _release_json(contract, projection, content, succeeded)
    if kind == "xml":
        return _release_xml(contract, projection, content, succeeded)
    return NOTHING


def kind_of_answer(contract: Contract, content: bytes, content_type: bytes, succeeded: bool) -> Kind | None:
    """JSON or XML; None where nothing can leave. Raises BadKind where the contract promised something else."""
    if not content:
        return None
    try:
        kind = kind_of(content_type)
    except BadKind:
        if succeeded:
            raise
        return None
    if kind == contract.format or (contract.request_format == "soap" and kind in ("json", "xml")):
        return kind
    if succeeded:
        raise BadKind(f"the answer is not {contract.format}, as its content type says")
    return None  # an error page is not among the granted fields


def _release_json(contract: Contract, projection: Projection, content: bytes, succeeded: bool) -> Released:
    text = read(content)  # also where all of it leaves: garbage is the provider's fault, not the consumer's find
    if succeeded:
        check_response(contract, text)
    projected = project(text, projection)
    return Released(projected.body, projected.fields, projected.masked, JSON_TYPE, text.tree)


def _release_xml(contract: Contract, projection: Projection, content: bytes, succeeded: bool) -> Released:
    document = read_xml(content)
    tree = json_form(document.root, contract.response.shape if contract.response else None)
    if succeeded and contract.response is not None:
        check_tree(contract.response, tree)
    projected = project_xml(document, projection)
    return Released(projected.body, projected.fields, projected.masked, XML_TYPE, tree)


def facts(contract: Contract, content: bytes, content_type: bytes, succeeded: bool) -> object:
    """The answer as a tree for `verdict.judge`, checked like `release`. None where there is no body.

    Numbers are int and Decimal; values of XML are text, empty elements null. Raises as `release`.
    """
    kind = kind_of_answer(contract, content, content_type, succeeded)
    if kind == "json":
        text = read(content)
        if succeeded:
            check_response(contract, text)
        return _exact(content)
    if kind == "xml":
        root = read_xml(content).root
        if succeeded and contract.response is not None:
            check_tree(contract.response, json_form(root, contract.response.shape))
        return without_empty(json_form(root))
    return None


def without_empty(value: Any) -> Any:
    """XML cannot tell nothing from an empty text: both are null here."""
    if isinstance(value, dict):
        return {name: without_empty(member) for name, member in value.items()}
    if isinstance(value, list):
        return [without_empty(element) for element in value]
    return value if value != "" else None
