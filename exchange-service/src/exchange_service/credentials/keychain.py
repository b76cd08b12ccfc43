"""The credentials in memory: looked up by every call, kept up to date behind its back.

A change is known at once through PostgreSQL's NOTIFY, within POLL_S where that was lost, and before a call fails for
it: a provider's 401 makes it look again.
"""

import asyncio
import time
from collections.abc import Iterable

import asyncpg
import msgspec
import structlog

from exchange_service.credentials.model import Credential
from exchange_service.credentials.oauth import Tokens
from exchange_service.credentials.store import CHANNEL, Key, Sealed, Store
from relay.egress import Egress
from runtime.db import plain
from runtime.errors import Refusal
from runtime.seal import CannotOpen
from runtime.tasks import happens
from wire import codes

log = structlog.get_logger()
POLL_S = 1.0
CHECK_S = 5.0
_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)


class Keychain:
    """All credentials of all departments."""

    def __init__(self, store: Store, egress: Egress) -> None:
        self.tokens = Tokens(egress)
        self._store = store
        self._credentials: dict[Key, Credential] = {}
        self._unusable: dict[Key, str] = {}
        self._versions: dict[Key, int] = {}
        self._looking = asyncio.Lock()
        self._looked = float("-inf")

    def of(self, department: str, name: str) -> Credential:
        """The present one; raises Refusal."""
        credential = self._credentials.get((department, name))
        if credential is None:
            why = self._unusable.get((department, name), "it has not been put, or was deleted")
            raise Refusal(codes.CREDENTIAL_MISSING, why, credential=name)
        return credential

    async def tick(self) -> None:
        """Take over what has changed; called every POLL_S seconds. Raises what the database raises."""
        asked = time.monotonic()
        async with self._looking:
            if self._looked < asked:  # nobody looked while we waited for our turn
                began = time.monotonic()
                await self._look()
                self._looked = began

    async def refresh(self) -> None:
        """Look now: a provider did not take what was shown. Where the database is away, what is known stays."""
        try:
            await self.tick()
        except _LOST as error:
            log.warning("credentials.not_refreshed", error=type(error).__name__)

    async def _look(self) -> None:
        present = await self._store.versions()
        changed = [key for key, version in present.items() if self._versions.get(key) != version]
        rows = await self._store.sealed(changed) if changed else []
        self._forget(self._versions.keys() - present.keys())
        for row in rows:
            self._take(row)

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._versions.pop(key)
            self._credentials.pop(key, None)
            self._unusable.pop(key, None)

    def _take(self, row: Sealed) -> None:
        self._versions[row.key] = row.version
        try:
            self._credentials[row.key] = self._store.opened(row)
            self._unusable.pop(row.key, None)
        except (CannotOpen, msgspec.DecodeError) as error:
            why = str(error) if isinstance(error, CannotOpen) else "this release cannot read it"
            self._credentials.pop(row.key, None)
            self._unusable[row.key] = f"it cannot be opened: {why}"
            log.error("credential.unusable", department=row.department, credential=row.name, reason=why)

    async def listen(self, database_url: str) -> None:
        """Look whenever a change is announced, until the connection is lost; called again and again."""
        connection = await asyncpg.connect(plain(database_url), timeout=5)
        rung = asyncio.Event()
        rung.set()  # what was announced while nobody listened
        try:
            connection.add_termination_listener(lambda _connection: rung.set())
            await connection.add_listener(CHANNEL, lambda *_: rung.set())
            while not connection.is_closed():
                if await happens(rung, CHECK_S):
                    rung.clear()
                    await self.tick()
                else:
                    await connection.execute("SELECT 1", timeout=CHECK_S)  # a dead peer says nothing
        finally:
            connection.terminate()
