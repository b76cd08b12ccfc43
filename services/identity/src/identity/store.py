"""Clients, used assertions, outbox: the tables of schema `identity`, and statements named after what they mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Delete, Select

from runtime.outbox import outbox_table
from wire.catalog import Revocation

SCHEMA = "identity"
metadata = MetaData()
client_table = Table(
    "client",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("department", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("keys", JSONB, nullable=False),
    Column("secret_sha256", LargeBinary, nullable=True),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("grants", Text, nullable=False),
    Column("redirect_uris", JSONB, nullable=False),
    Column("certificate_name", Text, nullable=False),
    Column("dpop_bound", Boolean, nullable=False),
    Column("may_act", JSONB, nullable=False),
    Column("standing", Text, nullable=False),
    Column("standing_since", DateTime(timezone=True), nullable=True),
    Column("standing_by", Text, nullable=False),
    schema=SCHEMA,
)
used_assertion = Table(
    "used_assertion",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    schema=SCHEMA,
)
outbox = outbox_table(metadata, SCHEMA)
revocation_outbox = outbox_table(metadata, SCHEMA, "revocation_outbox")
revocation = Table(
    "revocation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("before", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    schema=SCHEMA,
)
CLIENT_CREDENTIALS = "client_credentials"


@dataclass(frozen=True, slots=True)
class Client:
    """An information system (信息系统, 景德镇 7) as it is registered here.

    keys           public JWKs, empty unless the method is private_key_jwt
    secret_sha256  SHA-256 of the secret, None unless the method is client_secret_basic
    grants         grant types that it may use (RFC 6749 section 1.3)
    redirect_uris  where people may be sent back to, exactly; for authorization_code
    certificate_name  what the certificate must name: `dns:NAME` or a subject as RFC 4514 text; for tls_client_auth
    dpop_bound     whether its tokens are always bound to a key (RFC 9449 section 5.2)
    may_act        clients that may act for this one by token exchange (RFC 8693 section 4.4)
    standing       `active`, `suspended` or `revoked`, since when and by whom
    """

    id: str
    department: str
    scopes: frozenset[str]
    method: str
    keys: Sequence[dict[str, Any]]
    secret_sha256: bytes | None = None
    grants: frozenset[str] = frozenset({CLIENT_CREDENTIALS})
    redirect_uris: tuple[str, ...] = ()
    certificate_name: str = ""
    dpop_bound: bool = False
    may_act: frozenset[str] = frozenset()
    standing: str = "active"
    standing_since: datetime | None = None
    standing_by: str = ""

    @property
    def scope(self) -> str:
        """The scopes as one text, in a fixed order."""
        return " ".join(sorted(self.scopes))

    # --- what Authlib asks of a client ---
    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == self.method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


def _with_id(client_id: str) -> Select[Any]:
    return select(client_table).where(client_table.c.client_id == client_id)


def _client(row: Row[Any] | None) -> Client | None:
    if row is None:
        return None
    return Client(
        row.client_id, row.department, frozenset(row.scope.split()), row.method, row.keys, row.secret_sha256,
        frozenset(row.grants.split()), tuple(row.redirect_uris), row.certificate_name, row.dpop_bound,
        frozenset(row.may_act), row.standing, row.standing_since, row.standing_by,
    )  # fmt: skip


def find_client(transaction: Connection, client_id: str) -> Client | None:
    """The client, or None; for Authlib's side of the bridge."""
    return _client(transaction.execute(_with_id(client_id)).one_or_none())


def find_clients(transaction: Connection, ids: Sequence[str]) -> list[Client]:
    """Those of these that there are."""
    rows = transaction.execute(select(client_table).where(client_table.c.client_id.in_(ids)))
    return [client for client in map(_client, rows) if client is not None]


async def load_client(transaction: AsyncConnection, client_id: str, *, for_update: bool = False) -> Client | None:
    """The client, or None; `for_update` keeps others from changing it until the end of the transaction."""
    statement = _with_id(client_id).with_for_update() if for_update else _with_id(client_id)
    return _client((await transaction.execute(statement)).one_or_none())


async def save_client(transaction: AsyncConnection, client: Client, at: datetime) -> None:
    """Register the client, or replace what was registered under its id."""
    values = {
        "department": client.department,
        "scope": client.scope,
        "method": client.method,
        "keys": list(client.keys),
        "secret_sha256": client.secret_sha256,
        "registered_at": at,
        "grants": " ".join(sorted(client.grants)),
        "redirect_uris": list(client.redirect_uris),
        "certificate_name": client.certificate_name,
        "dpop_bound": client.dpop_bound,
        "may_act": sorted(client.may_act),
        "standing": client.standing,
        "standing_since": client.standing_since,
        "standing_by": client.standing_by,
    }
    statement = insert(client_table).values(client_id=client.id, **values)
    await transaction.execute(statement.on_conflict_do_update(index_elements=["client_id"], set_=values))


def use_assertion(transaction: Connection, digest: bytes, expires_at: datetime) -> bool:
    """Whether this is the first use; a second user waits here until the first has committed."""
    statement = insert(used_assertion).values(digest=digest, expires_at=expires_at)
    return transaction.execute(statement.on_conflict_do_nothing(index_elements=["digest"])).rowcount == 1


def forget_assertions(before: datetime) -> Delete:
    """Rows of assertions that would be refused as expired anyway."""
    return delete(used_assertion).where(used_assertion.c.expires_at < before)


async def keep_revocation(transaction: AsyncConnection, kept: Revocation) -> None:
    """Keep what tokens are told by; the same one twice reaches as far as the farther of both."""
    new = insert(revocation).values(id=kept.id, before=kept.before, until=kept.until)
    farther = {
        "before": func.greatest(revocation.c.before, new.excluded.before),
        "until": func.greatest(revocation.c.until, new.excluded.until),
    }
    await transaction.execute(new.on_conflict_do_update(index_elements=["id"], set_=farther))


def find_revocations(ids: Sequence[str]) -> Select[tuple[str, int]]:
    """Which of these there are (wire.catalog.Revocation.id), each with its `before`."""
    return select(revocation.c.id, revocation.c.before).where(revocation.c.id.in_(ids))


def forget_revocations(before_s: int) -> Delete:
    """Revocations of tokens that have all run out at this Unix second."""
    return delete(revocation).where(revocation.c.until < before_s)
