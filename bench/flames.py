"""Where the time goes: `make profile`. Flame graphs of gateway, exchange and audit service under load, by py-spy.

Into bench/results/profile/: one SVG for each service, to be opened in a browser, and its stacks as text, from which the
functions are counted that are named here: `own` is what a function itself took, `with calls` includes what it called.
Only who holds the interpreter's lock is looked at: that leaves out who waits, and work without the lock, of which there
is little. Needs the right to look into other processes: root, or the same user where kernel.yama.ptrace_scope is 0.

    bench/flames.py [SECONDS]    of each of the two recordings, 10
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Thread

from peers import ours
from peers.contender import Contender
from peers.load import Answers, closed
from peers.processes import cores
from peers.provider import provider

RESULTS = Path(__file__).with_name("results") / "profile"
PY_SPY = Path(sys.executable).with_name("py-spy")
CONNECTIONS, SECONDS, WARM_UP_S, SPARE_S = 64, 10, 2, 3
PER_SECOND, TOP = 250, 15


def record(parts: Mapping[str, Sequence[int]], form: str, ending: str, seconds: int) -> None:
    """All services at once, so that one load serves for all; raises SystemExit with py-spy's own words."""
    recordings = {}
    how = ["--native", "--gil", "--duration", str(seconds), "--rate", str(PER_SECOND), "--format", form]
    for name, pids in parts.items():
        command = [str(PY_SPY), "record", *how, "--pid", str(pids[0]), "--output", str(RESULTS / f"{name}.{ending}")]
        recordings[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for name, recording in recordings.items():
        _, words = recording.communicate(timeout=seconds * 3 + 30)
        if recording.returncode:
            sys.exit(f"py-spy, {name}: {words.decode(errors='replace')[-1000:]}")


def load(us: Contender, seconds: float) -> Answers:
    """No connection ever waits. Without wrk, which is not everywhere."""
    return closed(None, us.port, us.question(), CONNECTIONS, seconds)


def under_load(us: Contender, seconds: int) -> None:
    """Both recordings, while the gateway is asked without a pause."""
    asking = Thread(target=load, args=(us, 2 * (seconds + SPARE_S)), daemon=True)
    asking.start()
    record(us.parts, "raw", "txt", seconds)
    record(us.parts, "flamegraph", "svg", seconds)
    asking.join()


def counted(stacks: Iterable[str]) -> tuple[int, Counter[str], Counter[str]]:
    """Samples, those by function on top of its stack, those by function anywhere in it.

    stacks  lines "outer (file.py:12);inner (file.py:34) 17", as py-spy writes them; waiting is not among them
    """
    samples, own, everywhere = 0, Counter[str](), Counter[str]()
    for stack in stacks:
        frames, _, times = stack.rpartition(" ")
        names = [function_of(frame) for frame in frames.split(";")]
        samples += int(times)
        own[names[-1]] += int(times)
        for name in set(names):
            everywhere[name] += int(times)
    return samples, own, everywhere


def function_of(frame: str) -> str:
    """A frame without the line in it that was running: "answer (gateway/answer.py)"."""
    name, _, line = frame.rpartition(":")
    return f"{name})" if line.rstrip(")").isdigit() else frame


def table(stacks: Iterable[str]) -> str:
    """The functions that took most by themselves, in per cent of the samples."""
    samples, own, everywhere = counted(stacks)
    share = 100 / max(1, samples)
    lines = (f"{own[name] * share:6.1f}  {everywhere[name] * share:10.1f}  {name}" for name, _ in own.most_common(TOP))
    return "\n".join(("   own  with calls", *lines))


def main() -> None:
    seconds = int(sys.argv[1]) if sys.argv[1:] else SECONDS
    os.sched_setaffinity(0, cores()[1])
    RESULTS.mkdir(parents=True, exist_ok=True)
    with provider() as (_, port), ours.started(port) as (_, us):
        load(us, WARM_UP_S)
        under_load(us, seconds)
    for name in us.parts:
        print(f"\n{name}: {RESULTS / name}.svg")
        print(table((RESULTS / f"{name}.txt").read_text().splitlines()))


if __name__ == "__main__":
    main()
