"""What a credential has to be before it is kept: mistakes are told to whoever puts it, not to whoever calls. Pure.

Messages name the member and what is wrong with it, and never say what stands there.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from exchange_service.credentials.model import (
    KINDS,
    ApiKey,
    Basic,
    Certificate,
    Credential,
    Hmac,
    OAuthClient,
    PrivateKey,
)
from exchange_service.credentials.tls import check_certificate
from relay.egress import RULES, Egress, mistake_in_url

Mistake = tuple[str, str, str]
"""Member, what is wrong, and the rule where it leads to a forbidden place ("" for any other mistake)."""
SHORTEST_SECRET = 16
LONGEST = 4096
LONGEST_PEM = 32 * 1024
_PEM_MEMBERS = frozenset({"certificate", "key", "authorities"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # RFC 9110 section 5.6.2
_NAME = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_LATIN = re.compile(r"[\x21-\x7e\xa0-\xff](?:[\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
KEY_KINDS = ("ssh-", "ecdsa-", "sk-")
OURS = frozenset(
    (
        "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect",
        "host", "idempotency-key", "keep-alive", "range", "te", "traceparent", "tracestate", "trailer",
        "transfer-encoding", "upgrade", "user-agent",
    )
)  # fmt: skip
"""Header fields that the exchange itself writes, or that would change how a request is read."""


def mistakes_in(credential: Credential, egress: Egress) -> Iterator[Mistake]:
    """Everything that is wrong with a credential."""
    for member in credential.__struct_fields__:
        yield from _in_text(member, str(getattr(credential, member)))
    match credential:
        case Basic():
            yield from _wanted("user", bool(credential.user), "is empty")
            yield from _in_host_key(credential.host_key)
        case ApiKey():
            yield from _in_api_key(credential)
        case OAuthClient():
            yield from _in_oauth(credential, egress)
        case Certificate():
            yield from _in_certificate(credential)
        case Hmac():
            yield from _wanted("key_id", bool(_NAME.fullmatch(credential.key_id)), "has letters, digits and ._~- only")
            long_enough = len(credential.secret) >= SHORTEST_SECRET
            yield from _wanted("secret", long_enough, f"has at least {SHORTEST_SECRET} characters")
        case PrivateKey():
            yield from _wanted("user", bool(credential.user), "is empty")
            yield from _wanted("key", _is_private_key(credential.key), "is an OpenSSH or PEM key without a password")
            yield from _in_host_key(credential.host_key)


def wanted_members(told: Any) -> tuple[str, str]:
    """What has to be told instead of this (JSON that is no credential), in Chinese and English: names alone."""
    kind = told.get("kind") if isinstance(told, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        kinds = ", ".join(KINDS)
        return f"须为含 kind 的 JSON 对象，kind 取值：{kinds}", f"a JSON object with kind: one of {kinds}"
    fields = msgspec.structs.fields(KINDS[kind])
    needed = ", ".join(field.name for field in fields if field.required)
    others = ", ".join(field.name for field in fields if not field.required) or "–"
    return (
        f"{kind} 的成员均为文本，必填：{needed}；可选：{others}；不得有其他成员",
        f"the members of {kind} are texts. Needed: {needed}; optional: {others}; no others",
    )


def _in_text(member: str, text: str) -> Iterator[Mistake]:
    is_pem = member in _PEM_MEMBERS
    if len(text) > (LONGEST_PEM if is_pem else LONGEST):
        yield member, "is too long", ""
    if not is_pem and _CONTROL.search(text):
        yield member, "has control characters", ""
    if any("\ud800" <= c <= "\udfff" for c in text):
        yield member, "has half characters", ""


def _wanted(member: str, is_so: bool, wanted: str) -> Iterator[Mistake]:
    if not is_so:
        yield member, wanted, ""


def _in_api_key(credential: ApiKey) -> Iterator[Mistake]:
    yield from _wanted("header", bool(credential.header) != bool(credential.query), "either header or query is named")
    if credential.header:
        name = credential.header.lower()
        is_free = bool(_TOKEN.fullmatch(name)) and name not in OURS and not name.startswith("tongdao-")
        yield from _wanted("header", is_free, "is the name of a header field that the exchange does not write itself")
        yield from _wanted("value", bool(_LATIN.fullmatch(credential.value)), "cannot stand in a header field")
    elif credential.query:
        yield from _wanted("query", bool(_NAME.fullmatch(credential.query)), "has letters, digits and ._~- only")
        yield from _wanted("value", bool(credential.value), "is empty")


def _in_oauth(credential: OAuthClient, egress: Egress) -> Iterator[Mistake]:
    loopback, forbidden = egress.allow_loopback, egress.forbidden_networks
    rule = mistake_in_url(credential.token_url, ("https", "http"), loopback=loopback, forbidden=forbidden)
    if rule:
        yield "token_url", RULES[rule], rule
    yield from _wanted("client_id", bool(credential.client_id), "is empty")
    yield from _wanted("client_secret", bool(credential.client_secret), "is empty")


def _in_certificate(credential: Certificate) -> Iterator[Mistake]:
    try:
        check_certificate(credential)
    except ValueError as mistake:
        yield "certificate", str(mistake), ""


def _in_host_key(line: str) -> Iterator[Mistake]:
    if not line:
        return
    try:
        load_ssh_public_key(public_key_in(line).encode())
    except (ValueError, UnicodeEncodeError, UnsupportedAlgorithm):
        yield "host_key", "is a server's public key as it stands in known_hosts, of a usual kind", ""


def public_key_in(line: str) -> str:
    """Kind and key, without the hosts before them and the comment behind. Raises ValueError where there is none."""
    words = line.split()
    at = next((n for n, word in enumerate(words) if word.startswith(KEY_KINDS)), -1)
    if at < 0 or len(words) < at + 2 or words[0].startswith("@"):
        raise ValueError("no public key")
    return f"{words[at]} {words[at + 1]}"


def _is_private_key(key: str) -> bool:
    for load in (load_ssh_private_key, load_pem_private_key):
        try:
            load(key.encode("utf-8", "replace"), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        return True
    return False
