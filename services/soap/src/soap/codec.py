"""Envelopes: JSON into one, one into JSON, faults told apart from answers. Pure.

consumer ──JSON──────▶ question ──▶ provider ──▶ answer ──JSON──▶ consumer
         ──envelope──▶ asked ▲                       └──▶ told ──envelope──▶
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from lxml import etree

from soap import reader
from soap.text import BadXml, local, read
from soap.writer import At, NotWritable, fill, parsed
from soap.wsdl import ENVELOPE, Message, Operation, Version

__all__ = ["BadXml", "Fault", "Heard", "NotWritable"]
MEDIA_TYPE: Final[dict[Version, str]] = {"1.1": "text/xml", "1.2": "application/soap+xml"}
VERSION: Final[dict[str, Version]] = {media_type: version for version, media_type in MEDIA_TYPE.items()}
LONGEST_REASON: Final = 1000
_XML_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_SENDER: Final = ("Client", "Sender")


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP fault. `by_sender`: the question was wrong (SOAP 1.1 Client, 1.2 Sender), not the service."""

    code: str
    reason: str
    by_sender: bool
    detail: Any = None

    def json(self) -> bytes:
        """{"fault": {"code", "reason", "detail"?}}"""
        detail = {} if self.detail is None else {"detail": self.detail}
        return msgspec.json.encode({"fault": {"code": self.code, "reason": self.reason, **detail}})


@dataclass(frozen=True, slots=True)
class Heard:
    """What an envelope held: JSON of the body's element, or a fault."""

    body: bytes
    fault: Fault | None = None


# --- to and from the provider -----------------------------------------------------------------------------------------
def question(operation: Operation, body: bytes, version: Version) -> bytes:
    """The envelope that asks what the JSON asks. Raises NotWritable."""
    return _envelope(operation.request, parsed(body or b"{}"), version, At())


def http_fields(operation: Operation, version: Version) -> tuple[str, dict[str, str]]:
    """Content-Type, and further header fields of the request (SOAP 1.1 section 6.1.1, RFC 3902)."""
    action = "".join(c for c in operation.action if " " < c < "\x7f" and c not in '"\\')
    if version == "1.2":
        named = f'; action="{action}"' if action else ""
        return f"application/soap+xml; charset=utf-8{named}", {}
    return "text/xml; charset=utf-8", {"soapaction": f'"{action}"'}


def answer(operation: Operation, content: bytes) -> Heard:
    """What the provider says. Raises BadXml."""
    _, body = _opened(content)
    element = _only(body)
    if element is not None and local(element.tag) == "Fault" and element.tag[1:].partition("}")[0] in ENVELOPE.values():
        return Heard(b"", _fault(element))
    return Heard(_json(operation.response, element, named=operation.style == "document"))


# --- to and from a consumer -------------------------------------------------------------------------------------------
def asked(operation: Operation, content: bytes, version: Version) -> bytes:
    """The JSON form of what a consumer's envelope asks. Raises BadXml.

    Headers are not passed on; one that has to be understood is therefore refused (SOAP 1.1 section 4.2.3).
    """
    envelope, body = _opened(content)
    if envelope.tag != f"{{{ENVELOPE[version]}}}Envelope":
        raise BadXml(f"not an envelope of SOAP {version}, which the content type names")
    for header in envelope[0] if local(envelope[0].tag) == "Header" else ():
        if header.get(f"{{{ENVELOPE[version]}}}mustUnderstand", "").strip() in ("1", "true"):
            raise BadXml("a header that has to be understood, and no header is")
    return _json(operation.request, _only(body), named=True)


def told(operation: Operation, body: bytes, version: Version) -> bytes:
    """The envelope that tells a consumer what was released: maybe less than the XSD asks for. Raises NotWritable."""
    if operation.response is None:
        return _envelope(operation.request, None, version, At(partial=True))
    return _envelope(operation.response, parsed(body or b"{}"), version, At(partial=True))


def fault(version: Version, *, by_sender: bool, reason: str) -> bytes:
    """An envelope with a fault."""
    envelope, body = _new(version)
    namespace = ENVELOPE[version]
    inside = etree.SubElement(body, f"{{{namespace}}}Fault")
    plain = "".join(
        c for c in reason[:LONGEST_REASON] if c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff"
    )
    if version == "1.1":
        etree.SubElement(inside, "faultcode").text = f"soap:{'Client' if by_sender else 'Server'}"
        etree.SubElement(inside, "faultstring").text = plain
    else:
        code = etree.SubElement(inside, f"{{{namespace}}}Code")
        etree.SubElement(code, f"{{{namespace}}}Value").text = f"soap:{'Sender' if by_sender else 'Receiver'}"
        told = etree.SubElement(etree.SubElement(inside, f"{{{namespace}}}Reason"), f"{{{namespace}}}Text")
        told.set(_XML_LANG, "zh" if any(c > "\x7f" for c in plain) else "en")
        told.text = plain
    return _bytes(envelope)


# --- envelopes --------------------------------------------------------------------------------------------------------
def _new(version: Version) -> tuple[Any, Any]:
    envelope = etree.Element(f"{{{ENVELOPE[version]}}}Envelope", nsmap={"soap": ENVELOPE[version]})
    return envelope, etree.SubElement(envelope, f"{{{ENVELOPE[version]}}}Body")


def _bytes(envelope: Any) -> bytes:
    written: bytes = etree.tostring(envelope, encoding="utf-8", xml_declaration=True)
    return written


def _envelope(message: Message, value: Any, version: Version, at: At) -> bytes:
    envelope, body = _new(version)
    if message.tag and value is not None:
        fill(etree.SubElement(body, message.tag), value, message.inside, at)
    elif value and not at.partial:
        raise NotWritable("", "the operation takes an empty body")
    return _bytes(envelope)


def _opened(content: bytes) -> tuple[Any, Any]:
    """Envelope and body of either version. Raises BadXml for anything else."""
    envelope = read(content)
    namespace = next((one for one in ENVELOPE.values() if envelope.tag == f"{{{one}}}Envelope"), "")
    parts = [child.tag for child in envelope]
    if not namespace or parts not in ([f"{{{namespace}}}Body"], [f"{{{namespace}}}Header", f"{{{namespace}}}Body"]):
        raise BadXml("not a SOAP envelope with one body")
    return envelope, envelope[-1]


def _only(body: Any) -> Any:
    """The body's element, None for an empty body. Raises BadXml."""
    if len(body) > 1:
        raise BadXml("more than one element in the body")
    return body[0] if len(body) else None


def _json(message: Message | None, element: Any, *, named: bool) -> bytes:
    """named  the element has to be the one that the WSDL names. The wrapper of an rpc answer has no certain name."""
    if message is None or not message.tag:
        if element is not None and named and message is not None:
            raise BadXml("the body has to be empty")
        return b"" if message is None else b"{}"
    if element is None:
        raise BadXml("the body is empty")
    if named and element.tag not in (message.tag, local(message.tag)):
        raise BadXml("the body's element is not the one that the WSDL names")
    try:
        return msgspec.json.encode(reader.members(element, message.inside))
    except UnicodeEncodeError:
        raise BadXml("not text") from None


def _fault(element: Any) -> Fault:
    """SOAP 1.1 section 4.4, SOAP 1.2 part 1 section 5.4."""
    found = {local(child.tag): child for child in element}
    if "Code" in found:
        code = next((one.text or "" for one in found["Code"] if local(one.tag) == "Value"), "")
        reason = "".join(found["Reason"].itertext()) if "Reason" in found else ""
    else:
        code = (found["faultcode"].text or "") if "faultcode" in found else ""
        reason = (found["faultstring"].text or "") if "faultstring" in found else ""
    name = code.strip().rpartition(":")[2]
    detail = found.get("detail", found.get("Detail"))
    told = reader.members(detail, None) if detail is not None else None
    return Fault(name[:100], reason.strip()[:LONGEST_REASON], name.partition(".")[0] in _SENDER, told or None)
