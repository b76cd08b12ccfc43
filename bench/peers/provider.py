"""The department that is asked, the same for every contender: one record of 1 KB, as fast as one process can answer.

Run as a process of its own: `python -m peers.provider PORT`. It is not what is measured.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

import uvloop

from peers.processes import listening, running
from tongdao_cli.postgres import free_port

NAMES = [f"field_{i:02}" for i in range(22)]
RECORD = {
    "name": "张三丰测试", "id_card": "990101199003070218", "secret": "不外传", **{n: "云江市数据" + n for n in NAMES}
}  # fmt: skip
ANSWER = json.dumps(RECORD, ensure_ascii=False).encode()
GRANTED = ["name", *NAMES]
"""What a consumer may see of RECORD; `name` only masked."""
MASKED = {**{name: RECORD[name] for name in NAMES}, "name": "张****"}
"""What a consumer that was granted GRANTED has to get."""
_TEXT = {"type": "string", "maxLength": 100}
PARAMETERS = {"type": "object", "properties": {"key": _TEXT}, "required": ["key"]}
RESPONSE = {"type": "object", "properties": dict.fromkeys(GRANTED, _TEXT), "required": GRANTED}
"""What it may be asked, and has to answer."""


class Provider(asyncio.Protocol):
    """Answers every request without a body with `answer`, before it has looked at it."""

    def __init__(self, answer: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
        self._whole = head + answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(self._whole * data.count(b"\r\n\r\n"))


async def serve(port: int, answer: bytes = ANSWER) -> None:
    """Answer on 127.0.0.1 until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Provider(answer), "127.0.0.1", port)
    await server.serve_forever()


@contextmanager
def provider() -> Iterator[tuple[Popen[bytes], int]]:
    """Its process, and its port."""
    port = free_port()
    with running([sys.executable, "-m", "peers.provider", str(port)]) as process:
        listening(process, port)
        yield process, port


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
