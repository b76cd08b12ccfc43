"""Who watches the log from outside, and what they have seen of it."""

from datetime import datetime

import msgspec
from fastapi import APIRouter, Response

from audit_service import store
from audit_service.witnessing.asking import Witness
from audit_service.witnessing.policy import Policy
from audit_service.witnessing.posting import Witnessing
from audit_service.witnessing.store import Standing, newest_witnessed, standings
from runtime.access import PUBLIC
from runtime.documents import content
from runtime.errors import Refusal
from wire import codes

_NOW = {"Cache-Control": "no-cache"}


def router(database: store.Database, witnessing: Witnessing, policy: Policy) -> APIRouter:
    """Public: whoever verifies a cosigned checkpoint needs no word of ours, but may want to know whom to ask."""
    routes = APIRouter(dependencies=[PUBLIC])

    @routes.get("/witnesses")
    async def witnesses() -> Response:
        """Each witness with its key, what it cosigned last of the current shard, and how the last attempt went."""
        async with store.answering("witnesses"):
            shard = (await store.shards(database.reader))[-1]
            found = await standings(database.reader, [one.name for one in witnessing.witnesses], shard.id)
        told = {
            "log": shard.origin, "policy": policy.mode, "grace_s": int(policy.grace.total_seconds()),
            "unwitnessed_since": _time(policy.since),
            "witnesses": [_told(one, row) for one, row in zip(witnessing.witnesses, found, strict=True)],
        }  # fmt: skip
        return Response(msgspec.json.encode(told), headers=_NOW, media_type="application/json")

    @routes.get("/checkpoint/witnessed", responses={200: content("text/plain")})
    async def witnessed() -> Response:
        """The newest checkpoint that somebody outside cosigned, with all signatures (C2SP tlog-cosignature)."""
        async with store.answering("checkpoint"):
            for shard in reversed(await store.shards(database.reader)):
                found = await newest_witnessed(database.reader, shard.id)
                if found is not None:
                    return Response(found[1], headers=_NOW, media_type="text/plain; charset=utf-8")
        raise Refusal(codes.NOT_FOUND, "no witness has cosigned yet")

    return routes


def _told(witness: Witness, row: Standing) -> dict[str, object]:
    return {
        "name": witness.name, "vkey": witness.vkey, "size": row.size, "at": _time(row.at),
        "tried_at": _time(row.tried_at), "error": row.error,
    }  # fmt: skip


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
