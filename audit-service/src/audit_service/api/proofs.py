"""What anybody may see: checkpoints, tiles of hashes, proofs, the log's shards and their public keys.

Without `/log/{n}` in front, an address speaks of the newest shard.
"""

import base64
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from audit_service import store
from runtime.access import PUBLIC
from runtime.documents import Document, content
from runtime.errors import INVALID_REQUEST, Refusal
from tlog.hashes import HASH_BYTES, SUITES
from tlog.proofs import ProofError
from tlog.tiles import Tile, parse_tile, tile_width
from tlog.tree import consistency_proof, consistency_tiles, inclusion_proof, inclusion_tiles
from wire import codes

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOW = {"Cache-Control": "no-cache"}
_TEXT, _JSON, _BYTES = "text/plain; charset=utf-8", "application/json", "application/octet-stream"
_AS_TEXT: dict[int | str, Document] = {200: content("text/plain")}
Which = Callable[..., Awaitable[store.Shard]]


class Consistency(BaseModel):
    """From which size to which."""

    model_config = ConfigDict(extra="forbid")
    older: int = Field(alias="from", ge=1)
    newer: int = Field(alias="to", ge=1)


class Inclusion(BaseModel):
    """Of which leaf (the shard's own index) in the tree of how many."""

    model_config = ConfigDict(extra="forbid")
    index: int = Field(ge=0)
    size: int = Field(ge=1)


def router(database: store.Database) -> APIRouter:
    """Public: hashes and signatures tell nothing about calls."""
    routes = APIRouter(dependencies=[PUBLIC])

    async def newest() -> store.Shard:
        return (await _newest(database))[0]

    async def numbered(n: Annotated[int, Path(ge=1)]) -> store.Shard:
        async with store.answering("shards"):
            shards = await store.shards(database.reader)
        for shard in shards:
            if shard.id == n:
                return shard
        raise Refusal(codes.NOT_FOUND, f"there is no shard {n}")

    _add(routes, database, "", newest)
    _add(routes, database, "/log/{n}", numbered)

    @routes.get("/logs")
    async def logs() -> Response:
        """All shards, oldest first, with the keys that sign them."""
        return Response(msgspec.json.encode({"logs": await _shards(database)}), headers=_NOW, media_type=_JSON)

    @routes.get("/key", responses=_AS_TEXT)
    async def key(shard: Annotated[store.Shard, Depends(newest)]) -> Response:
        """The keys that sign checkpoints now, one a line, the oldest first; each checkpoint carries a signature by
        every one of them. Take them from somewhere else as well, and compare."""
        async with store.answering("key"):
            vkeys = await store.signing_keys(database.reader, shard.id)
        return Response("".join(f"{vkey}\n" for vkey in vkeys), headers=_NOW, media_type=_TEXT)

    return routes


def _add(routes: APIRouter, database: store.Database, prefix: str, which: Which) -> None:
    """What every shard has."""

    @routes.get(f"{prefix}/checkpoint", responses=_AS_TEXT)
    async def checkpoint(shard: Annotated[store.Shard, Depends(which)]) -> Response:
        """The newest checkpoint: a signed note (C2SP tlog-checkpoint)."""
        _, note = await _checkpoint(database, shard)
        return Response(note, headers=_NOW, media_type=_TEXT)

    @routes.get(prefix + "/tile/{path:path}", responses={200: content(_BYTES)})
    async def tile(path: str, shard: Annotated[store.Shard, Depends(which)]) -> Response:
        """A tile of hashes, `LEVEL/N` or `LEVEL/N.p/WIDTH` (C2SP tlog-tiles).

        Below /log/N what was served never changes; the address without a number goes over to the next shard.
        """
        hashes = await _hashes(database, shard, path)
        return Response(hashes, headers=_FOR_EVER if prefix else _NOW, media_type=_BYTES)

    @routes.get(f"{prefix}/proof/consistency")
    async def consistency(
        asked: Annotated[Consistency, Query()], shard: Annotated[store.Shard, Depends(which)]
    ) -> Response:
        """Proof that the log of `to` leaves begins with the log of `from` leaves (RFC 9162 section 2.1.4)."""
        size, _ = await _checkpoint(database, shard)
        if not asked.older <= asked.newer <= size:
            raise Refusal(INVALID_REQUEST, f"1 <= from <= to <= {size}", size=size)
        tiles = await _tiles(database, shard, consistency_tiles(asked.older, asked.newer))
        proof = consistency_proof(asked.older, asked.newer, store.look_up(tiles), suite=SUITES[shard.suite])
        return _proof({"from": asked.older, "to": asked.newer}, proof)

    @routes.get(f"{prefix}/proof/inclusion")
    async def inclusion(
        asked: Annotated[Inclusion, Query()], shard: Annotated[store.Shard, Depends(which)]
    ) -> Response:
        """Proof that the leaf at `index` is in the log of `size` leaves (RFC 9162 section 2.1.3)."""
        size, _ = await _checkpoint(database, shard)
        if not asked.index < asked.size <= size:
            raise Refusal(INVALID_REQUEST, f"0 <= index < size <= {size}", size=size)
        tiles = await _tiles(database, shard, inclusion_tiles(asked.index, asked.size))
        proof = inclusion_proof(asked.index, asked.size, store.look_up(tiles), suite=SUITES[shard.suite])
        return _proof({"index": asked.index, "size": asked.size}, proof)


async def _newest(database: store.Database) -> tuple[store.Shard, int]:
    """The newest shard with a checkpoint, and its size."""
    async with store.answering("checkpoint"), database.reader.acquire() as connection:
        for shard in reversed(await store.shards(connection)):
            newest = await store.newest_checkpoint(connection, shard.id)
            if newest is not None:
                return shard, newest[0]
    raise Refusal(codes.NOT_FOUND, "nothing has been signed yet")


async def _checkpoint(database: store.Database, shard: store.Shard) -> tuple[int, str]:
    async with store.answering("checkpoint"):
        newest = await store.newest_checkpoint(database.reader, shard.id)
    if newest is None:
        raise Refusal(codes.NOT_FOUND, "nothing has been signed yet")
    return newest


async def _tiles(
    database: store.Database, shard: store.Shard, wanted: list[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    async with store.answering("proof"):
        return await store.tiles(database.reader, wanted, shard.id)


async def _hashes(database: store.Database, shard: store.Shard, path: str) -> bytes:
    try:
        wanted: Tile = parse_tile(path)
    except ProofError as error:
        raise Refusal(codes.NOT_FOUND, str(error)) from None
    size, _ = await _checkpoint(database, shard)
    if tile_width(wanted.level, wanted.n, size) < wanted.width:
        raise Refusal(codes.NOT_FOUND, "beyond what has been signed")
    found = await _tiles(database, shard, [(wanted.level, wanted.n)])
    hashes = found.get((wanted.level, wanted.n), b"")[: wanted.width * HASH_BYTES]
    if len(hashes) < wanted.width * HASH_BYTES:
        raise Refusal(codes.NOT_FOUND, "beyond the end of the log")
    return hashes


def _proof(what: dict[str, int], steps: list[bytes]) -> Response:
    proof = [base64.b64encode(step).decode() for step in steps]
    return Response(msgspec.json.encode({**what, "proof": proof}), media_type=_JSON)


async def _shards(database: store.Database) -> list[dict[str, object]]:
    async with store.answering("logs"), database.reader.acquire() as connection:
        keys = await store.log_keys(connection)
        told: list[dict[str, object]] = []
        for shard in await store.shards(connection):
            newest = await store.newest_checkpoint(connection, shard.id)
            if newest is not None:
                told.append({
                    "n": shard.id, "log": shard.origin, "suite": shard.suite, "first": shard.first, "size": newest[0],
                    "state": "open" if shard.size is None else "frozen",
                    "keys": [{"vkey": vkey, "added": _day(added), "removed": _day(removed)}
                             for number, vkey, added, removed in keys if number == shard.id],
                })  # fmt: skip
    return told


def _day(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(timespec="seconds")
