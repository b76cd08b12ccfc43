"""SQL of the witnesses: what they cosigned, what they have not yet. Every function is one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from audit_service.store import Shard, newest_checkpoint, shards


class Tip(NamedTuple):
    """A shard and its newest checkpoint."""

    shard: Shard
    size: int
    note: str


class Standing(NamedTuple):
    """How things are with one witness: what it cosigned last of a shard and when; how the last attempt went."""

    witness: str
    size: int | None
    at: datetime | None
    tried_at: datetime | None
    error: str


async def tips(connection: Any) -> list[Tip]:
    """Every shard that has a checkpoint, oldest first."""
    found = [(shard, await newest_checkpoint(connection, shard.id)) for shard in await shards(connection)]
    return [Tip(shard, *newest) for shard, newest in found if newest is not None]


async def cosigned_sizes(connection: Any, witness: str) -> dict[int, int]:
    """Shard -> the largest size that a witness cosigned of it."""
    rows = await connection.fetch(
        """SELECT s.id, c.size FROM audit.shard s CROSS JOIN LATERAL (
               SELECT size FROM audit.cosignature WHERE witness = $1 AND shard = s.id ORDER BY size DESC LIMIT 1) c""",
        witness,
    )
    return {row[0]: row[1] for row in rows}


async def log_keys(connection: Any, origin: str) -> list[str]:
    """vkeys that sign a shard's checkpoints. One that was removed proves nothing any more: it may have leaked."""
    rows = await connection.fetch(
        """SELECT k.vkey FROM audit.log_key k JOIN audit.shard s ON s.id = k.shard
           WHERE s.origin = $1 AND k.removed_at IS NULL""",
        origin,
    )
    return [row[0] for row in rows]


async def add_cosignature(connection: Any, tip: Tip, witness: str, line: str, at: datetime) -> None:
    """One line of a witness below one checkpoint; the first one stays."""
    await connection.execute(
        """INSERT INTO audit.cosignature (shard, size, witness, line, at) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT DO NOTHING""",
        tip.shard.id, tip.size, witness, line, at,
    )  # fmt: skip


async def note_attempt(connection: Any, witness: str, at: datetime, error: str) -> None:
    """How the last attempt went; no error: well."""
    await connection.execute(
        """INSERT INTO audit.witness_attempt (witness, at, error, first_at) VALUES ($1, $2, $3, $2)
           ON CONFLICT (witness) DO UPDATE SET at = excluded.at, error = excluded.error""",
        witness, at, error,
    )  # fmt: skip


async def newest_witnessed(connection: Any, shard_id: int) -> tuple[int, str] | None:
    """Size and note of a shard's largest cosigned checkpoint, the cosignatures below the log's own lines."""
    row = await connection.fetchrow(
        """SELECT p.size, p.note || string_agg(c.line, '' ORDER BY c.witness)
           FROM audit.cosignature c JOIN audit.checkpoint p ON p.shard = c.shard AND p.size = c.size
           WHERE c.shard = $1 AND c.size = (SELECT max(size) FROM audit.cosignature WHERE shard = $1)
           GROUP BY p.shard, p.size, p.note""",
        shard_id,
    )
    return tuple(row) if row else None


async def unwitnessed_since(connection: Any) -> datetime | None:
    """When the oldest checkpoint was signed that no cosignature covers; None if all are covered.

    A cosignature covers what is smaller in its shard, and all shards before: a shard begins with a leaf that names the
    last checkpoint of the one before it.
    """
    since: datetime | None = await connection.fetchval(
        """SELECT min(p.signed_at) FROM audit.shard s
           CROSS JOIN LATERAL (
               SELECT coalesce(max(size), -1) AS size FROM audit.cosignature WHERE shard = s.id) c
           CROSS JOIN LATERAL (
               SELECT signed_at FROM audit.checkpoint WHERE shard = s.id AND size > c.size ORDER BY size LIMIT 1) p
           WHERE s.id >= coalesce((SELECT max(shard) FROM audit.cosignature WHERE size > 0), 0)"""
    )
    return since


async def first_attempt(connection: Any, witnesses: Sequence[str]) -> datetime | None:
    """When one of these witnesses was asked for the first time."""
    at: datetime | None = await connection.fetchval(
        "SELECT min(first_at) FROM audit.witness_attempt WHERE witness = ANY ($1::text[])", list(witnesses)
    )
    return at


async def standings(connection: Any, witnesses: Sequence[str], shard_id: int) -> list[Standing]:
    """How things are with each of these witnesses, in this order, for one shard."""
    rows = await connection.fetch(
        """SELECT w.name, c.size, c.at, a.at, coalesce(a.error, '')
           FROM unnest($1::text[]) WITH ORDINALITY AS w (name, place)
           LEFT JOIN LATERAL (SELECT size, at FROM audit.cosignature WHERE witness = w.name AND shard = $2
                              ORDER BY size DESC LIMIT 1) c ON true
           LEFT JOIN audit.witness_attempt a ON a.witness = w.name ORDER BY w.place""",
        list(witnesses), shard_id,
    )  # fmt: skip
    return [Standing(*row) for row in rows]
