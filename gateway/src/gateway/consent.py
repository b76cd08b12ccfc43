"""The consent of the person concerned (当事人授权): a token that the catalog issued once, for one call.

What it says is checked here before the intent; that it is used up is put down at the catalog between the intent and the
question, and taken back where no provider was asked. A call that is made again with the same Idempotency-Key is another
call: the consent that the first one used is used, and even the kept answer needs a new one. As strict as access tokens
are (wire.tokens), with keys, `typ` and length of its own. Source: 德清 14; 个人信息保护法 14, 15; RFC 7519, RFC 8725.
"""

import asyncio
import re
from typing import Any

import msgspec
import structlog

from gateway.policy.model import Allow
from runtime.errors import Refusal
from runtime.http import AsyncClient, HTTPError
from runtime.service_auth import ServiceKey
from wire import codes, tokens
from wire.audit import CallLeaf
from wire.subjects import PATTERN
from wire.tokens import InvalidToken, Keys

log = structlog.get_logger()
TYPE = "consent+jwt"
LONGEST_TOKEN = 8192
PATIENCE_S = 2.0
"""How long a call waits for the catalog, once to use a consent, once more to give it back."""
JWKS = "/consents/jwks"
"""Where the catalog publishes the keys of consents."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_SUBJECT = re.compile(PATTERN)
_REFUSED = {
    code.name: code
    for code in (
        codes.CONSENT_USED, codes.CONSENT_REVOKED, codes.CONSENT_EXPIRED, codes.CONSENT_INVALID,
        codes.CONSENT_NOT_FOR_THIS,
    )
}  # fmt: skip
"""What the catalog may say of a consent whose token is good."""


class Consent(msgspec.Struct, frozen=True):
    """What a verified token says: who consents (a pseudonym, see wire.subjects) that which system asks for what."""

    id: str
    subject: str
    system: str
    interface: str
    purpose: str
    fields: tuple[str, ...]


class Reader:
    """Reads tokens of one issuer for one audience."""

    def __init__(self, issuer: str, audience: str, keys: Keys) -> None:
        self._issuer = issuer
        self._audience = audience
        self.keys = keys

    def read(self, token: str, now: float) -> Consent:
        """What the token says; raises InvalidToken, UnknownKey (then refresh the keys and try once more), and
        Refusal(CONSENT_EXPIRED) for one that was ours. `now` is Unix seconds.
        """
        payload = tokens.signed(token, self.keys, (TYPE,), LONGEST_TOKEN)
        self._check(payload, now)
        return _consent(payload)

    def _check(self, payload: dict[str, Any], now: float) -> None:
        if payload.get("iss") != self._issuer or payload.get("aud") not in (self._audience, [self._audience]):
            raise InvalidToken("issuer or audience")
        if "cnf" in payload:  # bound to a key or certificate, which nobody here can look at
            raise InvalidToken("a bound token")
        issued, expires, begins = payload.get("iat"), payload.get("exp"), payload.get("nbf", 0)
        if not (type(issued) is type(expires) is type(begins) is int):
            raise InvalidToken("iat, exp or nbf")
        if now < max(issued, begins) - tokens.CLOCK_SKEW_S:
            raise InvalidToken("not yet valid")
        if now >= expires:
            raise Refusal(codes.CONSENT_EXPIRED)


def _consent(payload: dict[str, Any]) -> Consent:
    names, fields = ("jti", "subject", "system", "interface", "purpose"), payload.get("fields")
    texts = [payload.get(name) for name in names]
    if not isinstance(fields, list) or not all(isinstance(text, str) for text in (*texts, *fields)):
        raise InvalidToken("a claim is missing")
    number, subject, system, interface, purpose = (str(text) for text in texts)
    if not _ID.fullmatch(number) or not _SUBJECT.fullmatch(subject):
        raise InvalidToken("jti or subject has another form")
    return Consent(number, subject, system, interface, purpose, tuple(fields))


def narrowed(granted: list[str], consented: tuple[str, ...]) -> list[str]:
    """The names that both allow, in the grant's order. A name allows all that lies below it, "*" everything."""
    inside = [name for name in granted if _allows(consented, name)]
    below = [name for name in dict.fromkeys(consented) if name not in inside and _allows(granted, name)]
    return inside + below


def _allows(names: list[str] | tuple[str, ...], name: str) -> bool:
    return any(one in ("*", name) or name.startswith(one + ".") for one in names)


class Consents:
    """Consents as calls need them."""

    def __init__(self, reader: Reader, catalog: AsyncClient, key: ServiceKey) -> None:
        self._reader = reader
        self._catalog = catalog
        self._key = key

    # --- before the intent
    async def check(self, token: str, allowed: Allow, subject: str, now: float) -> tuple[str, Allow]:
        """The consent's id, and the decision with the fields that it leaves; raises Refusal.

        subject  the pseudonym of whom this call asks about, "" where it names nobody
        """
        consent = await self._read(token, now)
        grant = allowed.rule.grant
        said = (consent.system, consent.interface, consent.purpose, consent.subject)
        asked = (grant.system, grant.interface, grant.purpose, subject)
        for what, one, other in zip(("system", "interface", "purpose", "person"), said, asked, strict=True):
            if one != other:
                raise Refusal(codes.CONSENT_NOT_FOR_THIS, f"another {what}")
        fields = narrowed(grant.fields, consent.fields)
        if not fields or (allowed.route.interface.format == "binary" and fields != grant.fields):
            raise Refusal(codes.CONSENT_NOT_FOR_THIS, "not for what is granted; a file is released whole")
        return consent.id, allowed if fields == grant.fields else msgspec.structs.replace(allowed, narrowed=fields)

    async def _read(self, token: str, now: float) -> Consent:
        try:
            return await self._reader.keys.tried(lambda: self._reader.read(token, now))
        except InvalidToken as invalid:
            log.info("consent.refused", reason=str(invalid))
            raise Refusal(codes.CONSENT_INVALID) from None

    # --- after the intent
    async def use(self, leaf: CallLeaf) -> None:
        """Put down that this call uses its consent up; raises Refusal where that cannot be, or nobody knows."""
        interface = f"{leaf.interface}/{leaf.version}"
        said = {"call": leaf.call, "system": leaf.system, "interface": interface, "grant": leaf.grant}
        status, code = await self._tell(leaf.consent, "use", said)
        if status == 204:
            return
        if code in _REFUSED:
            raise Refusal(_REFUSED[code])
        await self.release(leaf)  # it may have been put down, and nothing will be asked
        raise Refusal(codes.SERVICE_UNREACHABLE, "the consent could not be put down as used", retry_after=1)

    async def release(self, leaf: CallLeaf) -> None:
        """No provider was asked: the consent may be used again. What fails here is logged, the consent stays used."""
        status, code = await self._tell(leaf.consent, "release", {"call": leaf.call})
        if status != 204:
            log.warning("consent.not_released", consent=leaf.consent, call=leaf.call, status=status, code=code)

    async def _tell(self, consent: str, what: str, said: dict[str, str]) -> tuple[int, str]:
        """Status and code of the catalog's answer, 0 where there was none."""
        target, body = f"/consents/{consent}/{what}", msgspec.json.encode(said)
        headers = {"Content-Type": "application/json", **self._key.headers("POST", target, body)}
        asking = asyncio.wait_for(self._catalog.post(target, content=body, headers=headers), PATIENCE_S)
        try:
            answer = await asyncio.ensure_future(asking)  # the fast lane has no task of its own
        except (HTTPError, TimeoutError) as error:
            log.warning("consent.catalog_away", consent=consent, step=what, error=type(error).__name__)
            return 0, ""
        return answer.status_code, _code(answer.content)


def _code(body: bytes) -> str:
    """The member `code` of a problem document, "" where there is none."""
    try:
        return msgspec.json.decode(body, type=_Problem).code
    except msgspec.DecodeError:
        return ""


class _Problem(msgspec.Struct):
    code: str = ""
