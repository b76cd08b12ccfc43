"""How the cost of a call grows: `make bench-curves`; ARGS="grants masks" for some curves only, QUICK=1 for small sizes.

    payload     1 KB to 10 MB, a name masked in every kilobyte
    masks       0 to 50 of 50 fields masked
    processes   one gateway and two, on one core
    together    calls while catalog and log are read, and those without the other
    grants      10,000 to 1,000,000; with memory, and the time until a gateway that was started anew answers
    interfaces  1,000 to 100,000, a grant for each; calls spread over a few hundred of them, then over all

Gateway, exchange and audit service share the first core. Microseconds are processor time per call; those of the fixed
work of bench/reference.py stand beside them, since a busy machine makes all of it dearer. Results go to
bench/results/curves.json, .md and .svg, progress to stderr. A point that cannot be measured is named with its reason.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from growth.drawn import Row, drawn, table
from growth.sized import FIELDS
from growth.world import Cost, World, another_gateway, world
from peers import ours
from peers.measure import peak_mb, rss_mb
from peers.processes import pids_of
from peers.provider import provider
from runtime.http import sync_client

RESULTS = Path(__file__).with_name("results")
QUICK = bool(os.environ.get("QUICK"))
ROWS = [{"name": "rows.name", "mask": "name_first"}, {"name": "rows.text"}]
LARGE, FEW = 1_000_000, 4
"""Answers of so many bytes are asked for by so few connections."""
CALLED = 500
"""Interfaces that calls are spread over: as many, whatever the number of those that there are."""


def row(curve: str, at: int, cost: Cost, **more: float) -> Row:
    """What there is to say of one point."""
    sample, answers = cost.sample, cost.sample.answers
    times = {**sample.cpu_us, **sample.apart_us, "reference": cost.reference_us}
    latency = {"p50 ms": round(answers.p50_ms, 2), "p99 ms": round(answers.p99_ms, 2)}
    figures = {name: round(us, 1) for name, us in times.items()}
    figures["times the reference"] = round(cost.cpu_us / cost.reference_us, 2)
    return Row(curve, at, cost.cpu_us, {**figures, "calls/s": round(answers.calls_per_s), **latency, **more})


def payload(on: World, size: int) -> Row:
    path = on.add(f"size-{size}", f"/size/{size}", ROWS, [field["name"] for field in ROWS])
    return row("payload", size, on.cost(on.asking(path), FEW if size >= LARGE else 64))


def masks(on: World, masked: int) -> Row:
    fields = [{"name": name, "mask": "name_first" if n < masked else ""} for n, name in enumerate(FIELDS)]
    path = on.add(f"masks-{masked}", "/fields", fields, FIELDS)
    return row("masks", masked, on.cost(on.asking(path)))


def processes(on: World, gateways: int) -> Row:
    if gateways == 1:
        return row("processes", 1, on.cost(on.asking(ours.PATH)))
    with another_gateway(on) as port:
        return row("processes", 2, on.cost(on.asking(ours.PATH), ports=(on.contender().port, port)))


def together(on: World, readers: int) -> Row:
    stop, done = Event(), [0]
    reading = [Thread(target=read, args=(on, stop, done), daemon=True) for _ in range(readers)]
    began = time.monotonic()
    for reader in reading:
        reader.start()
    try:
        cost = on.cost(on.asking(ours.PATH))
    finally:
        stop.set()
        for reader in reading:
            reader.join()
    return row("together", readers, cost, **{"reads/s": round(done[0] / (time.monotonic() - began))})


def read(on: World, stop: Event, done: list[int]) -> None:
    """Ask catalog and log in turn until told to stop."""
    with sync_client(on.facts["gateway"]) as client:
        headers = {"Authorization": f"Bearer {on.operator_token()}"}
        while not stop.is_set():
            for path in ("/api/catalog/resources?q=%E8%B4%9F%E8%BD%BD", "/api/audit/entries?limit=50"):
                done[0] += client.get(path, headers=headers).is_success


def grants(on: World, size: int) -> Row:
    loaded = load(on, "grants", size)
    return row("grants", size, on.cost(on.asking(ours.PATH)), **loaded)


def interfaces(on: World, size: int) -> Row:
    loaded = load(on, "interfaces", size)
    question = on.asking("/x/bench-PLACE/v1")(0)
    few = on.cost(partial(somewhere, question, size, (size - 1) // min(CALLED, size - 1)))
    every = on.cost(partial(somewhere, question, size, 1))
    return row("interfaces", size, few, **{"spread over all": round(every.cpu_us, 1)}, **loaded)


def somewhere(question: str, size: int, step: int, number: int) -> str:
    """The question of one call to every `step`-th of the interfaces 1 to `size` - 1, in turn."""
    return question.replace("PLACE", f"{1 + number * step % (size - 1):06}")


def load(on: World, kind: str, size: int) -> dict[str, float]:
    """Have so many in the tables and gateway and exchange started anew: what that took, in seconds and MB."""
    copied_s, restart_s = on.copy(kind, size), on.restart()
    pids = pids_of(on.facts, ("gateway", "exchange-service", "catalog-service"))
    memory = {f"{name} MB": round(rss_mb(of)) for name, of in pids.items()}
    peaks = {f"{name} at most MB": round(peak_mb(of)) for name, of in pids.items()}
    times = {"copied s": round(copied_s, 1), "load s": on.loaded_s(), "restart s": round(restart_s, 1)}
    return {**times, **memory, **peaks}


class Curve(NamedTuple):
    """sizes  of a full run; quick  of a quick one; alike  curves of the same word share a platform"""

    point: Callable[[World, int], Row]
    sizes: Sequence[int]
    quick: Sequence[int]
    alike: str = "small"


CURVES = {
    "payload": Curve(payload, (1_000, 10_000, 100_000, 1_000_000, 10_000_000), (1_000, 1_000_000)),
    "masks": Curve(masks, (0, 10, 25, 50), (0, 50)),
    "processes": Curve(processes, (1, 2), (1, 2)),
    "together": Curve(together, (0, 2), (0, 2)),
    "grants": Curve(grants, (10_000, 100_000, 1_000_000), (10_000, 100_000), "grants"),
    "interfaces": Curve(interfaces, (1_000, 10_000, 100_000), (1_000, 10_000), "interfaces"),
}


class Found:
    """What was measured so far, written at once: a run that is broken off has not been for nothing."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.left_out: dict[str, str] = {}

    def have(self, one: Row) -> None:
        """One more point."""
        self.rows.append(one)
        print(f"{one.curve} {one.at:,}: {one.cost_us:.0f} us  {one.figures}", file=sys.stderr, flush=True)
        self.write()

    def miss(self, point: str, error: Exception) -> None:
        """A point that could not be measured."""
        self.left_out[point] = repr(error)[-500:]
        print(f"{point}: {self.left_out[point]}", file=sys.stderr, flush=True)
        self.write()

    def write(self) -> None:
        """JSON, Markdown and a drawing."""
        RESULTS.mkdir(exist_ok=True)
        rows = [{"curve": one.curve, "at": one.at, "cpu_us": one.cost_us, **one.figures} for one in self.rows]
        (RESULTS / "curves.json").write_text(json.dumps({"rows": rows, "left_out": self.left_out}, indent=1) + "\n")
        (RESULTS / "curves.md").write_text(table(self.rows, self.left_out))
        (RESULTS / "curves.svg").write_text(drawn(self.rows))


def measure(names: Sequence[str], port: int, found: Found) -> None:
    """The points of some curves, on one platform. port  of the provider of 1 KB"""
    points = [(name, at) for name in names for at in (CURVES[name].quick if QUICK else CURVES[name].sizes)]
    with ExitStack() as stack:
        try:
            on = stack.enter_context(world(port))
        except Exception as error:  # whatever it is: other curves may do better
            found.miss(", ".join(names), error)
            return
        for name, at in points:
            try:
                found.have(CURVES[name].point(on, at))
            except Exception as error:  # whatever it is: other points may do better
                found.miss(f"{name} {at:,}", error)


def main() -> None:
    began = time.monotonic()
    chosen = [name for name in CURVES if name in sys.argv[1:] or not sys.argv[1:]]
    found = Found()
    with provider() as (_, port):
        for alike in dict.fromkeys(CURVES[name].alike for name in chosen):
            measure([name for name in chosen if CURVES[name].alike == alike], port, found)
    print(table(found.rows, found.left_out))
    print(f"took {time.monotonic() - began:.0f} s", file=sys.stderr)
    if found.left_out:
        sys.exit(f"not measured: {'; '.join(found.left_out)}")


if __name__ == "__main__":
    main()
