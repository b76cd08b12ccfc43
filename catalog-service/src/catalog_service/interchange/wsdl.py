"""Interfaces as they would be registered from a WSDL: each operation of one port is a POST with a JSON form. Pure.

The document is read by the library that the exchange speaks with (`soap.wsdl`), which fetches nothing; schemas and
field names come from the XSD. The document goes into the registration as it is.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import msgspec

from catalog_service.directory import contract
from catalog_service.directory.addresses import require_allowed
from catalog_service.directory.contract import Mistake
from catalog_service.interchange.openapi import Description, Found, Note
from catalog_service.interchange.openapi_schema import Converter, Document
from catalog_service.interchange.proposal import Proposal, Wanted, propose
from wire.catalog import Operation, Soap

if TYPE_CHECKING:
    from soap.wsdl import BadWsdl, Port
    from soap.wsdl import Operation as Described

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ADDRESS = re.compile(r"https?://[^\s?#]+")
_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


class PortName(NamedTuple):
    """Which port of the document; "" for the first that can be used."""

    service: str
    port: str


def proposals(content: bytes, name: PortName, wanted: Wanted) -> tuple[list[Proposal], list[Note]]:
    """The interfaces and what they leave out.

    Raises Refusal: REGISTRATION_FORBIDDEN for a document that loads something, INVALID_REQUEST with every mistake.
    """
    from soap import wsdl  # a third of a second that other starts need not wait for

    try:
        document = wsdl.read(content)
        port = document.port(*name)
    except wsdl.BadWsdl as bad:
        _refuse(bad)
    mistakes: list[Mistake] = []
    notes = [_note(f"ports/{one}", reason) for one, reason in document.unsupported.items()]
    notes += [_note(f"operations/{one}", reason) for one, reason in port.unsupported.items()]
    described = _description(document.name, port, notes)
    found = propose(described, wanted, mistakes, notes)
    contract.require(mistakes)
    targets = {one.path: one.where.partition("/")[2] for one in described.operations}
    adapter = Soap(wsdl=content.decode("utf-8-sig"), service=port.service, port=port.name)
    made = [_spoken(one, adapter, targets) for one in found]
    contract.require(mistake for one in made for mistake in one.mistakes())
    return made, notes


def _refuse(bad: "BadWsdl") -> NoReturn:
    if bad.rule:
        require_allowed(iter([("", str(bad), bad.rule)]))
    raise contract.invalid(("", str(bad)))


def _note(path: str, reason: str) -> Note:
    return Note(path=path[:300], zh=f"未登记：{reason[:300]}", en=f"left out: {reason[:300]}")


def _description(title: str, port: "Port", notes: list[Note]) -> Description:
    """The port in the words of an OpenAPI document, so that one way leads on from here."""
    from soap.schema import Schemas

    operations = list(port.operations.values())
    asked, answered = Schemas(closed=True), Schemas(closed=False)
    asks = [asked.body(one.request) for one in operations]
    answers = [answered.body(one.response) if one.response is not None else {} for one in operations]
    questions = Converter(Document({"$defs": asked.defs}), "request", invented=True)
    replies = Converter(Document({"$defs": answered.defs}), "response", invented=True)
    found = []
    for n, one in enumerate(operations):
        where = f"operations/{one.name}"
        if one.headers:
            notes.append(_header(where))
        found.append(
            Found(
                method="POST", path=_path(n, one, notes), where=where, tag=one.name, parameters=dict(_NO_PARAMETERS),
                takes="json", asks=questions.convert(asks[n], where), gives="none" if one.response is None else "json",
                answers=replies.convert(answers[n], where), subject="",
            )
        )  # fmt: skip
    server = port.address if _ADDRESS.fullmatch(port.address) else ""
    return Description(
        title=re.sub(r"[\s\x00-\x1f\x7f]+", " ", title).strip(), server=server, operations=found, asked=questions,
        answered=replies, notes=notes,
    )  # fmt: skip


def _header(where: str) -> Note:
    return Note(path=where, zh="SOAP 头不发送给提供方", en="the SOAP headers of the document are not sent")


def _path(n: int, operation: "Described", notes: list[Note]) -> str:
    """Its name, where that can stand in a path that everybody reads alike."""
    if _NAME.fullmatch(operation.name):
        return f"/{operation.name}"
    path = f"/operation-{n + 1}"
    notes.append(Note(path=f"operations/{operation.name}"[:300], zh=f"路径为 {path}", en=f"its path is {path}"))
    return path


def _spoken(proposal: Proposal, adapter: Soap, targets: Mapping[str, str]) -> Proposal:
    """The proposal with its provider spoken to in SOAP."""
    operations = [
        Operation(method=one.method, path=one.path, target=targets[one.path]) for one in proposal.interface.operations
    ]
    interface = msgspec.structs.replace(proposal.interface, adapter=adapter, operations=operations)
    return Proposal(interface, proposal.places)
