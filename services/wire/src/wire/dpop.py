"""Proofs of possession (DPoP): one signed statement per request that its sender holds the key of the token.

Pure: whether a proof was used before is for a store to say (`Proof.digest`). Source: RFC 9449 sections 4.2, 4.3, 8, 11.
"""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from wire.jose import InvalidKey, InvalidToken, PublicKey, check_signature, public_key, read_with_key

TYPE = "dpop+jwt"
WINDOW_S = 60
"""How far `iat` of a proof may lie from our clock, either way."""
NONCE_S = 60
LONGEST_JTI = 256
_PORTS = {"http": 80, "https": 443}


class InvalidProof(Exception):
    """This proves nothing; the message says why, and may be told: whoever sent it wrote it."""


class NonceWanted(InvalidProof):
    """The proof has no nonce of ours, or an old one."""


class Proof(msgspec.Struct, frozen=True):
    """What a good proof leaves behind.

    thumbprint  of the key that signed it (RFC 7638)
    digest      SHA-256 over thumbprint and `jti`, 32 bytes: whoever has seen it before refuses the proof
    until       Unix seconds after which the digest may be forgotten
    """

    thumbprint: str
    digest: bytes
    until: int


class Nonces:
    """Nonces that every replica with the same key agrees on without asking anybody (RFC 9449 section 8)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def current(self, now: float) -> str:
        """The nonce of this minute. `now` is Unix seconds."""
        return self._of(int(now) // NONCE_S)

    def good(self, nonce: str, now: float) -> bool:
        """Whether it is the nonce of this minute or of the one before."""
        window = int(now) // NONCE_S
        given = nonce.encode("utf-8", "replace")
        matches = [hmac.compare_digest(given, self._of(at).encode()) for at in (window, window - 1)]
        return any(matches)

    def _of(self, window: int) -> str:
        return _text(hmac.digest(self._key, b"%d" % window, "sha256"))


def check(
    proof: str, *, method: str, url: str, now: float, token: str = "", jkt: str = "", nonces: Nonces | None = None
) -> Proof:
    """The proof, if it is a good one for this request; raises InvalidProof, NonceWanted, and InvalidToken for `jkt`.

    url     address of the request as its sender knows it; query and fragment do not count
    now     Unix seconds
    token   the access token that came along, "" at the token endpoint
    jkt     thumbprint that the token is bound to; a proof by another key is not looked at any further
    nonces  given where a proof has to name one
    """
    try:
        header, claims = read_with_key(proof)
    except InvalidToken:
        raise InvalidProof("not one signed JWT with an algorithm of ours") from None
    if header.get("typ") != TYPE:
        raise InvalidProof(f"typ: expected {TYPE}")
    key = _key_of(header)
    thumbprint = key.thumbprint()
    if jkt and thumbprint != jkt:
        raise InvalidToken("another key", "bound to another key than the one that signed the proof")
    try:
        check_signature(proof, header["alg"], key)
    except InvalidToken:
        raise InvalidProof("the signature does not fit the key in the header") from None
    _check_request(claims, method, url)
    _check_time(claims.get("iat"), now)
    _check_token(claims.get("ath"), token)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        raise InvalidProof(f"jti: expected a text of 1 to {LONGEST_JTI} characters")
    if nonces is not None:
        _check_nonce(claims.get("nonce"), nonces, now)
    digest = hashlib.sha256(f"{thumbprint}\0{jti}".encode()).digest()
    return Proof(thumbprint, digest, int(claims["iat"]) + 2 * WINDOW_S)


def token_hash(token: str) -> str:
    """`ath`: SHA-256 of the access token in base64url (RFC 9449 section 4.2)."""
    return _text(hashlib.sha256(token.encode()).digest())


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _key_of(header: dict[str, Any]) -> PublicKey:
    try:
        return public_key(header.get("jwk"))
    except InvalidKey as error:
        raise InvalidProof(f"jwk: {error}") from None


def _check_request(claims: dict[str, Any], method: str, url: str) -> None:
    if claims.get("htm") != method:
        raise InvalidProof(f"htm: expected {method}")
    expected, stated = _address(url), claims.get("htu")
    if not isinstance(stated, str) or _address(stated) != expected:
        raise InvalidProof(f"htu: expected {expected}")


def _address(url: str) -> str:
    """Scheme, host and path in one spelling (RFC 3986 section 6.2); "" for what is no address."""
    try:
        parts: SplitResult = urlsplit(url)
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        return ""
    if not parts.hostname or "@" in parts.netloc or not url.isascii() or any(char <= " " for char in url):
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port == _PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{shown}{parts.path or '/'}"


def _check_time(issued: object, now: float) -> None:
    if type(issued) is not int or not now - WINDOW_S <= issued <= now + WINDOW_S:  # of any size: no arithmetic
        raise InvalidProof(f"iat: expected whole Unix seconds, at most {WINDOW_S} from {int(now)}")


def _check_token(stated: object, token: str) -> None:
    if not token:
        return
    given = stated.encode("utf-8", "replace") if isinstance(stated, str) else b""
    if not hmac.compare_digest(given, token_hash(token).encode()):
        raise InvalidProof("ath: expected the hash of the access token that came along")


def _check_nonce(stated: object, nonces: Nonces, now: float) -> None:
    if not isinstance(stated, str) or not nonces.good(stated, now):
        raise NonceWanted("nonce: expected the one in DPoP-Nonce")
