"""How the cost of a call grows: `make bench-curves`, or ARGS="grants masks" for some curves only.

    payload     1 KB to 10 MB, a name masked in every kilobyte
    masks       0 to 50 of 50 fields masked
    interfaces  1,000 to 100,000, calls spread over all of them, each with a grant of its own
    grants      10,000 to 1,000,000; with memory and the time of a restart
    processes   one gateway and two, on one core
    together    calls while catalog and log are read, and those without the other

Gateway, exchange and audit service share the first core. Microseconds are processor time per call. Results go to
bench/results/curves.json, .md and .svg, progress to stderr. A curve that cannot be measured is named with its reason.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event, Thread

from growth.drawn import Row, drawn, table
from growth.sized import FIELDS
from growth.world import World, another_gateway, copies, world
from peers import ours
from peers.measure import Sample, rss_mb
from peers.processes import DidNotStart, pids_of
from peers.provider import provider
from runtime.http import HTTPError, sync_client

RESULTS = Path(__file__).with_name("results")
PAYLOADS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
MASKED = (0, 10, 25, 50)
INTERFACES, GRANTS = (1_000, 10_000, 100_000), (10_000, 100_000, 1_000_000)
ROWS = [{"name": "rows.name", "mask": "name_first"}, {"name": "rows.text"}]
LARGE, FEW = 1_000_000, 4
"""Answers of so many bytes are asked for by so few connections."""


def row(curve: str, at: int, sample: Sample, **more: float) -> Row:
    """What there is to say of one round."""
    cpu = {name: round(us, 1) for name, us in sample.cpu_us.items()}
    postgres = {name: round(us, 1) for name, us in sample.apart_us.items()}
    answers = sample.answers
    latency = {"p50 ms": round(answers.p50_ms, 2), "p99 ms": round(answers.p99_ms, 2)}
    speed = {"calls/s": round(answers.calls_per_s), **latency}
    return Row(curve, at, sum(cpu.values()), {**cpu, **postgres, **speed, **more})


def payload(on: World) -> Iterator[Row]:
    for size in PAYLOADS:
        path = on.add(f"size-{size}", f"/size/{size}", ROWS, [field["name"] for field in ROWS])
        yield row("payload", size, on.cost(on.asking(path), FEW if size >= LARGE else 64))


def masks(on: World) -> Iterator[Row]:
    for masked in MASKED:
        fields = [{"name": name, "mask": "name_first" if n < masked else ""} for n, name in enumerate(FIELDS)]
        path = on.add(f"masks-{masked}", "/fields", fields, FIELDS)
        yield row("masks", masked, on.cost(on.asking(path)))


def interfaces(on: World) -> Iterator[Row]:
    there = 1
    for size in INTERFACES:
        on.sql(*copies("interfaces", there, size))
        there = size
        took_s = on.restart()
        question = on.asking("/x/bench-PLACE/v1")(0)
        spread = on.cost(partial(somewhere, question, size - 1))
        yield row("interfaces", size, spread, **loaded(on, took_s))


def somewhere(question: str, interfaces: int, number: int) -> str:
    """The question of one call to one of so many interfaces."""
    return question.replace("PLACE", f"{1 + number % interfaces:06}")


def grants(on: World) -> Iterator[Row]:
    there = 1
    for size in GRANTS:
        on.sql(*copies("grants", there, size))
        there = size
        took_s = on.restart()
        yield row("grants", size, on.cost(on.asking(ours.PATH)), **loaded(on, took_s))


def loaded(on: World, took_s: float) -> dict[str, float]:
    """Memory after a restart, and how long that took until calls were answered."""
    pids = pids_of(on.facts, ("gateway", "exchange-service"))
    return {"restart s": round(took_s, 1), **{f"{name} MB": round(rss_mb(of)) for name, of in pids.items()}}


def processes(on: World) -> Iterator[Row]:
    yield row("processes", 1, on.cost(on.asking(ours.PATH)))
    with another_gateway(on) as port:
        stop = Thread(target=lambda: on.cost(on.asking(ours.PATH), 32, 6), daemon=True)
        stop.start()
        time.sleep(2)
        yield row("processes", 2, on.cost(on.asking(ours.PATH), 32, port=port))
        stop.join()


def together(on: World) -> Iterator[Row]:
    yield row("together", 0, on.cost(on.asking(ours.PATH)))
    stop, done = Event(), [0]
    readers = [Thread(target=read, args=(on, stop, done), daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    began = time.monotonic()
    sample = on.cost(on.asking(ours.PATH))
    stop.set()
    for reader in readers:
        reader.join()
    yield row("together", 1, sample, **{"reads/s": round(done[0] / (time.monotonic() - began))})


def read(on: World, stop: Event, done: list[int]) -> None:
    """Ask catalog and log in turn until told to stop."""
    with sync_client(on.facts["gateway"]) as client:
        headers = {"Authorization": f"Bearer {on.operator_token()}"}
        while not stop.is_set():
            for path in ("/api/catalog/resources?q=%E8%B4%9F%E8%BD%BD", "/api/audit/entries?limit=50"):
                done[0] += client.get(path, headers=headers).is_success


CURVES: dict[str, Callable[[World], Iterator[Row]]] = {
    "payload": payload, "masks": masks, "processes": processes, "together": together, "grants": grants,
    "interfaces": interfaces,
}  # fmt: skip


def main() -> None:
    chosen = [name for name in CURVES if name in sys.argv[1:] or not sys.argv[1:]]
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    with provider() as (_, port):
        for name in chosen:
            try:
                with world(port) as on:
                    for one in CURVES[name](on):
                        rows.append(one)
                        print(f"{one.curve} {one.at:,}: {one.cost_us:.0f} us  {one.figures}", file=sys.stderr)
            except (ours.Broken, DidNotStart, HTTPError, TimeoutError) as error:
                left_out[name] = str(error)[-500:]
                print(f"{name}: {left_out[name]}", file=sys.stderr)
    RESULTS.mkdir(exist_ok=True)
    found = {"rows": [{"curve": one.curve, "at": one.at, "cpu_us": one.cost_us, **one.figures} for one in rows]}
    (RESULTS / "curves.json").write_text(json.dumps({**found, "left_out": left_out}, indent=1) + "\n")
    (RESULTS / "curves.md").write_text(table(rows, left_out))
    (RESULTS / "curves.svg").write_text(drawn(rows))
    print(table(rows, left_out))


if __name__ == "__main__":
    main()
