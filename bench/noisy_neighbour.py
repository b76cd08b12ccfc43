"""What does a provider that hangs cost its neighbours? `make bench-noisy`: under a minute, one exchange, two providers.

In each round calls of a healthy provider are timed alone, then beside another department's whose bulkhead is full of
calls that hang and who is asked on and on. Gateway, exchange and providers share one loop, so that the figures hold the
work of all of them; only their ratio means something. Prints one line of JSON: medians over the rounds, milliseconds;
fails where p99 beside is 1.5 times p99 alone or more (security.md F-17).
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvloop

from harness.exchange import Running, interface, message, running
from harness.origin import Line, Origin, origin
from harness.postgres import Cluster, Database
from runtime import logs
from tongdao_cli.postgres import Postgres

ROUNDS, ASKERS, CALLS_EACH = 7, 4, 250
HANGING, TURNED_AWAY_EVERY_S = 200, 0.02
WELL, ILL = "well/v1", "ill/v1"
BAR = 1.5
ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}'


async def well(line: Line) -> None:
    while True:
        await line.request()
        await line.say(ANSWER)


class Hanging:
    """A provider that takes questions and says nothing as long as it hangs."""

    def __init__(self) -> None:
        self.held = 0
        self._over = asyncio.Event()

    async def script(self, line: Line) -> None:
        while True:
            await line.request()
            self.held += 1
            await self._over.wait()
            self.held -= 1
            await line.say(ANSWER)

    @contextmanager
    def hangs(self) -> Iterator[None]:
        self._over.clear()
        yield
        self._over.set()


async def p99_ms(exchange: Running) -> float:
    """Of calls of the healthy provider by a few askers at once."""
    took: list[float] = []

    async def asker() -> None:
        for _ in range(CALLS_EACH):
            began = time.perf_counter()
            reply, _ = await exchange.ask(key=WELL)
            took.append(time.perf_counter() - began)
            assert reply.status == 200

    await asyncio.gather(*(asker() for _ in range(ASKERS)))
    return sorted(took)[len(took) * 99 // 100] * 1000


@asynccontextmanager
async def noise(exchange: Running, ill: Hanging, at: Origin) -> AsyncIterator[None]:
    """The other provider's bulkhead is full, and whoever comes is turned away."""

    async def more() -> None:
        while True:
            reply, _ = await exchange.ask(message(method="POST"), key=ILL)
            assert reply.code == "provider/busy"
            await asyncio.sleep(TURNED_AWAY_EVERY_S)

    with ill.hangs():
        stuck = [
            asyncio.create_task(exchange.ask(message(method="POST", within_s=300), key=ILL)) for _ in range(HANGING)
        ]
        await at.wait_for(lambda: ill.held == HANGING)
        turned_away = asyncio.create_task(more())
        yield
        assert not turned_away.done()
        turned_away.cancel()
    assert {reply.status for reply, _ in await asyncio.gather(*stuck)} == {200}


async def run(database: Database) -> dict[str, float]:
    alone, beside = [], []
    ill = Hanging()
    async with origin(well) as healthy, origin(ill.script) as hung, running(database) as exchange:
        exchange.serve(
            interface(healthy.port, id="well", provider="rsj"),
            interface(hung.port, id="ill", max_in_flight=HANGING, timeout_s=300.0),
        )
        await p99_ms(exchange)  # warm
        for _ in range(ROUNDS):
            alone.append(await p99_ms(exchange))
            async with noise(exchange, ill, hung):
                beside.append(await p99_ms(exchange))
    ratio = statistics.median(more / less for more, less in zip(beside, alone, strict=True))
    figures = {"p99_alone_ms": statistics.median(alone), "p99_beside_ms": statistics.median(beside), "ratio": ratio}
    return {name: round(value, 3) for name, value in figures.items()}


def main() -> int:
    """0 if the neighbour is not felt."""
    logs.configure("bench", "ERROR")
    with tempfile.TemporaryDirectory(prefix="tongdao-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        postgres = Postgres(Path(home))
        try:
            with Cluster(postgres.start()).lent(("exchange_service", "exchange")) as database:
                figures = uvloop.run(run(database))
        finally:
            postgres.stop()
    sys.stdout.write(json.dumps(figures) + "\n")
    return 1 if figures["ratio"] >= BAR else 0


if __name__ == "__main__":
    sys.exit(main())
