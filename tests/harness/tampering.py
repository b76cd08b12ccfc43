"""What somebody with all rights on the database could do, and what an auditor keeps to find it out."""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from audit_service.entry import head_of
from audit_service.fsck.check import Check, Manner
from audit_service.store import look_up
from harness.audit_log import Log
from harness.merkle import Definition
from harness.standalone import SCRIPT
from tlog import checkpoint
from tlog.tree import Read, append, consistency_proof, inclusion_proof
from wire.audit import frame


@asynccontextmanager
async def undone(log: Log) -> AsyncIterator[Any]:
    """A superuser's connection, inside a transaction that never happened."""
    connection = await asyncpg.connect(log.url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def findings(tx: Any, *vkeys: str, newest: int | None = None, witnesses: Sequence[str] = ()) -> list[str]:
    """What fsck finds in the state that a transaction sees."""
    check = Check(tx, Manner(vkeys, witnesses))
    await (check.whole() if newest is None else check.newest(newest))
    return check.findings.lines


# --- a perfect forgery ----------------------------------------------------------------------------------------------
async def forge(tx: Any, log: Log) -> None:
    """Make everything fit the leaves that are there, and sign it with the log's own key: places without holes, index,
    private parts, promises, tiles, head, one checkpoint. What a thief of database and key would do."""
    rows = await tx.fetch("SELECT segment, leaf_index, body, sequenced_at FROM audit.leaf ORDER BY leaf_index, body")
    salts = {row[0]: row[1] for row in await tx.fetch("SELECT leaf_index, body FROM audit.erasable")}
    for table in ("leaf", "erasable", "entry_index", "acknowledgement", "tile", "checkpoint", "record", "usage_day"):
        await tx.execute(f"DELETE FROM audit.{table}")
    await tx.execute("UPDATE audit.indexed SET size = 0")
    for place, (segment, old, body, at) in enumerate(rows):
        head, private = head_of(body), salts.get(old, b"")
        await tx.execute("INSERT INTO audit.leaf VALUES ($1, $2, $3, $4)", segment, place, body, at)
        await tx.execute(
            "INSERT INTO audit.entry_index VALUES ($1, $2, $3, $4, $5)",
            place, head.call, segment, head.phase or "event", hashlib.sha256(private).digest() if private else None,
        )  # fmt: skip
        if private:
            await tx.execute("INSERT INTO audit.erasable VALUES ($1, $2, $3)", segment, place, private)
        digest = hashlib.sha256(frame(body, private)).digest()
        await tx.execute(
            "INSERT INTO audit.acknowledgement VALUES ($1, $2, $3, 1, $4)",
            head.gateway, head.epoch, head.sequence, digest,
        )  # fmt: skip
    await grow_tree(tx, log, [row["body"] for row in rows])


async def grow_tree(tx: Any, log: Log, leaves: list[bytes]) -> None:
    """Tiles, head and the one checkpoint of these leaves."""
    tree = Definition(leaves)
    for (level, n), hashes in append(0, tree.leaf_hashes, lambda _level, _n: b"").items():
        await tx.execute("INSERT INTO audit.tile (level, n, hashes) VALUES ($1, $2, $3)", level, n, hashes)
    root = tree.root(len(leaves))
    await tx.execute("UPDATE audit.log_head SET size = $1, root = $2", len(leaves), root)
    await tx.execute(
        "INSERT INTO audit.checkpoint (size, note, signed_at) VALUES ($1, $2, now())",
        len(leaves), log.signer.sign(len(leaves), root),
    )  # fmt: skip


# --- what people are given ------------------------------------------------------------------------------------------
async def note(tx: Any) -> str:
    """The newest checkpoint."""
    found: str = await tx.fetchval("SELECT note FROM audit.checkpoint ORDER BY shard DESC, size DESC LIMIT 1")
    return found


async def receipt(tx: Any, call: str) -> bytes:
    """The receipt that a service would make of what is in the database."""
    signed = await note(tx)
    said = checkpoint.parse(checkpoint.split_note(signed).text)
    read = await _tiles(tx)
    rows = await tx.fetch(
        "SELECT i.leaf_index, l.body FROM audit.entry_index i JOIN audit.leaf l USING (leaf_index) WHERE call_id = $1 "
        "AND i.leaf_index < $2 ORDER BY 1",
        call, said.size,
    )  # fmt: skip
    records = [
        {"index": n, "leaf": _base64(leaf), "salt": "", "proof": [*map(_base64, inclusion_proof(n, said.size, read))]}
        for n, leaf in rows
    ]
    made = {"v": 1, "call": call, "log": said.origin, "checkpoint": signed, "records": records}
    return json.dumps(made).encode()


async def consistency(tx: Any, older: int, newer: int) -> bytes:
    """The log's answer to /proof/consistency, as far as it has the tree."""
    size = await tx.fetchval("SELECT size FROM audit.log_head")
    proof = consistency_proof(older, newer, await _tiles(tx)) if newer <= size else []
    return json.dumps({"from": older, "to": newer, "proof": [_base64(step) for step in proof]}).encode()


async def _tiles(tx: Any) -> Read:
    rows = await tx.fetch("SELECT level, n, hashes FROM audit.tile")
    return look_up({(level, n): hashes for level, n, hashes in rows})


def verified(vkey: str, *arguments: str | Path) -> tuple[int, str]:
    """Exit code and output of the stand-alone verifier, a process of its own."""
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), "--vkey", vkey, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
