"""The table of signing keys: private halves are sealed, so that the database or a backup of it signs nothing."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Column, DateTime, LargeBinary, MetaData, Table, Text, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from identity.signing.model import SigningKey
from runtime.seal import Seal

_LOCK = 0x746F6E67_6B657973  # "tongkeys": whoever changes the signing keys holds this advisory lock
Moment = DateTime(timezone=True)
signing_key = Table(
    "signing_key",
    MetaData(schema="identity"),
    Column("kid", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("signs_from", Moment, nullable=False),
    Column("ends_at", Moment),
)


def _about(kid: str) -> bytes:
    return b"identity/signing-key/" + kid.encode()


async def lock(transaction: AsyncConnection) -> None:
    """Be the only one who changes signing keys until the transaction ends."""
    await transaction.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


async def find_keys(transaction: AsyncConnection, seal: Seal, known: Sequence[SigningKey] = ()) -> list[SigningKey]:
    """All keys. `known` are not opened again; raises runtime.seal.CannotOpen."""
    jwks = {key.kid: key.jwk for key in known}
    rows = (await transaction.execute(select(signing_key))).all()
    return [
        SigningKey(
            kid=row.kid, jwk=jwks.get(row.kid) or msgspec.json.decode(seal.open(row.sealed, _about(row.kid))),
            made_at=row.made_at, signs_from=row.signs_from, ends_at=row.ends_at,
        )
        for row in rows
    ]  # fmt: skip


async def add_key(transaction: AsyncConnection, seal: Seal, key: SigningKey) -> None:
    """Keep a new key."""
    sealed = seal.seal(msgspec.json.encode(key.jwk), _about(key.kid))
    await transaction.execute(
        insert(signing_key).values(
            kid=key.kid, sealed=sealed, made_at=key.made_at, signs_from=key.signs_from, ends_at=key.ends_at
        )
    )


async def end_newest(transaction: AsyncConnection, ends_at: datetime) -> None:
    """The key that was the newest gets an end."""
    await transaction.execute(update(signing_key).where(signing_key.c.ends_at.is_(None)).values(ends_at=ends_at))


async def drop_ended(transaction: AsyncConnection, at: datetime) -> None:
    """Forget keys of which no token is left."""
    await transaction.execute(delete(signing_key).where(signing_key.c.ends_at <= at))


async def drop_all(transaction: AsyncConnection) -> list[str]:
    """Forget every key, and answer which there were."""
    return list((await transaction.execute(delete(signing_key).returning(signing_key.c.kid))).scalars())
