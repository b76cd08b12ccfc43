"""Small real programs for the supervisor to look after."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from tongdao_cli.supervisor import Program

SERVER = """
import os, signal, socketserver, sys, time
name, port, diary = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def end(number, frame):
    with open(diary, "a") as file:
        file.write(f"{name} {signal.Signals(number).name}\\n")
    sys.exit(0)

signal.signal(signal.SIGTERM, signal.SIG_IGN if name == "deaf" else end)
signal.signal(signal.SIGINT, end)
socketserver.TCPServer.allow_reuse_address = True
socketserver.TCPServer(("127.0.0.1", port), socketserver.BaseRequestHandler).serve_forever()
"""
"""Listens, and writes down which signal ended it; the one called deaf does not listen to SIGTERM."""


def server(name: str, port: int, diary: Path) -> Program:
    """Ready when its port takes connections."""

    async def ready() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    return Program(
        name=name,
        command=[sys.executable, "-c", SERVER, name, str(port), str(diary)],
        ready=ready,
        environment=dict(os.environ),
    )


def ending(name: str, code: int, words: str) -> Program:
    """Says something and ends at once."""

    async def never() -> bool:
        return False

    script = f"import sys; print({words!r}, file=sys.stderr); sys.exit({code})"
    return Program(name=name, command=[sys.executable, "-c", script], ready=never, environment=dict(os.environ))


def exists(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
