"""Credentials in PostgreSQL: one row each, sealed together with whose it is, its name and its version."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from exchange_service.credentials.model import Credential, kind_of
from runtime.seal import Seal

CHANNEL = "exchange_credential"
"""Every committed change is announced on it."""
Key = tuple[str, str]
"""Department and name."""


class Pool(Protocol):
    """What is needed of an asyncpg pool."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...

    async def fetchval(self, query: str, *args: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """What may be said of a credential. `version` grows with every change, also across a deletion."""

    department: str
    name: str
    kind: str
    version: int
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A credential as it stands in the database."""

    department: str
    name: str
    version: int
    sealed: bytes

    @property
    def key(self) -> Key:
        return self.department, self.name

    def about(self) -> bytes:
        """What the sealed text is bound to."""
        return about(self.department, self.name, self.version)


def about(department: str, name: str, version: int) -> bytes:
    """What a credential's sealed text is bound to. Departments and names have no slash."""
    return f"credential/{department}/{name}/{version}".encode()


_decode = msgspec.json.Decoder(Credential).decode
_FACTS = "department, name, kind, version, changed_at, changed_by"
_PUT = f"""
WITH put AS (
    INSERT INTO exchange.credential (department, name, version, kind, sealed, changed_at, changed_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (department, name) DO UPDATE SET
        version = excluded.version, kind = excluded.kind, sealed = excluded.sealed,
        changed_at = excluded.changed_at, changed_by = excluded.changed_by
        WHERE credential.version < excluded.version
    RETURNING version
)
SELECT version, pg_notify('{CHANNEL}', '') FROM put
"""  # noqa: S608  # the channel is a constant
_DELETE = f"""
WITH gone AS (DELETE FROM exchange.credential WHERE department = $1 AND name = $2 RETURNING version)
SELECT version, pg_notify('{CHANNEL}', '') FROM gone
"""  # noqa: S608  # the channel is a constant


class Store:
    """The table `exchange.credential`."""

    def __init__(self, pool: Pool, seal: Seal) -> None:
        self._pool = pool
        self._seal = seal

    async def put(self, kept: Kept, credential: Credential) -> bool:
        """Put a new version; False if one as new is there already."""
        plain = msgspec.json.encode(credential)
        sealed = self._seal.seal(plain, about(kept.department, kept.name, kept.version))
        facts = (kept.department, kept.name, kept.version, kept.kind, sealed, kept.changed_at, kept.changed_by)
        return bool(await self._pool.fetch(_PUT, *facts))

    async def delete(self, department: str, name: str) -> bool:
        """Whether there was one."""
        return bool(await self._pool.fetch(_DELETE, department, name))

    async def kept(self, department: str) -> list[Kept]:
        """All of a department, of everybody for "", by name."""
        rows = await self._pool.fetch(
            f"SELECT {_FACTS} FROM exchange.credential WHERE $1 IN ('', department) ORDER BY department, name",  # noqa: S608  # _FACTS is a constant
            department,
        )
        return [Kept(**row) for row in rows]

    async def versions(self) -> dict[Key, int]:
        """The version of each."""
        rows = await self._pool.fetch("SELECT department, name, version FROM exchange.credential")
        return {(row["department"], row["name"]): row["version"] for row in rows}

    async def sealed(self, keys: list[Key]) -> list[Sealed]:
        """Those of `keys` that there are."""
        rows = await self._pool.fetch(
            "SELECT department, name, version, sealed FROM exchange.credential"
            " WHERE (department, name) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
            [department for department, _ in keys],
            [name for _, name in keys],
        )
        return [Sealed(**row) for row in rows]

    def opened(self, row: Sealed) -> Credential:
        """The credential; raises seal.CannotOpen, msgspec.DecodeError for one that a later release wrote."""
        credential: Credential = _decode(self._seal.open(row.sealed, row.about()))
        return credential

    async def reseal(self) -> int:
        """Seal everything under the newest key that is not; how many were. Safe while others put. Raises CannotOpen."""
        done = 0
        for row in await self.sealed(list(await self.versions())):
            if self._seal.is_newest(row.sealed):
                continue
            sealed = self._seal.seal(self._seal.open(row.sealed, row.about()), row.about())
            done += bool(await self._pool.fetch(_RESEAL, row.department, row.name, row.version, sealed))
        return done


_RESEAL = (
    "UPDATE exchange.credential SET sealed = $4 WHERE department = $1 AND name = $2 AND version = $3 RETURNING version"
)


def new_version(department: str, name: str, credential: Credential, at: datetime, by: str) -> Kept:
    """What is to be said of a credential that `by` puts at `at`: its version is the time, in Unix microseconds."""
    version = int(at.timestamp() * 1_000_000)
    return Kept(department, name, kind_of(credential), version, at, by)
