"""The witness over HTTP: add-checkpoint on the fast lane (strict, with time limits), what it holds on the other."""

import asyncio

import structlog
from fastapi import APIRouter, Response

from relay.call import BodyTooLarge, Call, ClientGone
from runtime.errors import UNKNOWN_PATH, Refusal
from tlog.checkpoint import parse, split_note
from witness.cosigner import TEXT, Answer, Cosigner
from witness.keeper import digest_of

log = structlog.get_logger()
PREFIX = b"/add-checkpoint"
LARGEST_BODY = 64 * 1024
_NOW = {"Cache-Control": "no-cache"}


class SubmissionDoor:
    """`POST /add-checkpoint` (C2SP tlog-witness)."""

    def __init__(self, cosigner: Cosigner) -> None:
        self._cosigner = cosigner

    async def handle(self, call: Call) -> None:
        """One request. The disk is waited for in a thread, which ends its work whatever becomes of the client."""
        try:
            answer = await self._answer(call)
        except BodyTooLarge:
            answer = _said(413, f"a request has at most {LARGEST_BODY} bytes")
        except ClientGone:
            return
        except OSError as error:
            log.critical("witness.cannot_keep", error=repr(error), alarm=True)
            answer = _said(500, "what would be signed could not be kept, so it was not signed")
        call.answer(answer.status, answer.body, b"content-type: %b\r\n" % answer.kind)

    async def _answer(self, call: Call) -> Answer:
        if call.target != PREFIX:
            return _said(404, "there is nothing at this address")
        if call.method != b"POST":
            return _said(405, "use POST")
        body = await call.read(LARGEST_BODY)
        return await asyncio.ensure_future(asyncio.to_thread(self._cosigner.add, body))


def _said(status: int, reason: str) -> Answer:
    return Answer(status, TEXT, f"{reason}\n".encode())


def router(cosigner: Cosigner) -> APIRouter:
    """Public: everything here is meant to be compared with what others were shown."""
    routes = APIRouter()
    origins = {digest_of(origin): origin for origin in cosigner.logs}

    @routes.get("/")
    async def overview() -> dict[str, object]:
        """Who the witness is, and what it cosigned last of each log."""
        return {
            "vkeys": [key.vkey for key in cosigner.keys],
            "logs": [_log(cosigner, origin) for origin in cosigner.logs],
        }

    @routes.get("/key")
    async def key() -> Response:
        """The witness's public keys, one a line. Take them from somewhere else as well, and compare."""
        return _text("".join(key.vkey + "\n" for key in cosigner.keys))

    @routes.get("/{digest}/checkpoint")
    async def checkpoint(digest: str) -> Response:
        """The last cosigned checkpoint of the log whose name has this SHA-256 (hex), with all signatures."""
        record = cosigner.keeper.get(origins.get(digest, ""))
        if record is None:
            raise Refusal(UNKNOWN_PATH, "nothing was cosigned for such a log")
        return _text(record.note)

    return routes


def _log(cosigner: Cosigner, origin: str) -> dict[str, object]:
    record = cosigner.keeper.get(origin)
    told: dict[str, object] = {"origin": origin, "vkeys": cosigner.logs[origin], "checkpoint": None}
    if record is not None:
        held = parse(split_note(record.note).text)
        told |= {"checkpoint": f"/{digest_of(origin)}/checkpoint", "size": held.size, "time_s": record.time_s}
    return told


def _text(text: str) -> Response:
    return Response(text, headers=_NOW, media_type="text/plain; charset=utf-8")
