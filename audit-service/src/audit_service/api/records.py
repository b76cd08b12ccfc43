"""Records of calls: receipts for those who took part, stretches of the log for auditors, the schema of a receipt."""

import base64
from importlib.resources import files
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from audit_service.api.strict import NO_STORE
from audit_service.records import MOST_ENTRIES, Line, Records
from runtime.access import PUBLIC, stating
from runtime.documents import JSON_TEXT, content
from runtime.errors import INVALID_REQUEST, Refusal
from wire import scopes
from wire.tokens import AccessToken, Door

STATE = "Tongdao-State"


class Asked(BaseModel):
    """Which receipt of a call."""

    model_config = ConfigDict(extra="forbid")
    log: str = Field("", max_length=300)
    """Origin of a shard; by default the newest one with a leaf of the call."""


class Stretch(BaseModel):
    """Leaves with from <= index < to, counted through all shards."""

    model_config = ConfigDict(extra="forbid")
    first: int = Field(alias="from", ge=0, lt=2**62)
    last: int = Field(alias="to", ge=1, lt=2**62)


def router(records: Records, door: Door) -> APIRouter:
    """What needs a token, and the schema, which does not."""
    routes = APIRouter()
    schema = (files("audit_service") / "receipt.schema.json").read_bytes()

    @routes.get(
        "/records/{call}", responses={202: content(JSON_TEXT, description="Not yet covered by a checkpoint; ask again")}
    )
    async def receipt(
        call: UUID, asked: Annotated[Asked, Query()], token: Annotated[AccessToken, Depends(door.needing())]
    ) -> Response:
        """The receipt of one call or event (see /schema/receipt.json). Tongdao-State: `accepted`, `published`, or
        `witnessed` where somebody outside has cosigned its checkpoint."""
        found = await records.receipt(str(call), token, asked.log)
        if found is None:
            accepted = msgspec.json.encode({"call": str(call), "state": "accepted"})
            headers = {**NO_STORE, "Retry-After": "1", STATE: "accepted"}
            return Response(accepted, 202, headers, "application/json")
        return Response(msgspec.json.encode(found.body), 200, {**NO_STORE, STATE: found.state}, "application/json")

    @routes.get("/entries", dependencies=[stating(scopes.AUDIT_READ)], responses={200: content("application/jsonl")})
    async def entries(
        asked: Annotated[Stretch, Query()], token: Annotated[AccessToken, Depends(door.needing())]
    ) -> Response:
        """Raw leaves as JSON Lines, for auditors: enough to build the whole tree again. A leaf that was lawfully
        deleted is null, its hash stays."""
        if not asked.first < asked.last <= asked.first + MOST_ENTRIES:
            raise Refusal(INVALID_REQUEST, f"from < to <= from + {MOST_ENTRIES}")
        lines = [_line(one) for one in await records.entries(asked.first, asked.last, token)]
        return Response(b"".join(lines), headers=NO_STORE, media_type="application/jsonl")

    @routes.get("/schema/receipt.json", dependencies=[PUBLIC], responses={200: content("application/schema+json")})
    async def receipt_schema() -> Response:
        """The JSON Schema of a receipt."""
        return Response(schema, media_type="application/schema+json")

    return routes


def _line(one: Line) -> bytes:
    leaf = None if one.leaf is None else base64.b64encode(one.leaf).decode()
    told = {"log": one.shard.origin, "index": one.leaf_index - one.shard.first, "leaf_index": one.leaf_index,
            "hash": base64.b64encode(one.hash).decode(), "leaf": leaf}  # fmt: skip
    return msgspec.json.encode(told) + b"\n"
