"""Does fsck ever cry wolf? `make fsck-clean` (RUNS=1000 SEED=1): logs that grow by chance are checked after each step.

A PostgreSQL of its own; a log of its own for every fifty steps. Whatever is found is a false alarm: it is printed with
the seed that repeats it, and the exit code is 1. One line of JSON at the end.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from harness.audit_log import running
from harness.growing import Growing
from harness.postgres import Cluster
from tongdao_cli.postgres import Postgres

RUNS, SEED = int(os.environ.get("RUNS", "1000")), int(os.environ.get("SEED", "1"))
OF_ONE_LOG = 50


async def one_log(url: str, service_url: str, seed: int, steps: int) -> tuple[int, list[str]]:
    """Leaves at the end, and what was found."""
    with tempfile.TemporaryDirectory() as folder:
        async with running(url, service_url, Path(folder)) as log:
            growing, found = Growing(log, Random(seed)), []  # noqa: S311  # to be repeated, not to be secret
            for step in range(steps):
                await growing.grow()
                found += [f"seed {seed} step {step}: {line}" for line in await growing.checked()]
            [size] = await log.fetch("SELECT count(*) FROM audit.entry_index")
            return size[0], found


def main() -> int:
    """0 if nothing was found."""
    began, leaves, done = time.monotonic(), 0, 0
    alarms: list[str] = []
    with tempfile.TemporaryDirectory(prefix="tongdao-fsck-") as home:
        Path(home).chmod(0o755)
        postgres = Postgres(Path(home))
        cluster = Cluster(postgres.start())
        for seed in range(SEED, SEED + -(-RUNS // OF_ONE_LOG)):
            steps = min(OF_ONE_LOG, RUNS - done)
            with cluster.lent(("audit_service", "audit")) as database:
                size, found = asyncio.run(one_log(database.url, database.url_of("audit"), seed, steps))
            leaves, done, alarms = leaves + size, done + steps, alarms + found
            for line in found:
                sys.stderr.write(line + "\n")
        postgres.stop()
    took = round(time.monotonic() - began)
    sys.stdout.write(json.dumps({"runs": done, "leaves": leaves, "false_alarms": len(alarms), "seconds": took}) + "\n")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
