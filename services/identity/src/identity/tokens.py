"""Claims and lifetimes: what an access token says, and what a client assertion has to say.

Pure: no I/O, no clock, no framework. Signatures are verified before anything here is asked.
Source: RFC 9068 section 2.2 (access tokens), RFC 7523 section 3 and RFC 10070 (assertions, sole audience).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_ASSERTION_S = 300
"""How far ahead `exp` of an assertion may lie."""
SKEW_S = 10
"""How far a client's clock may be ahead of ours: `iat` and `nbf` may lie so far in the future."""
OLDEST_IAT_S = 600
LONGEST_JTI = 256
PERSON = "person:"
"""How the subject of a person's token begins."""
ASSERTION_TYPES = (None, "JWT", "client-authentication+jwt")
LONGEST_DESCRIPTION = 300
_OUTSIDE_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an assertion: one word for the log, one sentence for the client that proved its key."""

    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Holder:
    """For whom a token is (RFC 9068 section 2.2).

    subject     `sub`: the system itself, the system acted for (RFC 8693 section 4.1), or "person:…"
    client      `client_id`: who gets the token
    department  of the subject
    """

    subject: str
    client: str
    department: str

    @property
    def actor(self) -> str:
        """The client that acts for another system, "" where nobody does."""
        return "" if self.subject == self.client or self.subject.startswith(PERSON) else self.client


def access_claims(
    holder: Holder, *, issuer: str, audience: str, scope: str, token_id: str, issued: int, expires: int,
    bound: Mapping[str, str] | None = None, origin: str = "",
) -> dict[str, object]:  # fmt: skip
    """Claims of an access token (RFC 9068 section 2.2); times are Unix seconds.

    bound   what it is tied to, as in `cnf` (RFC 7800)
    origin  `jti` of the token that was given for it, with which it is revoked; "" where none was
    """
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": holder.subject,
        "aud": audience,
        "client_id": holder.client,
        "department": holder.department,
        "scope": scope,
        "iat": issued,
        "exp": expires,
        "jti": token_id,
    }
    if holder.actor:
        claims["act"] = {"sub": holder.actor}
    if origin:
        claims["origin_jti"] = origin
    return {**claims, "cnf": dict(bound)} if bound else claims


def check_assertion(
    header: Mapping[str, object], claims: Mapping[str, object], *, client: str, issuer: str, now: float
) -> Fault | None:
    """The first thing that is wrong with the assertion of `client`, or None. `now` is Unix seconds."""
    if header.get("typ") not in ASSERTION_TYPES:
        return _fault("typ", header.get("typ"), "nothing, JWT or client-authentication+jwt")
    for name in ("iss", "sub"):
        if claims.get(name) != client:
            return _fault(name, claims.get(name), client)
    if claims.get("aud") not in (issuer, [issuer]):
        return _fault("aud", claims.get("aud"), f"{issuer} and nothing else")
    return _check_times(claims, now) or _check_id(claims.get("jti"))


def _check_times(claims: Mapping[str, object], now: float) -> Fault | None:
    expires = claims.get("exp")
    if type(expires) is not int:
        return _fault("exp", expires, "whole Unix seconds")
    if not now < expires <= now + LONGEST_ASSERTION_S:
        return _fault("exp", expires, f"a time after {int(now)} and at most {LONGEST_ASSERTION_S} s later")
    for name in ("iat", "nbf"):
        moment = claims.get(name)
        if moment is None:
            continue
        if type(moment) is not int:
            return _fault(name, moment, "whole Unix seconds")
        if not now - OLDEST_IAT_S <= moment <= now + SKEW_S:
            return _fault(name, moment, f"a time from {int(now) - OLDEST_IAT_S} to {int(now) + SKEW_S}")
    return None


def _check_id(token_id: object) -> Fault | None:
    if not isinstance(token_id, str) or not 0 < len(token_id) <= LONGEST_JTI:
        return _fault("jti", token_id, f"a text of 1 to {LONGEST_JTI} characters, used once")
    return None


def _fault(claim: str, got: object, expected: str) -> Fault:
    shown = "nothing" if got is None else str(got)[:120]
    return Fault(claim, f"assertion {claim}: expected {expected}; got {shown}")


def digest(*parts: str) -> bytes:
    """SHA-256 over parts that cannot run into one another."""
    return hashlib.sha256("\0".join(parts).encode()).digest()


def described(text: str) -> str:
    """`text` with only the characters that an error_description may have (RFC 6749 section 5.2)."""
    return _OUTSIDE_DESCRIPTION.sub("?", text)[:LONGEST_DESCRIPTION]
