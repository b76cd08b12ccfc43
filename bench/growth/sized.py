"""A department that answers as much as its path says: /size/100000/… so many bytes of JSON, /fields/… 50 fields.

Run as a process of its own: `python -m growth.sized PORT`. It is not what is measured.
"""

import asyncio
import json
import sys
from functools import cache
from typing import Any

import uvloop

FIELDS = [f"field_{n:02}" for n in range(50)]
ROW = {"name": "张三丰测试", "text": "x" * 959}
"""With commas and names 1,000 bytes, in `rows`."""


@cache
def answer(kind: str, size: str) -> bytes:
    """A whole answer. kind, size  the first two segments of the path"""
    record: dict[str, Any] = dict.fromkeys(FIELDS, "云江市数据")
    if kind == "size":
        record = {"rows": [ROW] * (int(size) // 1000)}
    body = json.dumps(record, ensure_ascii=False).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Sized(asyncio.Protocol):
    """Takes one request at a time, without a body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        _, kind, size, *_ = data.split(b" ", 2)[1].decode().split("/")
        self._transport.write(answer(kind, size if kind == "size" else ""))


async def serve(port: int) -> None:
    """Answer on 127.0.0.1 until killed."""
    server = await asyncio.get_running_loop().create_server(Sized, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
