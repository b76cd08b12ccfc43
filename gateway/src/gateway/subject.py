"""Who a call asks about, as the log may know it: a pseudonym, never the number (wire.subjects).

One person per question, named where the interface's registration says. What is absent, malformed or there twice names
nobody, and nothing here refuses a call: the exchange checks the question, this only notes it. Answers are not looked
at: one that lists many persons is on record under whom was asked about, if anybody was.
"""

from collections.abc import Callable
from urllib.parse import unquote
from xml.parsers import expat

import msgspec

from gateway.policy.model import Allow
from wire.catalog import Rest, Soap
from wire.subjects import SubjectKey

Reader = Callable[[bytes], str]
MOST_READERS = 10_000
JSON, XML, FORM = b"application/json", b"application/xml", b"application/x-www-form-urlencoded"
_UNREADABLE = (ValueError, RecursionError, msgspec.MsgspecError)


class Subjects:
    """Notes whom calls ask about."""

    def __init__(self, key: SubjectKey) -> None:
        self._key = key
        self._readers: dict[str, Reader] = {}

    def of(self, allowed: Allow, query: bytes, body: bytes | None, media_type: bytes = JSON) -> str:
        """The pseudonym, "" where none can be told. Never raises, keeps nothing of what it read.

        query  as it was sent, without "?"    body  None for one that only passes through
        """
        name = allowed.route.interface.subject
        if not name:
            return ""
        try:
            return self._key.pseudonym(self._number(name, allowed, query, body, media_type))
        except _UNREADABLE:
            return ""

    def _number(self, name: str, allowed: Allow, query: bytes, body: bytes | None, media_type: bytes) -> str:
        place = allowed.route.subject_at[allowed.operation]
        if place == "body" and body and allowed.mode != "query":
            body, media_type = _beside_claims(allowed, body)
        match place:
            case "path":
                return allowed.values[name]
            case "query":
                return _in_query(name, query)
            case "body" if not body:
                return ""
            case "body" if media_type == FORM:
                return _in_query(name, body.replace(b"+", b" "))
            case "body" if media_type.endswith(b"xml"):
                return in_xml(name, body, is_soap=isinstance(allowed.route.interface.adapter, Soap))
            case "body":
                return self._reader(name)(body)

    def _reader(self, name: str) -> Reader:
        """Decodes one member of a JSON object and passes over all others."""
        reader = self._readers.get(name)
        if reader is None:
            if len(self._readers) >= MOST_READERS:
                self._readers.clear()
            reader = self._readers[name] = _reader_of(name)
        return reader


def _reader_of(name: str) -> Reader:
    question = msgspec.defstruct("Question", [("number", str | int, "")], rename={"number": name}, gc=False)
    decoder = msgspec.json.Decoder(question)
    return lambda body: str(decoder.decode(body).number)  # type: ignore[attr-defined]  # the one field made above


class _Claimed(msgspec.Struct):
    """What a verification or comparison sends; a question that is not JSON stands in a string."""

    question: msgspec.Raw = msgspec.Raw(b"")


_claimed = msgspec.json.Decoder(_Claimed).decode
_string = msgspec.json.Decoder(str).decode


def _beside_claims(allowed: Allow, body: bytes) -> tuple[bytes, bytes]:
    """The operation's own body, and its media type."""
    adapter, question = allowed.route.interface.adapter, bytes(_claimed(body).question)
    if isinstance(adapter, Rest) and adapter.request_format in ("xml", "form"):
        return _string(question).encode(), FORM if adapter.request_format == "form" else XML
    return question, JSON


def _in_query(name: str, query: bytes) -> str:
    pairs = [pair.partition("=") for pair in query.decode().split("&")]
    found = [value for key, _, value in pairs if unquote(key, errors="strict") == name]
    return unquote(found[0], errors="strict") if len(found) == 1 else ""


# --- XML ------------------------------------------------------------------------------------------------------------
def in_xml(name: str, body: bytes, *, is_soap: bool) -> str:
    """The text of the one element with this local name below the root, or below what the body of a SOAP envelope
    holds; "" where there is none, or more than one. Raises ValueError for what is not plain XML in UTF-8.
    """
    seen = _Seen(name, 4 if is_soap else 2)
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = seen.start, seen.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = seen.text, seen.doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ValueError("not well-formed") from error
    return "".join(seen.parts) if seen.times == 1 else ""


class _Seen:
    """What expat meets on its way through a document: elements, as "namespace local" or "local"."""

    def __init__(self, name: str, depth: int) -> None:
        self.times = 0
        self.parts: list[str] = []
        self._name = name
        self._depth = depth
        self._way: list[str] = []

    def _is_here(self) -> bool:
        way = self._way
        if len(way) != self._depth or way[-1].rpartition(" ")[2] != self._name:
            return False
        return self._depth == 2 or way[1] == way[0].removesuffix("Envelope") + "Body"

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._way.append(name)
        self.times += self._is_here()

    def end(self, _name: str) -> None:
        self._way.pop()

    def text(self, text: str) -> None:
        if self._is_here():
            self.parts.append(text)

    def doctype(self, *_arguments: object) -> None:
        raise ValueError("a document type")
