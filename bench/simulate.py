"""Thousands of histories of a sequencer with three replicas, each from one seed: `make simulate` (SEEDS=2000, FIRST=0).

Prints how many histories a second and how often each wanted state was reached; exit 1 if one never was, or if a promise
did not hold (then the seed is named, and FIRST=that seed SEEDS=1 repeats it).
"""

import os
import sys
import time

from harness.simulation import WANTED, histories

SEEDS, FIRST = int(os.environ.get("SEEDS", "2000")), int(os.environ.get("FIRST", "0"))


def main() -> int:
    """0 when all held and everything was seen."""
    started = time.perf_counter()
    try:
        reached = histories(range(FIRST, FIRST + SEEDS))
    except AssertionError as broken:
        sys.stdout.write(f"{broken}\n")
        return 1
    took_s = time.perf_counter() - started
    sys.stdout.write(f"{SEEDS} seeds in {took_s:.1f} s: {SEEDS / took_s:.0f} a second\n")
    for name in WANTED:
        sys.stdout.write(f"{reached[name]:8} {name}\n")
    return 0 if all(reached[name] for name in WANTED) else 1


if __name__ == "__main__":
    sys.exit(main())
