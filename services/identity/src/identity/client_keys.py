"""A client's keys in the hands of its own department: shown, added, taken away, two at once while one replaces another.

Who may: an officer of the client's department, or the client itself. Whoever adds a key to a client can be that client,
so the token has to carry every scope that the client has (see `registration`).
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from identity import events
from identity.keys import KEYS_AT_MOST, expiry, thumbprint
from identity.registration import Registration, actor_of, check_may_hand_on
from identity.store import Client, load_client
from runtime.errors import Refusal
from wire import codes, scopes
from wire.tokens import AccessToken

Key = dict[str, Any]


class ClientKeys:
    """The keys of registered clients, one change at a time."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    async def of(self, client_id: str, token: AccessToken) -> Client:
        """The client with its keys; raises Refusal(NOT_FOUND) for everybody whom they do not concern."""
        async with self._registration.database.connect() as connection:
            return await _own(connection, client_id, token)

    async def add(self, client_id: str, key: Key, token: AccessToken, at: datetime) -> Key:
        """The key as it is kept; those that have ended make room for it. The same again changes nothing.

        Raises Refusal(NOT_FOUND, SCOPE_MISSING, INVALID_REQUEST), and Refusal(CONFLICT) for a name that another key
        has, for one key too many, for one that had ended, and for a client that has no keys at all.
        """
        async with self._registration.database.begin() as transaction:
            client = await _own(transaction, client_id, token, for_update=True)
            check_may_hand_on(actor_of(token), client.scopes)
            known = next((one for one in client.keys if one["kid"] == key["kid"]), None)
            kept = self._registration.ending(key, at, known.get("until") if known else None)
            if known == kept:
                return kept
            good = [one for one in client.keys if not expiry(one, at)]
            _check_room(replace(client, keys=good), kept)
            await self._keep(transaction, client, [*good, kept], "added", kept, token, at)
        return kept

    async def remove(self, client_id: str, kid: str, token: AccessToken, at: datetime) -> None:
        """Take a key away; raises Refusal(NOT_FOUND, SCOPE_MISSING), and Refusal(CONFLICT) for the last one."""
        async with self._registration.database.begin() as transaction:
            client = await _own(transaction, client_id, token, for_update=True)
            check_may_hand_on(actor_of(token), client.scopes)
            gone = next((one for one in client.keys if one["kid"] == kid), None)
            if gone is None:
                raise Refusal(codes.NOT_FOUND, f"no key {kid} of {client_id}")
            left = [one for one in client.keys if one["kid"] != kid]
            if all(expiry(one, at) for one in left):
                raise Refusal(
                    codes.CONFLICT, f"{kid} is the last key of {client_id} that counts; add the next one first"
                )
            await self._keep(transaction, client, left, "removed", gone, token, at)

    async def _keep(
        self, transaction: AsyncConnection, client: Client, keys: list[Key], verb: str, key: Key, token: AccessToken,
        at: datetime,
    ) -> None:  # fmt: skip
        await self._registration.keep(transaction, client, replace(client, keys=keys), at)
        event = events.client_key_changed(
            verb, actor=token.client, department=token.department, client=client.id, of=client.department,
            kid=key["kid"], thumbprint=thumbprint(key), until=int(key.get("until", 0)), at=at,
            through=token.actor or token.through,
        )  # fmt: skip
        await self._registration.outbox.write(transaction, event, at)


async def _own(transaction: AsyncConnection, client_id: str, token: AccessToken, *, for_update: bool = False) -> Client:
    client = await load_client(transaction, client_id, for_update=for_update)
    if client is None or not concerns(client, token):
        raise Refusal(codes.NOT_FOUND, f"no client {client_id} of yours")
    return client


def concerns(client: Client, token: AccessToken) -> bool:
    """Whoever acts for another by token exchange is neither that client nor of its department."""
    itself = token.client == client.id and scopes.CALL in token.scopes
    officer = token.department == client.department and scopes.OFFICER in token.scopes
    return not token.actor and (itself or officer)


def _check_room(client: Client, key: Key) -> None:
    if client.method != "private_key_jwt":
        raise Refusal(codes.CONFLICT, f"{client.id} proves who it is by {client.method} and has no keys")
    if any(one["kid"] == key["kid"] for one in client.keys):
        raise Refusal(codes.CONFLICT, f"another key of {client.id} is named {key['kid']}; choose another kid")
    if any(one["x"] == key["x"] for one in client.keys):
        raise Refusal(codes.CONFLICT, f"{client.id} has this key under another name already")
    if len(client.keys) >= KEYS_AT_MOST:
        raise Refusal(codes.CONFLICT, f"{client.id} has {KEYS_AT_MOST} keys; take one away first")
