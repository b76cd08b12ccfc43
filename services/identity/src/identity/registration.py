"""Which client has which keys, scopes and standing, and who may say so.

Whoever registers hands on rights, so nobody hands on more than they have themselves: `call`, and the scopes of the
token that the request came with. The same holds for a client whose keys are replaced: whoever sets its keys can be it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from identity import ended_keys, events, revoking
from identity.keys import thumbprint, thumbprints
from identity.store import Client, load_client, save_client
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.outbox import Outbox
from wire import codes, scopes
from wire.catalog import Standing
from wire.tokens import AccessToken

OPERATOR = "platform-operator"
PLATFORM = "platform"
SKEW_S = 60
"""How much longer than allowed a key may be stated to last: clocks differ, and requests take their time."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who registers, and what they may hand on. through: the client that does it for them, "" for none."""

    id: str
    department: str
    scopes: frozenset[str]
    through: str = ""


class Registration:
    """The register of clients. key_life: how long a client's key lasts at most, and where nothing else is said."""

    def __init__(self, database: AsyncEngine, outbox: Outbox, key_life: timedelta) -> None:
        self.database = database
        self.outbox = outbox
        self._key_life_s = int(key_life.total_seconds())

    async def find(self, client_id: str) -> Client:
        """The client; raises Refusal(NOT_FOUND)."""
        async with self.database.connect() as connection:
            return await found(connection, client_id)

    async def register(self, client: Client, actor: Actor, at: datetime) -> tuple[Client, bool]:
        """Register or replace: the client as it is kept, and whether it is new.

        Its standing stays as it is. Raises Refusal(SCOPE_MISSING), Refusal(INVALID_REQUEST) for a key that lasts too
        long, and Refusal(CONFLICT) for one that had ended.
        """
        async with self.database.begin() as transaction:
            known = await load_client(transaction, client.id, for_update=True)
            check_may_hand_on(actor, client.scopes | (known.scopes if known else frozenset()))
            client = self._completed(client, known, at)
            if known != client:
                await self.keep(transaction, known, client, at)
                event = events.client_registered(
                    actor=actor.id, department=actor.department, client=client.id, of=client.department,
                    scope=client.scope, method=client.method, keys=thumbprints(client.keys), at=at,
                    through=actor.through,
                )  # fmt: skip
                await self.outbox.write(transaction, event, at)
        return client, known is None

    async def keep(self, transaction: AsyncConnection, known: Client | None, client: Client, at: datetime) -> None:
        """What is registered instead of `known`. Keys that it has no longer never come back: Refusal(CONFLICT)."""
        before = known.keys if known else []
        await ended_keys.check_new(transaction, client.id, before, client.keys, at)
        await save_client(transaction, client, at)
        kept = {key["x"] for key in client.keys}
        await ended_keys.remember(transaction, client.id, [key for key in before if key["x"] not in kept], at)

    def _completed(self, client: Client, known: Client | None, at: datetime) -> Client:
        """With the standing that it has, and an end for every key: the one it has, or the longest that there is."""
        ends = {thumbprint(key): key.get("until") for key in known.keys} if known else {}
        keys = [self.ending(key, at, ends.get(thumbprint(key))) for key in client.keys]
        client = replace(client, keys=keys)
        if known is None:
            return client
        return replace(
            client, standing=known.standing, standing_since=known.standing_since, standing_by=known.standing_by
        )

    def ending(self, key: Mapping[str, Any], at: datetime, known: int | None = None) -> dict[str, Any]:
        """The key with its end: what it states, `known`, or the longest; raises Refusal(INVALID_REQUEST)."""
        now = int(at.timestamp())
        until = int(key.get("until") or known or now + self._key_life_s)
        if until != known and not now < until <= now + self._key_life_s + SKEW_S:
            wrong = f"a key lasts until a time after {now} and at most {self._key_life_s // 86400} days later"
            raise Refusal(INVALID_REQUEST, wrong, errors=[{"path": "/body/until", "error": wrong}])
        return {**key, "until": until}

    async def register_operator(self, client: Client, at: datetime) -> None:
        """Register the first client of all. If it is there, its keys stay as they were changed since, and its scopes
        become those of this release: otherwise nobody could hand on a scope that came later."""
        async with self.database.connect() as connection:
            known = await load_client(connection, client.id)
        if known is not None:
            client = replace(known, scopes=known.scopes | client.scopes)
        if client != known:
            await self.register(client, Actor(events.OURSELVES, PLATFORM, client.scopes), at)

    async def set_standing(
        self, client_id: str, standing: Standing, actor: Actor, *, reason: str, at: datetime
    ) -> Client:
        """Suspend, resume or revoke; its tokens count no longer. The same again changes nothing.

        Raises Refusal(NOT_FOUND), Refusal(SCOPE_MISSING) for a client with more rights than the actor has, and
        Refusal(CONFLICT) for one that was revoked: that is for ever. The operator's own client stays: without it nobody
        could put things right.
        """
        async with self.database.begin() as transaction:
            known = await found(transaction, client_id, for_update=True)
            check_may_hand_on(actor, known.scopes)
            if client_id == OPERATOR and standing != "active":
                raise Refusal(codes.CONFLICT, f"{OPERATOR} cannot be suspended or revoked; replace its keys instead")
            if known.standing == standing:
                return known
            if known.standing == "revoked":
                raise Refusal(codes.CONFLICT, f"client {client_id} was revoked; register another one")
            client = replace(known, standing=standing, standing_since=at, standing_by=actor.id)
            await save_client(transaction, client, at)
            if standing != "active":
                await revoking.revoke(transaction, revoking.of_client(client_id, at), at=at)
            event = events.client_standing(
                actor=actor.id, department=actor.department, client=client_id, of=client.department,
                standing=standing, reason=reason, at=at, through=actor.through,
            )  # fmt: skip
            await self.outbox.write(transaction, event, at)
        return client


async def found(transaction: AsyncConnection, client_id: str, *, for_update: bool = False) -> Client:
    """The client; raises Refusal(NOT_FOUND)."""
    client = await load_client(transaction, client_id, for_update=for_update)
    if client is None:
        raise Refusal(codes.NOT_FOUND, f"no client {client_id}")
    return client


def actor_of(token: AccessToken) -> Actor:
    """Who registers; for a person, that person."""
    return Actor(token.client, token.department, token.scopes, token.actor or token.through)


def check_may_hand_on(actor: Actor, wanted: frozenset[str]) -> None:
    """Raise Refusal(SCOPE_MISSING) where the actor lacks one of these scopes."""
    missing = " ".join(sorted(wanted - actor.scopes - {scopes.CALL}))
    if missing:
        raise Refusal(codes.SCOPE_MISSING, f"nobody hands on scopes that they lack: {missing}", scope=missing)


def operator(keys: Sequence[dict[str, Any]]) -> Client:
    """The client with every right that `tongdao up` works with."""
    return Client(OPERATOR, PLATFORM, frozenset(scopes.ALL), "private_key_jwt", keys)
