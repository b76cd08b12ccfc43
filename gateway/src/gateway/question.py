"""What a call brings along: where it goes, its case, and a body of the kind that the interface takes."""

import re
from typing import NamedTuple

from gateway.policy.model import Allow
from relay.call import BodyTooLarge, Call
from relay.strict import Rejected
from runtime.errors import Refusal
from wire import codes, headers
from wire.catalog import Mode, Rest, Soap
from wire.subjects import holds_a_number

PREFIX = b"/x/"
SANDBOX = b"/sandbox/"
PREFIXES = (PREFIX, SANDBOX)
LONGEST_CASE = 128
LONGEST_WITHOUT_A_NUMBER = 17
LONGEST_PASSED_ON = 255
"""Bytes of a header of the consumer that goes on to the provider."""
LONGEST_XML = 256 * 1024
"""Bytes of a body that may be XML where calls name a person: it is looked through on the way of all others."""
_KEY = re.compile(rb"[!-~]{1,255}")
_MODES: dict[str, Mode] = {"verify": "verify", "compare": "compare"}
_JSON = (b"application/json",)
_SOAP = (b"application/json", b"text/xml", b"application/soap+xml")
_REST: dict[str, tuple[bytes, ...]] = {
    "json": _JSON, "xml": (b"application/xml", b"text/xml"), "form": (b"application/x-www-form-urlencoded",),
    "binary": (),
}  # fmt: skip


class Destination(NamedTuple):
    """What the target names. `path` is the raw path below the version."""

    interface: str
    version: str
    path: str
    mode: Mode
    sandbox: bool


def destination(target: bytes) -> Destination:
    """Where `/x/{interface}/{version}[:verify|:compare][/path][?query]` leads; `/sandbox/…` to its examples."""
    sandbox = not target.startswith(PREFIX)
    named = target.partition(b"?")[0][len(SANDBOX if sandbox else PREFIX) :].decode("ascii")
    interface, _, rest = named.partition("/")
    version, slash, path = rest.partition("/")
    mode: Mode = "query"
    if ":" in version:
        bare, _, word = version.partition(":")
        version, mode = (bare, _MODES[word]) if word in _MODES else (version, mode)  # else: a version nobody has
    return Destination(interface, version, slash + path, mode, sandbox)


def case_of(call: Call) -> str:
    """The case number (办件编号) as UTF-8, which Chinese numbers need; raises Refusal for what cannot be one."""
    raw = call.headers.get(headers.CASE, b"")
    try:
        case = raw.decode()
    except UnicodeDecodeError:
        raise Refusal(codes.CASE_MALFORMED, "not UTF-8") from None
    if len(case) > LONGEST_CASE:
        raise Refusal(codes.CASE_MALFORMED, f"over {LONGEST_CASE} characters")
    if len(case) > LONGEST_WITHOUT_A_NUMBER and holds_a_number(case):
        raise Refusal(codes.CASE_MALFORMED, "it holds an identity number, which the log must not keep")
    return case


# --- the body -------------------------------------------------------------------------------------------------------
async def body_of(call: Call, allowed: Allow, limit_bytes: int) -> bytes:
    """The whole body; raises Refusal (400, 408, 413, 415) or ClientGone."""
    check_passed_on(call)
    kinds = accepted(allowed)
    if names_in_xml(allowed):
        limit_bytes = min(limit_bytes, LONGEST_XML)
    body = b"" if call.length == 0 else await _whole(call, limit_bytes)
    if body and call.method in (b"GET", b"HEAD"):
        raise Refusal(codes.UNEXPECTED_BODY, call.method.decode())
    check_kind(call, body, kinds)
    return body


async def _whole(call: Call, limit_bytes: int) -> bytes:
    try:
        return await call.read(limit_bytes)
    except BodyTooLarge as large:
        raise Refusal(codes.BODY_TOO_LARGE, limit_bytes=large.limit) from None
    except Rejected as rejected:
        raise cut(rejected) from None


def names_in_xml(allowed: Allow) -> bool:
    """Whether it is looked for in XML whom a call is about; beside claims it stands in a string."""
    interface = allowed.route.interface
    if not interface.subject:
        return False
    if isinstance(interface.adapter, Soap):
        return allowed.mode == "query"
    return isinstance(interface.adapter, Rest) and interface.adapter.request_format == "xml"


def check_passed_on(call: Call) -> None:
    """Raise Refusal for a header that the provider should not get to see."""
    if len(call.headers.get(b"content-type", b"")) > LONGEST_PASSED_ON:
        raise Refusal(codes.MALFORMED, f"Content-Type over {LONGEST_PASSED_ON} bytes")
    key = call.headers.get(b"idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise Refusal(codes.MALFORMED, "Idempotency-Key is 1 to 255 visible ASCII characters")


def accepted(allowed: Allow) -> tuple[bytes, ...]:
    """The media types that a body may have; none named: any. Claims are JSON, whatever the provider speaks."""
    adapter = allowed.route.interface.adapter
    if allowed.mode != "query":
        return _JSON
    if isinstance(adapter, Rest):
        return _REST[adapter.request_format]
    return _SOAP if isinstance(adapter, Soap) else _JSON


def check_kind(call: Call, body: bytes, kinds: tuple[bytes, ...]) -> None:
    """Raise Refusal(415) unless the body is of one of these kinds, in UTF-8, and not compressed."""
    content_type = call.headers.get(b"content-type", b"")
    if b"content-encoding" not in call.headers and (not body or not kinds or content_type in kinds):
        return
    media_type, charset = kind_of(content_type)
    if b"content-encoding" in call.headers or media_type not in kinds or charset != b"utf-8":
        accepts = ", ".join(kind.decode() for kind in kinds)
        raise Refusal(codes.UNSUPPORTED_BODY, content_type.decode("latin-1")[:80], accepts=accepts)


def kind_of(content_type: bytes) -> tuple[bytes, bytes]:
    """Media type and charset, in lower case; the charset is UTF-8 where none is named, b"" where it is unclear."""
    media_type, *parameters = content_type.lower().split(b";")
    named = [value for name, _, value in (one.partition(b"=") for one in parameters) if name.strip() == b"charset"]
    charset = named[0].strip().strip(b'"') if len(named) == 1 else b"" if named else b"utf-8"
    return media_type.strip(), charset


def cut(rejected: Rejected) -> Refusal:
    """What a body that broke off means: too slow, or not HTTP."""
    return Refusal(codes.REQUEST_TIMEOUT if rejected.status == 408 else codes.MALFORMED, rejected.reason)
