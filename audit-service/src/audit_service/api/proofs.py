"""What anybody may see: checkpoint, tiles of hashes, consistency proofs, the log's public key."""

import base64
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from audit_service import store
from runtime.errors import INVALID_REQUEST, Refusal
from tlog.hashes import HASH_BYTES
from tlog.proofs import ProofError
from tlog.tiles import TILE_WIDTH, Tile, parse_tile
from tlog.tree import consistency_proof, consistency_tiles
from wire import codes

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOW = {"Cache-Control": "no-cache"}


def router(database: store.Database, vkey: str) -> APIRouter:
    """Public: hashes and signatures tell nothing about calls."""
    routes = APIRouter()

    @routes.get("/checkpoint")
    async def checkpoint() -> Response:
        """The newest checkpoint: a signed note (C2SP tlog-checkpoint)."""
        _, note = await _newest(database)
        return Response(note, headers=_NOW, media_type="text/plain; charset=utf-8")

    @routes.get("/tile/{path:path}")
    async def tile(path: str) -> Response:
        """A tile of hashes, `LEVEL/N` or `LEVEL/N.p/WIDTH` (C2SP tlog-tiles)."""
        return Response(await _hashes(database, path), headers=_FOR_EVER, media_type="application/octet-stream")

    @routes.get("/proof/consistency")
    async def consistency(
        size1: Annotated[int, Query(alias="from", ge=1)], size2: Annotated[int, Query(alias="to", ge=1)]
    ) -> Response:
        """Proof that the log of `to` leaves begins with the log of `from` leaves (RFC 9162 section 2.1.4)."""
        proof = [base64.b64encode(step).decode() for step in await _consistency(database, size1, size2)]
        return Response(msgspec.json.encode({"proof": proof}), media_type="application/json")

    @routes.get("/key")
    async def key() -> Response:
        """The key that checkpoints are verified with. Take it from somewhere else as well, and compare."""
        return Response(vkey + "\n", headers=_NOW, media_type="text/plain; charset=utf-8")

    return routes


async def _newest(database: store.Database) -> tuple[int, str]:
    async with store.answering("checkpoint"):
        newest = await store.newest_checkpoint(database.reader)
    if newest is None:
        raise Refusal(codes.NOT_FOUND, "nothing has been signed yet")
    return newest


async def _hashes(database: store.Database, path: str) -> bytes:
    try:
        wanted: Tile = parse_tile(path)
    except ProofError as error:
        raise Refusal(codes.NOT_FOUND, str(error)) from None
    if wanted.n >= 1 << 56 or wanted.width > TILE_WIDTH:
        raise Refusal(codes.NOT_FOUND, "beyond the end of the log")
    async with store.answering("tile"):
        found = await store.tiles(database.reader, [(wanted.level, wanted.n)])
    hashes = found.get((wanted.level, wanted.n), b"")[: wanted.width * HASH_BYTES]
    if len(hashes) < wanted.width * HASH_BYTES:
        raise Refusal(codes.NOT_FOUND, "beyond the end of the log")
    return hashes


async def _consistency(database: store.Database, size1: int, size2: int) -> list[bytes]:
    size, _ = await _newest(database)
    if not size1 <= size2 <= size:
        raise Refusal(INVALID_REQUEST, f"1 <= from <= to <= {size}", size=size)
    async with store.answering("proof"):
        tiles = await store.tiles(database.reader, consistency_tiles(size1, size2))
    return consistency_proof(size1, size2, store.look_up(tiles))
