"""Who a call asks about, as the log may know it: a pseudonym, never the number (wire.subjects).

One person per question, named where the interface's registration says. What is absent, malformed or there twice names
nobody, and nothing here refuses a call: the exchange checks the question, this only notes it. Answers are not looked
at: one that lists many persons is on record under whom was asked about, if anybody was.
"""

from collections.abc import Callable
from urllib.parse import unquote

import msgspec

from gateway.policy.model import Allow
from wire.subjects import SubjectKey

Reader = Callable[[bytes], str]
MOST_READERS = 10_000
_UNREADABLE = (ValueError, RecursionError, msgspec.MsgspecError)


class Subjects:
    """Notes whom calls ask about."""

    def __init__(self, key: SubjectKey) -> None:
        self._key = key
        self._readers: dict[str, Reader] = {}

    def of(self, allowed: Allow, query: bytes, body: bytes | None) -> str:
        """The pseudonym, "" where none can be told. Never raises, keeps nothing of what it read.

        query  as it was sent, without "?"    body  None for one that only passes through
        """
        name = allowed.route.interface.subject
        if not name:
            return ""
        try:
            return self._key.pseudonym(self._number(name, allowed, query, body))
        except _UNREADABLE:
            return ""

    def _number(self, name: str, allowed: Allow, query: bytes, body: bytes | None) -> str:
        match allowed.route.subject_at[allowed.operation]:
            case "path":
                return allowed.values[name]
            case "query":
                return _in_query(name, query)
            case "body":
                return self._reader(name)(body) if body else ""

    def _reader(self, name: str) -> Reader:
        """Decodes one member of a JSON object and passes over all others."""
        reader = self._readers.get(name)
        if reader is None:
            if len(self._readers) >= MOST_READERS:
                self._readers.clear()
            reader = self._readers[name] = _reader_of(name)
        return reader


def _reader_of(name: str) -> Reader:
    fields = [("number", str | int, "")]
    question = msgspec.defstruct("Question", fields, rename={"number": name}, gc=False)
    decoder = msgspec.json.Decoder(question)

    def read(body: bytes) -> str:
        return str(decoder.decode(body).number)  # type: ignore[attr-defined]  # the one field made above

    return read


def _in_query(name: str, query: bytes) -> str:
    pairs = [pair.partition("=") for pair in query.decode().split("&")]
    found = [value for key, _, value in pairs if unquote(key, errors="strict") == name]
    return unquote(found[0], errors="strict") if len(found) == 1 else ""
