"""A WSDL 1.1 document from bytes: its services, ports and operations, with the XSD types of their bodies.

zeep reads it; what zeep gets was checked before, and its transport refuses every load, so nothing is ever fetched,
included, imported or expanded. Its types are taken over into plain facts (`soap.shape`), and zeep is let go.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

from lxml import etree
from zeep import Settings
from zeep.wsdl import Document
from zeep.wsdl.bindings import Soap11Binding, Soap12Binding

from soap import prescription, text
from soap.shape import Complex, reachable
from soap.shapes import NotSupported, Shapes

MOST_BYTES: Final = 512 * 1024
REMOTE_IMPORT: Final = "wsdl/remote-import"
DTD: Final = "wsdl/dtd"
Version = Literal["1.1", "1.2"]
ENVELOPE: Final[Mapping[Version, str]] = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}


class BadWsdl(ValueError):
    """The document cannot be used: says why, and names what was refused.

    rule  `wsdl/remote-import` or `wsdl/dtd` for what nobody may register, "" for what is only wrong
    """

    def __init__(self, message: str, rule: str = "") -> None:
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Message:
    """A body: its element's {namespace}name, "" for an empty body, and what is inside."""

    tag: str
    inside: Complex


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a binding. `response` is None where nothing is answered.

    headers  whether the WSDL has SOAP headers for it, which are not sent
    """

    name: str
    action: str
    style: Literal["document", "rpc"]
    request: Message
    response: Message | None
    headers: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """A port with a SOAP binding over HTTP. `unsupported`: operation -> why it cannot be used."""

    service: str
    name: str
    version: Version
    address: str
    operations: Mapping[str, Operation]
    unsupported: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wsdl:
    """What a document offers. `unsupported`: "service/port" -> why that port cannot be used."""

    name: str
    ports: tuple[Port, ...]
    unsupported: Mapping[str, str]

    def port(self, service: str = "", port: str = "") -> Port:
        """The port of these names, "" for any: the first that has an operation. Raises BadWsdl."""
        fitting = [one for one in self.ports if service in ("", one.service) and port in ("", one.name)]
        for one in fitting:
            if one.operations:
                return one
        where = "/".join(filter(None, (service, port))) or "the document"
        for one in fitting:
            for name, reason in one.unsupported.items():
                raise BadWsdl(f"{where} has no operation that can be used: {name}: {reason}")
        for name, reason in self.unsupported.items():
            raise BadWsdl(f"{where} has no SOAP port that can be used: {name}: {reason}")
        raise BadWsdl(f"{where} has no SOAP port")


class _NoTransport:
    """What zeep would load with."""

    def load(self, url: str) -> NoReturn:
        raise BadWsdl(f"nothing is loaded from elsewhere: {str(url)[:200]!a} is refused", REMOTE_IMPORT)


def read(content: bytes) -> Wsdl:
    """The document's ports. Raises BadWsdl; takes bounded time and memory whatever the bytes are.

    Source: WSDL 1.1; WS-I Basic Profile 1.1 (document/literal and rpc/literal only).
    """
    if len(content) > MOST_BYTES:
        raise BadWsdl(f"more than {MOST_BYTES} bytes")
    try:
        root = text.read(content)
        prescription.check(root)
    except text.Dtd as bad:
        raise BadWsdl(str(bad), DTD) from None
    except prescription.Loads as bad:
        raise BadWsdl(str(bad), REMOTE_IMPORT) from None
    except (text.BadXml, prescription.Refused) as bad:
        raise BadWsdl(str(bad)) from None
    encoded = prescription.encoded(root)
    facets = prescription.facets(root)
    try:
        transport: Any = _NoTransport()
        document = Document(io.BytesIO(etree.tostring(root, encoding="utf-8")), transport, settings=_settings())
        return _described(root, document, Shapes(facets), encoded)
    except BadWsdl:
        raise
    except NotSupported as bad:
        raise BadWsdl(str(bad)) from None
    except Exception as error:  # zeep raises whatever it stumbles over: AttributeError, AssertionError, KeyError …
        raise BadWsdl(f"cannot be understood: {type(error).__name__}: {str(error)[:200]!a}") from None


def _settings() -> Settings:
    return Settings(
        strict=True, xml_huge_tree=False, forbid_dtd=True, forbid_entities=True, forbid_external=True,
        force_https=False,
    )  # fmt: skip


def _described(root: Any, document: Any, shapes: Shapes, encoded: frozenset[tuple[str, str]]) -> Wsdl:
    ports: list[Port] = []
    unsupported = dict(_without_soap(root, document))
    for service in document.services.values():
        for port in service.ports.values():
            if isinstance(port.binding, Soap12Binding | Soap11Binding):
                ports.append(_port(service.name, port, shapes, encoded))
            else:
                unsupported[f"{service.name}/{port.name}"] = "not a SOAP binding"
    name = root.get("name", "") or next(iter(document.services), "")
    return Wsdl(name, tuple(ports), unsupported)


def _without_soap(root: Any, document: Any) -> Iterator[tuple[str, str]]:
    """Ports that zeep passes over: other transports, other protocols."""
    known = {(s.name, p.name) for s in document.services.values() for p in s.ports.values()}
    for service in root.findall("{*}service"):
        for port in service.findall("{*}port"):
            if (service.get("name"), port.get("name")) not in known:
                yield f"{service.get('name')}/{port.get('name')}", "not SOAP 1.1 or 1.2 over HTTP"


def _port(service: str, port: Any, shapes: Shapes, encoded: frozenset[tuple[str, str]]) -> Port:
    binding = port.binding
    operations: dict[str, Operation] = {}
    unsupported: dict[str, str] = {}
    for name, operation in binding.all().items():
        try:
            if (binding.name.localname, name) in encoded:
                raise NotSupported("use is `encoded`; only `literal` is spoken")
            operations[name] = _operation(operation, shapes)
        except NotSupported as reason:
            unsupported[name] = str(reason)
    version: Version = "1.2" if isinstance(binding, Soap12Binding) else "1.1"
    address = (port.binding_options or {}).get("address") or ""
    return Port(service, port.name, version, address, operations, unsupported)


def _operation(operation: Any, shapes: Shapes) -> Operation:
    if operation.input is None:
        raise NotSupported("has no input: notifications are not made")
    answered = operation.output is not None and operation.abstract.output_message is not None
    response = _message(operation, operation.output, shapes, "Response") if answered else None
    headers = operation.input.header is not None and bool(operation.input.header.type._element)
    request = _message(operation, operation.input, shapes, "")
    for inside in reachable(request.inside):
        if inside.lacking:
            raise NotSupported(f"type {inside.name}: the question has to hold an element that the XSD does not name")
    return Operation(operation.name, operation.soapaction or "", operation.style, request, response, headers)


def _message(operation: Any, message: Any, shapes: Shapes, behind: str) -> Message:
    """A body as facts. Of rpc the element is named after the operation (WS-I Basic Profile 1.1, R2729)."""
    body = message.body
    if body is None:
        return Message("", Complex(""))
    if operation.style == "rpc":
        namespace = etree.QName(body.qname).namespace
        tag = f"{{{namespace}}}{operation.name}{behind}" if namespace else operation.name + behind
        return Message(tag, shapes.inside(body))
    if message._is_body_wrapped:
        raise NotSupported("a body of several parts")
    if not any(
        part.element is not None and part.element.qname == body.qname for part in message.abstract.parts.values()
    ):
        raise NotSupported("a document part with a type instead of an element")
    return Message(body.qname.text, shapes.inside(body))
