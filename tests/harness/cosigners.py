"""A witness inside the test, at a real address, and addresses at which something else than a witness is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn

from audit_service.witnessing.asking import Witness
from audit_service.witnessing.posting import Witnessing
from harness.audit_log import Log
from harness.receipts import ORIGIN, key, vkey
from relay.protocol import call_protocol
from runtime.server import make_app
from tlog import cosignature
from witness import api
from witness.cosigner import Cosigner, Key
from witness.keeper import Keeper

GRACE_S = 14_400
Bytes = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class MovedClock:
    """The real time and a difference that tests set."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Running:
    """A witness that answers; `seen` is how it stands in the log's settings."""

    def __init__(self, folder: Path, number: int, logs: dict[str, list[str]]) -> None:
        self.clock = MovedClock()
        self.keeper = Keeper(folder / f"witness-{number}")
        self.key = Key(f"w{number}.example", key(100 + number))
        self.cosigner = Cosigner(logs, [self.key], self.keeper, self.clock)
        self.seen: Witness

    def forget(self) -> None:
        """As a witness does that was made anew: its last times are gone with the rest."""
        self.keeper._records.clear()


@asynccontextmanager
async def witness_here(folder: Path, number: int = 1, **logs: list[str]) -> AsyncIterator[Running]:
    """A witness of the log that tests have; `logs`: others beside it."""
    made = Running(folder, number, {ORIGIN: [vkey()], **logs})

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        yield

    async def ready() -> None:
        """At once."""

    app = make_app("witness", lifespan, ready, docs=False)
    app.include_router(api.router(made.cosigner))
    protocol = call_protocol(api.PREFIX, api.SubmissionDoor(made.cosigner).handle)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, http=protocol, loop="none", ws="none", log_config=None)
    )
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    made.seen = Witness(url=f"http://127.0.0.1:{port}", vkey=made.key.vkey)
    yield made
    server.should_exit = True
    await running
    made.keeper.close()


def silent() -> AbstractAsyncContextManager[str]:
    """The address of somebody who takes every connection and never answers."""

    async def wait(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)  # until the client gives up

    return address_of(wait)


def saying(answer: bytes) -> AbstractAsyncContextManager[str]:
    """The address of somebody who says the same to everybody, whatever the question."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(answer)

    return address_of(say)


def http(status: str, body: bytes, kind: str = "text/plain", more: str = "") -> bytes:
    """An HTTP answer."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    )
    return head.encode() + body


@asynccontextmanager
async def address_of(handle: Bytes) -> AsyncIterator[str]:
    """A TCP server of the test."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())  # type: ignore[arg-type]  # started by the server, as a task
        with suppress(OSError):
            await handle(reader, writer)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await asyncio.gather(*serving)


# --- the log's side ---------------------------------------------------------------------------------------------------
@asynccontextmanager
async def asked_by(log: Log, *witnesses: Witness, clock: MovedClock | None = None) -> AsyncIterator[Witnessing]:
    """The log's side, closed at the end."""
    made = Witnessing(log.database, witnesses, log.signer.vkeys, clock)
    yield made
    await made.close()


async def grow(log: Log, calls: int = 1) -> None:
    """More leaves, and a checkpoint over them."""
    await log.calls(calls)
    await log.sequence()


async def cosigned(log: Log) -> list[tuple[str, int]]:
    """(witness, size) of every cosignature that is kept."""
    rows = await log.fetch("SELECT witness, size FROM audit.cosignature ORDER BY size, witness")
    return [tuple(row) for row in rows]


async def errors(log: Log) -> dict[str, str]:
    """Witness -> what went wrong last."""
    rows = await log.fetch("SELECT witness, error FROM audit.witness_attempt")
    return {row[0]: row[1] for row in rows}


def vkey_of(number: int) -> str:
    """The key of a witness of these tests."""
    return cosignature.format_vkey(f"w{number}.example", key(100 + number).public_key())


def alarms(said: Sequence[Any]) -> list[Any]:
    """The lines that wake somebody."""
    return [line for line in said if line.get("alarm")]
