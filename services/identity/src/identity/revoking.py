"""Tokens that count no longer: kept here as long as one of them could be good, and carried to the catalog's feed.

`revoke` writes beside whatever made it necessary, in the same transaction. `Revoking.deliver` carries it on, at once
where somebody asks for it and every FLUSH_S otherwise; gateways have it within a second of the commit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
import structlog
from sqlalchemy import insert
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from identity.store import find_revocations, forget_revocations, keep_revocation, revocation_outbox
from identity.tokens import Holder
from runtime.http import AsyncClient, HTTPError
from runtime.outbox import Outbox
from runtime.service_auth import ServiceKey
from wire.catalog import Revocation
from wire.tokens import CLOCK_SKEW_S, LONGEST_LIFE_S, AccessToken

log = structlog.get_logger()
FLUSH_S = 0.2
LEEWAY_S = 60
"""How much longer than a token's life its revocation is kept: clocks differ."""
_TARGET = "/revocations"


def of_token(token_id: str, expires: int) -> Revocation:
    """The token with this `jti`, which runs out at the Unix second `expires`."""
    return Revocation(what="token", name=token_id, until=expires + LEEWAY_S)


def of_client(client_id: str, at: datetime) -> Revocation:
    """Every token that the client has got up to now."""
    return _all_of("client", client_id, at)


def of_person(subject: str, at: datetime) -> Revocation:
    """Every token that the person has got up to now; `subject` is the `sub` of their tokens."""
    return _all_of("person", subject, at)


def _all_of(what: Literal["client", "person"], name: str, at: datetime) -> Revocation:
    """A replica whose clock is ahead may have dated a token later than now, by no more than anybody would accept.

    What is issued after this is dated later still, see `last_revoked`.
    """
    before = int(at.timestamp()) + CLOCK_SKEW_S
    return Revocation(what=what, name=name, before=before, until=before + LONGEST_LIFE_S + LEEWAY_S)


def of_key(kid: str, at: datetime) -> Revocation:
    """Every token that our key with this `kid` has signed, or ever will."""
    return Revocation(what="key", name=kid, until=int(at.timestamp()) + LONGEST_LIFE_S + LEEWAY_S)


def last_revoked(transaction: Connection, holder: Holder) -> int:
    """The Unix second up to which tokens for this holder were revoked, 0 where none were; what is issued now has to be
    dated later. Gateways accept that from the second after the revocation on."""
    ids = {f"client/{holder.subject}", f"client/{holder.client}", f"person/{holder.subject}"}
    return max((row.before for row in transaction.execute(find_revocations(sorted(ids)))), default=0)


async def revoke(transaction: AsyncConnection, *revocations: Revocation, at: datetime) -> None:
    """Revoke these as soon as the transaction commits. The event for the log is the caller's."""
    for each in sorted(revocations, key=lambda each: each.id):  # in one order, so that no two wait for each other
        await keep_revocation(transaction, each)
        await transaction.execute(insert(revocation_outbox).values(event=msgspec.json.encode(each), written_at=at))


def revoked(transaction: Connection, token: AccessToken) -> str:
    """By what the token was revoked: `token`, `client`, `person` or `key`; "" for one that still counts."""
    names = [
        ("token", token.id), ("token", token.origin), ("key", token.key), ("client", token.client),
        ("client", token.actor), ("client", token.through), ("person", token.person),
    ]  # fmt: skip
    wanted = {f"{what}/{name}": what for what, name in names if name}
    for row in transaction.execute(find_revocations(list(wanted))):
        what = wanted[row.id]
        if what in ("token", "key") or token.issued <= row.before:
            return what
    return ""


class Revoking:
    """Carries revocations to the catalog."""

    def __init__(self, database: AsyncEngine, catalog: AsyncClient, key: ServiceKey) -> None:
        self._database = database
        self._catalog = catalog
        self._key = key
        self._outbox = Outbox(database, revocation_outbox, self._send)

    async def deliver(self) -> None:
        """Carry everything that is committed; where the catalog does not answer it waits for the next time."""
        try:
            await self._outbox.flush()
        except HTTPError as error:
            log.warning("revocations.waiting", error=type(error).__name__)

    async def _send(self, events: Sequence[bytes]) -> None:
        body = b"[" + b",".join(events) + b"]"
        headers = {**self._key.headers("POST", _TARGET, body), "Content-Type": "application/json"}
        answer = await self._catalog.post(_TARGET, content=body, headers=headers)
        answer.raise_for_status()

    async def forget(self, now: datetime) -> None:
        """Drop what no token could need any more."""
        async with self._database.begin() as transaction:
            await transaction.execute(forget_revocations(int(now.timestamp())))
