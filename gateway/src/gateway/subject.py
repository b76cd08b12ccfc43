"""Who a call asks about, as the log may know it: a pseudonym, never the number (wire.subjects).

One person per question, named where the interface's registration says, and nowhere else: a question that could be read
to be about two persons is about nobody. What is absent, malformed or there twice names nobody, too, and nothing here
refuses a call: the exchange checks the question, this only notes it. Answers are not looked at: one that lists many
persons is on record under whom was asked about, if anybody was.
"""

from collections.abc import Mapping
from urllib.parse import unquote
from xml.parsers import expat

import msgspec

from gateway.policy.model import Allow
from wire.catalog import Adapter, Interface, Rest, Soap
from wire.subjects import SubjectKey, is_like

Pairs = list[tuple[str, str]]
"""Names and values of all that a provider might take for the one that names the person."""
MOST_MEMBERS = 1000
"""Of an object; the exchange takes no more."""
JSON, XML, FORM = b"application/json", b"application/xml", b"application/x-www-form-urlencoded"
_UNREADABLE = (ValueError, RecursionError, msgspec.MsgspecError)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_number = msgspec.json.Decoder(str | int).decode


class Subjects:
    """Notes whom calls ask about."""

    def __init__(self, key: SubjectKey) -> None:
        self._key = key

    def of(self, allowed: Allow, query: bytes, body: bytes | None, media_type: bytes = JSON) -> str:
        """The pseudonym, "" where none can be told. Never raises, keeps nothing of what it read.

        query  as it was sent, without "?"    body  None for one that only passes through
        """
        if allowed.operation not in allowed.route.subject_at:
            return ""
        try:
            return self._key.pseudonym(named(allowed, query, body, media_type))
        except _UNREADABLE:
            return ""


def named(allowed: Allow, query: bytes, body: bytes | None, media_type: bytes) -> str:
    """The one number that a question names, "" where it names nobody or more than one place does."""
    interface = allowed.route.interface
    name, place = interface.subject, allowed.route.subject_at[allowed.operation]
    if body and allowed.mode != "query":
        body, media_type = _beside_claims(interface.adapter, body)
    found = {
        "path": [(variable, value) for variable, value in allowed.values.items() if is_like(variable, name)],
        "query": _in_query(name, query) if query else [],
        "body": _in_body(interface, body, media_type) if body else [],
    }
    everywhere = [pair for pairs in found.values() for pair in pairs]
    if len(everywhere) != 1 or everywhere != found[place] or everywhere[0][0] != name:
        return ""
    return everywhere[0][1]


class _Claimed(msgspec.Struct):
    """What a verification or comparison sends; a question that is not JSON stands in a string."""

    question: msgspec.Raw = msgspec.Raw(b"")


_claimed = msgspec.json.Decoder(_Claimed).decode
_string = msgspec.json.Decoder(str).decode


def _beside_claims(adapter: Adapter, body: bytes) -> tuple[bytes, bytes]:
    """The operation's own body, and its media type."""
    question = bytes(_claimed(body).question)
    if question and isinstance(adapter, Rest) and adapter.request_format in ("xml", "form"):
        return _string(question).encode(), FORM if adapter.request_format == "form" else XML
    return question, JSON


def _in_query(name: str, query: bytes) -> Pairs:
    pairs = [pair.partition("=") for pair in query.decode().split("&")]
    decoded = [(unquote(key, errors="strict"), value) for key, _, value in pairs]
    return [(key, unquote(value, errors="strict")) for key, value in decoded if is_like(key, name)]


def _in_body(interface: Interface, body: bytes, media_type: bytes) -> Pairs:
    """Of bytes that nobody reads, and of JSON that is no object, none."""
    if isinstance(interface.adapter, Rest) and interface.adapter.request_format == "binary":
        return []
    if media_type == FORM:
        return _in_query(interface.subject, body.replace(b"+", b" "))
    if media_type.endswith(b"xml"):
        return in_xml(interface.subject, body, is_soap=isinstance(interface.adapter, Soap))
    return _in_json(interface.subject, body) if body.lstrip()[:1] == b"{" else []


def _in_json(name: str, body: bytes) -> Pairs:
    members = _members(body)
    if len(members) > MOST_MEMBERS:
        raise ValueError("too many members")
    return [(key, str(_number(value))) for key, value in members.items() if is_like(key, name)]


# --- XML ------------------------------------------------------------------------------------------------------------
def in_xml(name: str, body: bytes, *, is_soap: bool) -> Pairs:
    """Elements of this local name below the root, or below what the body of a SOAP envelope holds.

    Raises ValueError for what is not plain XML in UTF-8, and for an element that holds anything but text in one piece:
    some parsers read only what stands before a comment.
    """
    seen = _Seen(name, 4 if is_soap else 2)
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = seen.start, seen.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = seen.text, seen.doctype
    parser.CommentHandler = parser.ProcessingInstructionHandler = parser.StartCdataSectionHandler = seen.split
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ValueError("not well-formed") from error
    return [(local, "".join(parts)) for local, parts in seen.found]


class _Seen:
    """What expat meets on its way through a document: elements, as "namespace local" or "local"."""

    def __init__(self, name: str, depth: int) -> None:
        self.found: list[tuple[str, list[str]]] = []
        self._name = name
        self._depth = depth
        self._way: list[str] = []

    def _is_inside(self, depth: int) -> bool:
        """Whether the way is so deep, and leads through the body of an envelope where there has to be one."""
        way = self._way
        return len(way) == depth and (self._depth == 2 or way[1] == way[0].removesuffix("Envelope") + "Body")

    def _is_here(self) -> bool:
        return self._is_inside(self._depth) and is_like(_local(self._way[-1]), self._name)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.split()
        self._way.append(name)
        if self._is_inside(self._depth - 1) and any(is_like(_local(one), self._name) for one in attributes):
            raise ValueError("an attribute of that name")
        if self._is_here():
            self.found.append((_local(name), []))

    def end(self, _name: str) -> None:
        self._way.pop()

    def text(self, text: str) -> None:
        if self._is_here():
            self.found[-1][1].append(text)

    def split(self, *_arguments: object) -> None:
        """Something other than text."""
        if self._is_here():
            raise ValueError("more than text")

    def doctype(self, *_arguments: object) -> None:
        raise ValueError("a document type")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
