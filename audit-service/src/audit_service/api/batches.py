"""`POST /batches` on the fast lane: frames in, 204 after commit (design section 12)."""

import asyncio
import hashlib
import re

import structlog

from audit_service.append import Ingest
from audit_service.entry import LARGEST_BATCH_BYTES, Batch
from relay.call import BodyTooLarge, Call, ClientGone
from runtime.errors import Code, Refusal
from runtime.problems import MEDIA_TYPE, language_of, problem
from runtime.service_auth import ServiceKey
from wire import codes, lease
from wire.headers import SERVICE

log = structlog.get_logger()
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,17}")
_GATEWAY, _EPOCH, _FIRST, _COUNT = (
    name.lower().encode() for name in (lease.GATEWAY, lease.EPOCH, lease.FIRST, lease.COUNT)
)


class BatchDoor:
    """Takes batches from services that know the shared secret."""

    def __init__(self, key: ServiceKey, ingest: Ingest) -> None:
        self._key = key
        self._ingest = ingest

    async def handle(self, call: Call) -> None:
        """One request. Driven by hand, so the database is awaited in a task of its own."""
        try:
            batch = await self._batch(call)
            await asyncio.ensure_future(self._ingest.take(batch))
        except Refusal as refusal:
            _refuse(call, refusal.code, refusal.detail)
        except BodyTooLarge:
            log.critical("batch.too_large", alarm=True)
            _refuse(call, codes.BODY_TOO_LARGE, f"a batch has at most {LARGEST_BATCH_BYTES} bytes")
        except ClientGone:
            return
        else:
            call.answer(204)

    async def _batch(self, call: Call) -> Batch:
        if call.target != b"/batches":
            raise Refusal(codes.NOT_FOUND)
        if call.method != b"POST":
            raise Refusal(codes.METHOD_NOT_ALLOWED)
        body = await call.read(LARGEST_BATCH_BYTES)
        signature = call.headers.get(SERVICE, b"")
        self._key.check(signature, b"POST", call.target, None)
        digest = hashlib.sha256(body)
        self._key.check_digest(signature, digest.hexdigest().encode())
        epoch, first, count = (_number(call.headers, name) for name in (_EPOCH, _FIRST, _COUNT))
        gateway = call.headers.get(_GATEWAY, b"").decode("latin-1")
        return Batch(gateway, epoch, first, count, body, digest.digest())


def _number(headers: dict[bytes, bytes], name: bytes) -> int:
    value = headers.get(name, b"")
    if not _NUMBER.fullmatch(value):
        raise Refusal(codes.BROKEN_FRAME, f"{name.decode()} is not a number")
    return int(value)


def _refuse(call: Call, code: Code, detail: str) -> None:
    body = problem(code, language_of(call.headers.get(b"accept-language", b"en").decode("latin-1")), detail)
    retry = b"retry-after: 1\r\n" if code.status == 503 else b""
    lines = f"content-type: {MEDIA_TYPE}\r\ntongdao-fault: {code.fault}\r\n".encode()
    call.answer(code.status, body, lines + retry)
