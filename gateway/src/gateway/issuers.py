"""Other issuers whose tokens open this door, for the systems that the operator named: any OIDC provider.

Their addresses come from discovery (OpenID Connect Discovery 1.0 section 4). Such a token may do one thing: call. Its
audience has to be ours, and its system one that the catalog knows; what that may ask for is said by its grants.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from annotated_types import Ge, Le
from pydantic import BaseModel, field_validator

from runtime.http import AsyncClient
from wire import scopes
from wire.tokens import AccessToken, Issuer, Keys, bound_to, text_of, wrong

LONGEST_DOCUMENT = 256 * 1024
TYPES = ("at+jwt", "application/at+jwt", "jwt")


class External(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """One issuer, as the operator states it."""

    issuer: str
    """Exactly as in `iss` of its tokens; below it lies /.well-known/openid-configuration."""
    audience: str
    """What `aud` of tokens for us names."""
    systems: dict[str, str]
    """Client id over there -> system here."""
    client_claim: str = "azp"
    """Claim with the client id: `azp` with Keycloak, `client_id` after RFC 9068, `appid` elsewhere."""
    scope_claim: str = "scope"
    """Claim with what the token is for: words with spaces, or a list."""
    call_scope: str = ""
    """The word in it that allows calls; empty where every token for our audience may call."""
    longest_life_s: Annotated[int, Ge(60), Le(3600)] = 3600
    """Longest life of a token that is taken."""

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        return safe_address(value)


def safe_address(url: str) -> str:
    """The address, if nobody on the way can change what it answers: https, or loopback; raises ValueError."""
    parts = urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment or not parts.hostname:
        raise ValueError("not a plain address")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("neither https nor loopback")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def issuers(stated: Sequence[External], client: AsyncClient) -> list[Issuer]:
    """What the verifier needs of each. `client` follows no redirects and has no address of its own."""
    return [
        Issuer(
            one.issuer, one.audience, Keys(_fetching(one, client), rs256=True), _reading(one), TYPES,
            one.longest_life_s,
        )
        for one in stated
    ]  # fmt: skip


def _fetching(stated: External, client: AsyncClient) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Discovery, then keys: an address that moved is found at the next fetch."""

    async def fetch() -> dict[str, Any]:
        discovered = await _document(client, stated.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if discovered.get("issuer") != stated.issuer:
            raise ValueError("the discovery document is another issuer's")
        return await _document(client, safe_address(str(discovered.get("jwks_uri"))))

    return fetch


async def _document(client: AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as answer:
        if answer.status_code != 200:
            raise ValueError(f"status {answer.status_code}")
        body = b""
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > LONGEST_DOCUMENT:
                raise ValueError("the document is too long")
    document: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    return document


def _reading(stated: External) -> Callable[[dict[str, Any]], AccessToken]:
    def read(payload: dict[str, Any]) -> AccessToken:
        there = text_of(payload, stated.client_claim)
        system = stated.systems.get(there)
        if system is None:
            raise wrong(stated.client_claim, f"{there[:120]} stands for no system here")
        return AccessToken(
            client=system, department="", scopes=_scopes(stated, payload.get(stated.scope_claim)),
            expires=payload["exp"], id=str(payload.get("jti") or ""), issued=payload["iat"], issuer=stated.issuer,
            **bound_to(payload),
        )  # fmt: skip

    return read


def _scopes(stated: External, said: object) -> frozenset[str]:
    words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    may_call = not stated.call_scope or stated.call_scope in words
    return frozenset({scopes.CALL}) if may_call else frozenset()
