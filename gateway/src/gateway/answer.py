"""Answers as the consumer gets them: the provider's, with our headers, or a problem document of ours."""

import hashlib
import re
import time
from functools import lru_cache

from gateway.policy.model import Allow
from relay.call import Call
from runtime.errors import Refusal
from runtime.problems import MEDIA_TYPE, language_of, problem
from wire import codes, headers
from wire.calls import ReplyMessage

PASSED_ON = ("content-range", "accept-ranges", "etag", "last-modified")
"""Header fields of a provider's answer that its consumer gets, beside Content-Type."""
_VALUE = re.compile(r"[ -~]{1,255}")
ALWAYS = "cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
REPLAYED = f"{headers.REPLAYED.decode()}: true\r\n"


def refusal(call: Call, refused: Refusal, record: str) -> tuple[int, bytes, bytes]:
    """Status, body and header lines of a refusal. `record` is "" where nothing was recorded."""
    code = refused.code
    facts = {name: fact for name, fact in refused.facts.items() if name not in ("retry_after", "allow")}
    language = language_of(call.headers.get(b"accept-language", b"").decode("latin-1"))
    body = problem(code, language, refused.detail, record, facts)
    lines = [b"content-type: " + MEDIA_TYPE.encode(), b"tongdao-fault: " + code.fault.encode()]
    if record:
        lines.append(b"tongdao-record: " + record.encode())
    lines += [f"{name.lower()}: {value}".encode("latin-1") for name, value in refused.headers.items()]
    if "WWW-Authenticate" not in refused.headers and code.name.startswith("token/"):
        lines.append(b"www-authenticate: " + _challenge(refused))
    if "retry_after" in refused.facts or code.status in (429, 503):
        lines.append(b"retry-after: %d" % int(str(refused.facts.get("retry_after", 1))))
    if "allow" in refused.facts:
        lines.append(b"allow: " + str(refused.facts["allow"]).encode())
    if code is codes.RANGE_NOT_SATISFIABLE and isinstance(size := facts.get("size"), int):
        lines.append(b"content-range: bytes */%d" % size)  # RFC 9110 section 15.5.17
    return code.status, body, ALWAYS.encode() + b"".join([line + b"\r\n" for line in lines])


def _challenge(refused: Refusal) -> bytes:
    """RFC 6750 section 3: no error code for a request that brought no token at all."""
    words = {
        "token/malformed": b', error="invalid_request"',
        "token/insufficient-scope": b', error="insufficient_scope", scope="call"',
    }
    return b'Bearer realm="tongdao"' + words.get(refused.code.name, b"")


def provider_lines(record: str, salt: bytes, digest: str, reply: ReplyMessage, timing: str) -> str:
    """Header lines of the provider's answer as it leaves."""
    lines = (
        f"{ALWAYS}tongdao-record: {record}\r\ntongdao-request-hash: sha-256={digest};salt={salt.hex()}\r\n"
        f"server-timing: {timing}\r\n"
    )
    if reply.content_type:
        lines += f"content-type: {reply.content_type}\r\n"
    if reply.lines:
        passed = ((name, reply.lines.get(name, "")) for name in PASSED_ON)
        lines += "".join(f"{name}: {value}\r\n" for name, value in passed if _VALUE.fullmatch(value))
    if reply.replayed:
        lines += REPLAYED
    return lines


def trace_line(call: Call) -> bytes:
    trace = call.headers.get(b"traceparent", b"")
    return b"traceparent: " + trace + b"\r\n" if trace else b""


def timing(started: float, reply: ReplyMessage, hop_s: float) -> str:
    """Server-Timing in milliseconds: all of it, the exchange's part, the provider's part."""
    provider_ms = max(0, reply.answered_ms - reply.asked_ms) if reply.asked_ms else 0
    total_ms = (time.monotonic() - started) * 1000
    return f"gateway;dur={total_ms:.1f}, exchange;dur={hop_s * 1000:.1f}, provider;dur={provider_ms}"


@lru_cache(maxsize=4096)
def fields_digest(names: tuple[str, ...]) -> str:
    """Digest of the list of fields that left: sorted names, one a line."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest() if names else ""


def streams(allowed: Allow) -> bool:
    """Whether this interface passes bodies through as they come."""
    return allowed.route.interface.format == "binary"
