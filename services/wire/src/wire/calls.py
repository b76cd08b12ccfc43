"""The message of one call from gateway to exchange and back (design section 12).

`POST /calls/{interface}/{version}` carries the consumer's body and one header `Tongdao-Message` with a `CallMessage`
as JSON in ASCII; the signature in `Tongdao-Service` covers both. The answer carries the projected body and a
`ReplyMessage` in the same header. A refusal of the exchange is a reply whose `code` is set and whose body is empty.
One of each is made for every call, never part of a cycle: the garbage collector is spared them (`gc=False`).
"""

import msgspec

from wire.catalog import Mode


class Obligations(msgspec.Struct, frozen=True, gc=False):
    """What may leave: granted fields, and masks that replace the interface's own (field -> mask)."""

    fields: list[str]
    masks: dict[str, str] = {}


class CallMessage(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False):
    """What the exchange has to know about a call. `deadline_ms` is absolute, Unix milliseconds.

    path      the operation's template    values  its variables, decoded    query  as it was sent, without "?"
    method    the registered one, also where a verification was posted
    mode      with `verify` and `compare` the body is {"claims": {field: value, …}, "question": the body, if any}
    consumer  the department that asks: pseudonyms are made for it
    narrowed  the fields are fewer than the grant's, by a consent
    sandbox   answered from examples; no provider is asked
    range     the header Range of a file's question, ""
    """

    call: str
    grant: str
    grant_revision: int
    method: str
    path: str
    values: dict[str, str] = {}
    query: str = ""
    content_type: str = ""
    idempotency_key: str = ""
    mode: Mode = "query"
    consumer: str = ""
    narrowed: bool = False
    sandbox: bool = False
    range: str = ""
    obligations: Obligations
    deadline_ms: int


class ReplyMessage(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False):
    """What the exchange says about its answer. Times are Unix milliseconds.

    call      whose answer this is, so that no answer can reach another call; "" where the question could not be read
    verdict   of a verification or comparison: yes, no, no_record
    replayed  the answer of an earlier call with the same Idempotency-Key; the provider was not asked again
    lines     further header fields of the answer: content-range, accept-ranges, etag, last-modified
    """

    status: int
    call: str = ""
    code: str = ""
    detail: str = ""
    facts: dict[str, str | int | float] = {}
    asked_ms: int = 0
    answered_ms: int = 0
    fields: list[str] = []
    masked: list[str] = []
    content_type: str = ""
    verdict: str = ""
    replayed: bool = False
    lines: dict[str, str] = {}


def to_header(message: CallMessage | ReplyMessage) -> bytes:
    """JSON with everything outside ASCII escaped, so that it can stand in a header."""
    encoded = msgspec.json.encode(message)
    if encoded.isascii():
        return encoded
    return _escape(encoded.decode())


def _escape(text: str) -> bytes:
    return "".join(c if c < "\x7f" else _surrogates(c) for c in text).encode("ascii")


def _surrogates(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


call_from_header = msgspec.json.Decoder(CallMessage).decode
reply_from_header = msgspec.json.Decoder(ReplyMessage).decode
