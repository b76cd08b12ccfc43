"""What every adapter does: ask one provider one question.

An adapter speaks the provider's language and nothing else: what may be asked, what may leave and what is recorded is
decided around it. It connects only to addresses that `relay.egress` has checked.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec

from wire.catalog import Operation


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question, checked against the interface's contract.

    values   path variables, decoded        query   as it was sent, without "?": name=value pairs, percent-encoded
    body     bytes, or parts where it passes through; `length` is its size, None where nobody knows it
    fields   dotted names that may leave, ["*"] for all: a table is asked for no others
    call     id of the call                 trace   the traceparent, or b""      range  the header Range, or ""
    again    for the second time: the first may have gone wrong with the connection that was kept
    lines    further header fields that the provider's language asks for
    """

    operation: Operation
    values: Mapping[str, str] = msgspec.field(default_factory=dict)
    query: str = ""
    body: bytes | AsyncIterator[bytes] = b""
    length: int | None = 0
    content_type: str = ""
    fields: Sequence[str] = ("*",)
    call: str = ""
    trace: bytes = b""
    idempotency_key: str = ""
    range: str = ""
    again: bool = False
    lines: Sequence[tuple[bytes, bytes]] = ()


class Body(Protocol):
    """The body of an answer, read whole or part by part. Raises relay.upstream.UpstreamFault where it breaks off."""

    @property
    def announced(self) -> int | None:
        """Its size in bytes, where the provider told it."""

    async def read(self, limit: int) -> bytes:
        """All of it; raises relay.call.BodyTooLarge."""

    async def chunk(self) -> bytes:
        """The next part, b"" after the last."""


class Answer(Protocol):
    """What the provider says. `headers` has lower-case names. A relay.upstream.Answer is one."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[bytes, bytes]: ...

    @property
    def body(self) -> Body: ...

    def discard(self) -> None:
        """The rest of the body is not wanted."""


class Provider(Protocol):
    """One interface's provider, whatever it speaks."""

    async def ask(self, question: Question, timeout_s: float) -> Answer:
        """The answer once its head is here; raises Refusal."""

    async def probe(self, timeout_s: float) -> None:
        """Whether the provider is there: a connection, no question; raises Refusal."""

    def close(self) -> None:
        """End the connections; calls under way may fail."""


class Whole:
    """A body that is here already."""

    __slots__ = ("_content", "announced")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.announced: int | None = len(content)

    async def read(self, limit: int) -> bytes:
        """All of it. Adapters keep to the limit themselves."""
        content, self._content = self._content, b""
        return content

    async def chunk(self) -> bytes:
        return await self.read(0)


class Made:
    """An answer that was made here of what a provider said in another language."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, content: bytes = b"", content_type: bytes = b"application/json") -> None:
        self.status = status
        self.headers: Mapping[bytes, bytes] = {b"content-type": content_type} if content else {}
        self.body = Whole(content)

    def discard(self) -> None:
        """Nothing is kept open."""
