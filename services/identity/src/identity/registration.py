"""Which client has which keys and scopes, and who may say so.

Whoever registers hands on rights, so nobody hands on more than they have themselves: `call`, and the scopes of the
token that the request came with. The same holds for a client whose keys are replaced: whoever sets its keys can be it.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from identity import events
from identity.keys import thumbprints
from identity.store import Client, load_client, save_client
from runtime.errors import Refusal
from runtime.outbox import Outbox
from wire import codes, scopes

OPERATOR = "platform-operator"
PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who registers, and what they may hand on."""

    id: str
    department: str
    scopes: frozenset[str]


class Registration:
    """The register of clients."""

    def __init__(self, database: AsyncEngine, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def find(self, client_id: str) -> Client:
        """The client; raises Refusal(NOT_FOUND)."""
        async with self._database.connect() as connection:
            client = await load_client(connection, client_id)
        if client is None:
            raise Refusal(codes.NOT_FOUND, f"no client {client_id}")
        return client

    async def register(self, client: Client, actor: Actor, at: datetime) -> bool:
        """Register or replace; True if the client is new. Raises Refusal(SCOPE_MISSING)."""
        async with self._database.begin() as transaction:
            known = await load_client(transaction, client.id, for_update=True)
            _check_may_hand_on(actor, client.scopes | (known.scopes if known else frozenset()))
            if known != client:
                await save_client(transaction, client, at)
                event = events.client_registered(
                    actor=actor.id, department=actor.department, client=client.id, of=client.department,
                    scope=client.scope, method=client.method, keys=thumbprints(client.keys), at=at,
                )  # fmt: skip
                await self._outbox.write(transaction, event, at)
        return known is None

    async def register_operator(self, client: Client, at: datetime) -> None:
        """Register the first client of all. If it is there, its keys stay as they were changed since, and its scopes
        become those of this release: otherwise nobody could hand on a scope that came later."""
        async with self._database.connect() as connection:
            known = await load_client(connection, client.id)
        if known is not None:
            client = replace(known, scopes=known.scopes | client.scopes)
        if client != known:
            await self.register(client, Actor(events.OURSELVES, PLATFORM, client.scopes), at)


def _check_may_hand_on(actor: Actor, wanted: frozenset[str]) -> None:
    missing = " ".join(sorted(wanted - actor.scopes - {scopes.CALL}))
    if missing:
        raise Refusal(codes.SCOPE_MISSING, f"nobody hands on scopes that they lack: {missing}", scope=missing)


def operator(keys: list[dict[str, str]]) -> Client:
    """The client with every right that `tongdao up` works with."""
    return Client(OPERATOR, PLATFORM, frozenset(scopes.ALL), "private_key_jwt", keys)
