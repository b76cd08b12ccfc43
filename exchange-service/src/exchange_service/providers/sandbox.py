"""The sandbox twin of every interface: answers from its examples, or made up from its schema; no provider is asked."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import msgspec

from exchange_service.contract.text import BadJson, read
from exchange_service.contract.validate import NotMatching, parse_form, parse_query
from exchange_service.contract.xml import BadXml, json_form, read_xml
from exchange_service.providers.provider import Made, Question
from soap.shape import ATTRIBUTE, TEXT
from wire.catalog import Example, Interface, Soap
from wire.sample import sample_of

ROOT: Final = "response"
"""The root element of XML that was made from an example's JSON."""
_decode: Final = msgspec.json.Decoder().decode


class SandboxProvider:
    """One interface's twin. Its answers go through contract, projection and masks like the provider's own.

    Of SOAP interfaces the answer is the JSON form; of binary ones the text of the example, as bytes.
    """

    def __init__(self, interface: Interface) -> None:
        self._examples = interface.examples
        self._format = "json" if isinstance(interface.adapter, Soap) else interface.format
        self._sample = Example(response=sample_of(interface.response, interface.fields))

    async def ask(self, question: Question, timeout_s: float) -> Made:
        """The example whose values and request fit, else one with an empty question, else a sample of the schema.

        The example that names most values wins, and of those the first. A body that streams is not read.
        """
        del timeout_s  # nobody is asked who could be late
        values = {**dict(_pairs(question.query)), **question.values}
        request = _request(question.body) if isinstance(question.body, bytes) else None
        fitting = [example for example in self._examples if fits(example, values, request)]
        example = max(fitting, key=demands, default=self._sample)
        content, content_type = self._written(example.response)
        if question.operation.method == "HEAD" or example.status in (204, 304):
            content = b""
        return Made(example.status, content, content_type)

    def _written(self, response: Any) -> tuple[bytes, bytes]:
        if self._format == "json":
            return (b"" if response is None else msgspec.json.encode(response)), b"application/json"
        if self._format == "xml":
            return xml_of(response), b"application/xml"
        text = response if isinstance(response, str) else msgspec.json.encode(response).decode()
        return text.encode(errors="replace"), b"application/octet-stream"

    async def probe(self, timeout_s: float) -> None:
        """Always there."""
        del timeout_s

    def close(self) -> None:
        """Nothing is kept open."""


def fits(example: Example, values: Mapping[str, str], request: object) -> bool:
    """Whether an example answers the question: all that it names is asked so; an empty one answers everything."""
    if any(values.get(name) != value for name, value in example.values.items()):
        return False
    return example.request is None or example.request == request


def demands(example: Example) -> int:
    """How much of the question an example names."""
    return len(example.values) + (example.request is not None)


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return list(parse_query(query))
    except NotMatching:  # it was checked before; an adapter never breaks over it
        return []


def _request(body: bytes) -> object:
    """The question's body as a JSON value, whatever the interface takes; None where it is none."""
    try:
        if body.lstrip()[:1] == b"<":
            return json_form(read_xml(body).root)
        return read(body).tree
    except (BadJson, BadXml):
        pass
    try:
        return parse_form(body)
    except NotMatching:
        return None


# --- XML of an example ----------------------------------------------------------------------------------------------
def xml_of(response: Any) -> bytes:
    """XML whose JSON form this is; text that is XML already stays as it is."""
    if isinstance(response, str) and response.lstrip().startswith("<"):
        return response.encode(errors="replace")
    body = {"item": response} if isinstance(response, list) else response
    return "".join(_element(ROOT, body)).encode(errors="replace")


def _element(name: str, value: Any) -> Iterator[str]:
    """One element, or one for each element of an array."""
    if isinstance(value, list):
        for one in value:
            yield from _element(name, one)
        return
    if not isinstance(value, dict):
        yield f"<{name}>{escape(_text(value))}</{name}>"
        return
    attributes = {key[1:]: one for key, one in value.items() if key.startswith(ATTRIBUTE)}
    yield f"<{name}{''.join(f' {key}={quoteattr(_text(one))}' for key, one in attributes.items())}>"
    for key, one in value.items():
        if key == TEXT:
            yield escape(_text(one))
        elif not key.startswith(ATTRIBUTE):
            yield from _element(key, one)
    yield f"</{name}>"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
