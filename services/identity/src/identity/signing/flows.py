"""Signing keys over their life: taken in or made at the first start, followed by every replica, rotated.

A planned rotation publishes the new key first and lets it sign later; nothing that was signed stops being good. One at
once is for a key that somebody else may have: the old keys are gone and revoked with the commit, and so is every token
that they signed. Replicas read the table every second, and whoever changes it holds an advisory lock.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from identity import events
from identity.keys import SigningKeys, new_signing_key
from identity.signing import store
from identity.signing.model import KEPT, SigningKey, in_order, is_due, newest, waits
from runtime.clock import Clock
from runtime.errors import Refusal
from runtime.outbox import Outbox
from runtime.seal import Seal
from wire import codes
from wire.catalog import Revocation

log = structlog.get_logger()
TICK_S = 1.0
REVOKED = timedelta(days=1)
"""How long a key that was dropped at once is named as revoked: who has it can sign at any time, until the last of those
who check tokens has fetched our keys again, which they do with the first token of the new key."""
STALE = timedelta(seconds=10)
"""How old what this process knows of the keys may be; a new key is published for longer before it signs."""
SCHEDULED = "scheduled"
Revoke = Callable[..., Awaitable[None]]
"""`identity.revoking.revoke`."""


@dataclass(frozen=True, slots=True)
class By:
    """Who rotates, and why. through: the client that acts for it, "" for none."""

    client: str
    department: str
    reason: str
    through: str = ""


class CannotSign(RuntimeError):
    """This process has no key with which it may sign."""


class Rotation:
    """The signing keys of this installation; `keys` is what this process signs with and publishes."""

    def __init__(
        self, database: AsyncEngine, seal: Seal, keys: SigningKeys, outbox: Outbox, revoke: Revoke, *,
        clock: Clock, every: timedelta, ahead: timedelta, ourselves: By,
    ) -> None:  # fmt: skip
        self._database = database
        self._seal = seal
        self._keys = keys
        self._outbox = outbox
        self._revoke = revoke
        self._clock = clock
        self._every = every
        self._ahead = ahead
        self._ourselves = ourselves
        self._known: list[SigningKey] = []
        self._known_at = clock.now()
        self._taken: list[str] = []

    async def begin(self, first: Sequence[Mapping[str, Any]] = ()) -> None:
        """Know the keys, at the first start of all those of `first` (private JWKs, of which the first one signs) or a
        new one. Raises runtime.seal.CannotOpen, and ValueError for keys that cannot sign."""
        async with self._database.begin() as transaction:
            await store.lock(transaction)
            if not await store.find_keys(transaction, self._seal, self._known):
                await self._take_in(transaction, [dict(key) for key in first])
        await self._look()

    async def _take_in(self, transaction: AsyncConnection, first: Sequence[dict[str, Any]]) -> None:
        at = self._clock.now()
        jwks = list(first) or [new_signing_key(at)]
        published = SigningKeys({"keys": jwks}).public()["keys"]  # which names those that have no name
        for n, (jwk, public) in enumerate(zip(jwks, published, strict=True)):
            key = SigningKey(
                kid=public["kid"], jwk={**jwk, "kid": public["kid"]}, made_at=at,
                signs_from=at - timedelta(seconds=n), ends_at=at + KEPT if n else None,
            )  # fmt: skip
            await store.add_key(transaction, self._seal, key)
        log.info("signing_keys.taken_in", keys=len(jwks))

    async def tick(self) -> None:
        """Know what others changed, and rotate where it is time; called every TICK_S on every replica."""
        await self._look()
        at = self._clock.now()
        if is_due(self._known, at, self._every) or any(key.ends_at and key.ends_at <= at for key in self._known):
            await self._keep_up()

    async def _keep_up(self) -> None:
        async with self._database.begin() as transaction:
            await store.lock(transaction)
            at = self._clock.now()
            await store.drop_ended(transaction, at)
            known = await store.find_keys(transaction, self._seal, self._known)
            if is_due(known, at, self._every):  # nobody was faster
                await self._add(transaction, at, at + self._ahead, self._ourselves)
        await self._look()

    async def _look(self) -> None:
        async with self._database.connect() as connection:
            self._known = await store.find_keys(connection, self._seal, self._known)
        self._known_at = self._clock.now()
        published = self.published()
        if [key.kid for key in published] != self._taken:
            self._keys.take({"keys": [key.jwk for key in published]})
            self._taken = [key.kid for key in published]

    async def rotate(self, by: By, *, at_once: bool) -> SigningKey:
        """The next key; raises Refusal(CONFLICT) while one waits for its time, unless `at_once`."""
        async with self._database.begin() as transaction:
            await store.lock(transaction)
            at = self._clock.now()
            if at_once:
                gone = sorted(await store.drop_all(transaction))
                until = int((at + REVOKED).timestamp())
                revoked = [Revocation(what="key", name=kid, until=until) for kid in gone]
                await self._revoke(transaction, *revoked, at=at)
                key = await self._add(transaction, at, at, by, gone)
            else:
                known = await store.find_keys(transaction, self._seal, self._known)
                if waits(known, at) and (last := newest(known)):
                    raise Refusal(codes.CONFLICT, f"key {last.kid} waits until {last.signs_from:%Y-%m-%dT%H:%M:%SZ}")
                key = await self._add(transaction, at, at + self._ahead, by)
        await self._look()
        return key

    async def _add(
        self, transaction: AsyncConnection, at: datetime, signs_from: datetime, by: By, gone: Sequence[str] = ()
    ) -> SigningKey:
        await store.end_newest(transaction, signs_from + KEPT)
        jwk = new_signing_key(at)
        key = SigningKey(kid=jwk["kid"], jwk=jwk, made_at=at, signs_from=signs_from)
        await store.add_key(transaction, self._seal, key)
        event = events.signing_key_rotated(
            actor=by.client, department=by.department, kid=key.kid, signs_from=signs_from, dropped=gone,
            reason=by.reason, through=by.through, at=at,
        )  # fmt: skip
        await self._outbox.write(transaction, event, at)
        log.info("signing_key.rotated", kid=key.kid, dropped=len(gone))
        return key

    def check_signs(self) -> None:
        """Raise CannotSign unless a key of ours may sign now, as the table said a moment ago."""
        at = self._clock.now()
        if at - self._known_at > STALE:
            raise CannotSign(f"signing keys were last read at {self._known_at:%Y-%m-%dT%H:%M:%SZ}")
        if not any(key.signs_from <= at for key in self.published()):
            raise CannotSign("no signing key is current")

    def published(self) -> list[SigningKey]:
        """As this process knows them: the one that signs, then the others."""
        return in_order(self._known, self._clock.now())
