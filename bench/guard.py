"""Has a call become dearer? `make bench-guard`: processor time per call of each service, against bench/baseline.json.

No absolute time counts: in every round the same load goes to a fixed piece of Python (reference.py) on the same core,
and what is kept and compared is the ratio of both, the median of all rounds. Fails where one has grown by 30 %.

    bench/guard.py [--keep]    --keep  make what was measured the new baseline
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from peers import ours
from peers.contender import Contender, head
from peers.load import closed
from peers.measure import measured
from peers.processes import cores, listening, pin, running
from peers.provider import provider
from tongdao_cli.postgres import free_port

BASELINE = Path(__file__).with_name("baseline.json")
REFERENCE = Path(__file__).with_name("reference.py")
CONNECTIONS, ROUNDS, ROUND_S, WARM_UP_S = 64, 7, 1.0, 1.5
MOST = 1.3
"""A ratio may grow by so much."""


@contextmanager
def reference() -> Iterator[Contender]:
    """The fixed piece of work, on the measured core."""
    port = free_port()
    with running([sys.executable, REFERENCE, str(port)]) as process:
        listening(process, port)
        pin([process.pid], cores()[0])
        yield Contender("reference", port, lambda: head(port, "/x", "token" * 100), {"reference": [process.pid]})


def cpu_us(contender: Contender, seconds: float) -> dict[str, float]:
    """One round: microseconds of the processor per call, by part."""
    question = contender.question()
    sample = measured(contender, lambda: closed(None, contender.port, question, CONNECTIONS, seconds))
    if sample.answers.failed:
        sys.exit(f"{sample.answers.failed} calls of {contender.name} failed")
    return sample.cpu_us


def ratios(us: Contender, fixed: Contender) -> list[dict[str, float]]:
    """Of each round: what our parts take, as multiples of what the reference took just before and after."""
    found = []
    before = cpu_us(fixed, ROUND_S)["reference"]
    for n in range(ROUNDS):
        of_ours = cpu_us(us, ROUND_S)
        after = cpu_us(fixed, ROUND_S)["reference"]
        unit = (before + after) / 2
        found.append({name: cost / unit for name, cost in of_ours.items()})
        costs = ", ".join(f"{name} {cost:.0f}" for name, cost in of_ours.items())
        print(f"round {n + 1} of {ROUNDS}: {costs}, reference {unit:.0f} us", file=sys.stderr)
        before = after
    return found


def middle(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each part."""
    return {name: round(median(one[name] for one in found), 3) for name in found[0]}


def dearer(now: Mapping[str, float], then: Mapping[str, float]) -> list[str]:
    """What has grown too much, in words; a part that the baseline does not know has not."""
    grown = {name: ratio / then[name] for name, ratio in now.items() if name in then}
    return [f"{name} takes {times:.2f} times of what it took" for name, times in grown.items() if times > MOST]


def measure() -> dict[str, float]:
    """Part -> ratio, of a platform of its own."""
    os.sched_setaffinity(0, cores()[1])
    with provider() as (_, port), ours.started(port) as (_, us), reference() as fixed:
        cpu_us(us, WARM_UP_S)
        cpu_us(fixed, WARM_UP_S)
        return middle(ratios(us, fixed))


def main() -> None:
    now = measure()
    if "--keep" in sys.argv:
        BASELINE.write_text(json.dumps(now, indent=2) + "\n")
    then = json.loads(BASELINE.read_text())
    print(json.dumps({name: {"ratio": ratio, "baseline": then.get(name)} for name, ratio in now.items()}))
    if grown := dearer(now, then):
        sys.exit("; ".join(grown) + f"; {MOST} is the most. If that is meant: make bench-guard ARGS=--keep")


if __name__ == "__main__":
    main()
