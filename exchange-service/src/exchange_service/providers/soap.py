"""Providers that speak SOAP: JSON becomes an envelope, which goes the way of all HTTP (`rest.py`), and back.

Inside the exchange a SOAP body is its JSON form: that is checked, projected and masked. A consumer that speaks SOAP
itself is heard before that (`heard`) and answered after it (`said`) with an envelope that is built anew, so nothing can
leave in XML that would not have left in JSON.

zeep and lxml are dear to import; `kinds.py` imports this module when the first SOAP interface is registered.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from exchange_service.contract.text import MOST_BYTES
from exchange_service.credentials.model import Credential
from exchange_service.credentials.signing import Source
from exchange_service.providers.provider import Answer, Made, Question
from exchange_service.providers.rest import RestProvider, refusal_of
from relay.call import BodyTooLarge
from relay.egress import Egress
from relay.upstream import UpstreamFault
from runtime.errors import Refusal
from runtime.tasks import apart
from soap import codec, wsdl
from soap.text import BadXml
from soap.writer import NotWritable
from wire import codes
from wire.catalog import Interface, Operation, Rest, Soap

IN_A_THREAD_BYTES: Final = 16 * 1024
"""Larger bodies are turned round in a thread, so that nobody else waits for them."""
LONGEST_HEARD: Final = 1024 * 1024
"""Bytes of a consumer's envelope, which is read before anybody else's turn: a tenth of a second, and no more."""
XML: Final = (b"text/xml", b"application/soap+xml", b"application/xml")
SENDER, RECEIVER = 400, 500
"""How a fault of the provider is told: the question was wrong, or the service failed (SOAP 1.2 part 2 table 20)."""


class SoapProvider:
    """One interface's provider."""

    def __init__(
        self, interface: Interface, egress: Egress, credential: Callable[[], Credential | None],
        source: Source | None = None,
    ) -> None:  # fmt: skip
        """Reads the WSDL, which takes up to a second for a large one. Raises ValueError for one that cannot be used."""
        if not isinstance(interface.adapter, Soap):
            raise ValueError("not a SOAP interface")
        adapter = interface.adapter
        port = wsdl.read(adapter.wsdl.encode()).port(adapter.service, adapter.port)
        self._version = port.version
        self._operations = {operation: _of_port(port, operation.target) for operation in interface.operations}
        address = urlsplit(interface.base_url)
        self._post = Operation(method="POST", path="", target=address.path or "/")
        place = msgspec.structs.replace(
            interface, base_url=f"{address.scheme}://{address.netloc}", adapter=Rest(), operations=[self._post]
        )
        self._http = RestProvider(place, egress, credential, source)

    # --- the provider
    async def ask(self, question: Question, timeout_s: float) -> Answer:
        """The provider's answer in JSON, whole; a fault as {"fault": …} with status 400 or 500. Raises Refusal."""
        operation = self._operations[question.operation]
        body = question.body if isinstance(question.body, bytes) else b""
        envelope = await apart(len(body), _question, operation, body, self._version, above=IN_A_THREAD_BYTES)
        content_type, fields = codec.http_fields(operation, self._version)
        answer = await self._http.ask(
            msgspec.structs.replace(
                question, operation=self._post, values={}, query="", body=envelope, length=len(envelope),
                content_type=content_type, lines=[(name.encode(), value.encode()) for name, value in fields.items()],
            ),
            timeout_s,
        )  # fmt: skip
        return await _made(operation, answer)

    async def probe(self, timeout_s: float) -> None:
        """A connection to the provider, and its end; raises Refusal."""
        await self._http.probe(timeout_s)

    def close(self) -> None:
        """End the connections; calls under way fail."""
        self._http.close()

    # --- a consumer that speaks SOAP
    def heard(self, operation: Operation, content_type: str, body: bytes) -> bytes:
        """The JSON form of a consumer's envelope; raises Refusal: NOT_MATCHING_SCHEMA, BODY_TOO_LARGE."""
        if len(body) > LONGEST_HEARD:
            raise Refusal(codes.BODY_TOO_LARGE, limit_bytes=LONGEST_HEARD)
        try:
            return codec.asked(self._operations[operation], body, codec.VERSION[media_type(content_type)])
        except BadXml as bad:
            raise Refusal(codes.NOT_MATCHING_SCHEMA, str(bad), path="") from None

    def said(self, operation: Operation, content_type: str, status: int, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and envelope for a consumer that asked with `content_type`, of what was released.

        Whatever is no success is a fault. SOAP 1.1 knows one status for these (section 6.2). Raises Refusal.
        """
        version = codec.VERSION[media_type(content_type)]
        kind = f"{codec.MEDIA_TYPE[version]}; charset=utf-8"
        if not 200 <= status < 300:
            by_sender = 400 <= status < 500
            envelope = codec.fault(version, by_sender=by_sender, reason=_reason(body))
            return SENDER if by_sender and version == "1.2" else RECEIVER, kind, envelope
        try:
            return 200, kind, codec.told(self._operations[operation], body, version)
        except NotWritable as bad:
            raise Refusal(codes.PROVIDER_BROKEN_ANSWER, str(bad)) from None


def speaks_soap(content_type: str) -> bool:
    """Whether a question of this kind is an envelope."""
    return media_type(content_type) in codec.VERSION


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _of_port(port: wsdl.Port, name: str) -> wsdl.Operation:
    """Raises ValueError, with the reason, for an operation that the port does not have or that cannot be used."""
    if name not in port.operations:
        reason = port.unsupported.get(name, "there is no such operation")
        raise ValueError(f"operation {name[:100]!a} of port {port.name[:100]!a}: {reason}")
    return port.operations[name]


def _question(operation: wsdl.Operation, body: bytes, version: wsdl.Version) -> bytes:
    try:
        return codec.question(operation, body, version)
    except NotWritable as bad:
        raise Refusal(codes.NOT_MATCHING_SCHEMA, bad.reason, path=bad.path) from None


async def _made(operation: wsdl.Operation, answer: Answer) -> Made:
    """The answer, read to its end, in JSON; raises Refusal."""
    is_xml = _is_xml(answer)
    succeeded = 200 <= answer.status < 300
    if not is_xml and (not succeeded or operation.response is None):
        answer.discard()
        return Made(answer.status)
    try:
        if not is_xml:
            raise BadXml("the answer is not XML in UTF-8, plain")
        content = await answer.body.read(MOST_BYTES)
        heard = await apart(len(content), codec.answer, operation, content, above=IN_A_THREAD_BYTES)
    except (BadXml, BodyTooLarge) as bad:
        answer.discard()
        if not succeeded:
            return Made(answer.status)  # an error page
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, str(bad)) from None
    except UpstreamFault as fault:
        answer.discard()
        raise refusal_of(fault) from None
    if heard.fault is not None:
        return Made(SENDER if heard.fault.by_sender else RECEIVER, heard.fault.json())
    return Made(answer.status, heard.body)


def _is_xml(answer: Answer) -> bool:
    """XML in UTF-8, not compressed; multipart answers (MTOM) are not understood."""
    kind, _, rest = answer.headers.get(b"content-type", b"").lower().partition(b";")
    parameters = dict(part.strip().partition(b"=")[::2] for part in rest.split(b";"))
    charset = parameters.get(b"charset", b"utf-8").strip(b" \"'")
    plain = answer.headers.get(b"content-encoding", b"identity") == b"identity"
    return kind.strip() in XML and charset in (b"utf-8", b"us-ascii") and plain


def _reason(body: bytes) -> str:
    """What a fault said, where that was released."""
    try:
        tree = msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        tree = None
    fault = tree.get("fault") if isinstance(tree, dict) else None
    reason = fault.get("reason") if isinstance(fault, dict) else None
    return reason if isinstance(reason, str) else "the provider answered with an error"
