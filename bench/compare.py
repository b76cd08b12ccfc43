"""Tongdao beside nginx, Envoy and a naive gateway: `make bench`; `make bench QUICK=1` in less than five minutes.

One run, one provider, one load; all processes of a contender on the first core, everything else on the others. What
cannot be had here is left out and named. Results go to bench/results; the last line of the output is what counts,
progress goes to stderr. Exit 1 where ours did not do what it promises.
"""

import asyncio
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median

import msgspec

from peers import ours, rivals, tools
from peers.contender import Contender, head
from peers.load import closed, opened
from peers.measure import Foreign, pss_mb, rss_mb
from peers.ours import Broken, Facts
from peers.processes import DidNotStart, cores, pids_of, pin
from peers.provider import provider
from peers.report import Comparison, chart, line, rows_of, table
from peers.rounds import CALLS_PER_S, FULL, QUICK, Plan, Rounds

RESULTS = Path(__file__).parent / "results"
WARM_UP_S, COUNTED_S = 2, 1
SERVICES = ("gateway", "exchange-service", "catalog-service", "audit-service", "identity")
"""Whose memory is summed up; the demo's providers and PostgreSQL stand beside them."""
MASKING = ("ours", "naive")
"""Who looks into answers; those that do not mask as they should never get so far."""


def compare(plan: Plan, began: float) -> Comparison:
    """The whole run; raises Broken. began  monotonic"""
    left_out: dict[str, str] = {}
    checks: dict[str, str] = {}
    wrk = load_tool(left_out)
    with ExitStack() as stack:
        process, port = stack.enter_context(provider())
        facts, mine = stack.enter_context(ours.started(port))
        contenders = [*others(stack, port, facts, left_out), mine]
        os.sched_setaffinity(0, cores()[1])
        pin([process.pid], cores()[1])
        for contender in contenders:
            closed(wrk, contender.port, contender.question(), 64, WARM_UP_S)
        checks["two leaves a call"] = two_leaves(facts, mine)
        before = asyncio.run(ours.leaves(facts))
        rounds = Rounds(plan, wrk, Contender("provider", port, lambda: head(port, ours.PATH, "none")), contenders)
        foreign = Foreign()
        rounds.run(began)
        beside = {"cores used by other processes meanwhile": f"{foreign.cores():.2f}"}
        checks["leaves of all rounds"] = committed(before, asyncio.run(ours.leaves(facts)), rounds)
        checks["a forged token is refused"] = ", ".join(one.name for one in contenders if one.name != "nginx")
        checks["the answer is projected and masked"] = ", ".join(one.name for one in contenders if one.name in MASKING)
        pids = pids_of(facts, facts["services"])
        return Comparison(
            rounds.done, plan.seconds, about(wrk, left_out) | beside, rows_of(rounds.samples), median(rounds.direct_ms),
            {name: rss_mb(of) for name, of in pids.items()}, {name: pss_mb(of) for name, of in pids.items()},
            SERVICES, checks, left_out,
        )  # fmt: skip


def load_tool(left_out: dict[str, str]) -> tools.Tool | None:
    """wrk, or None for a loop of our own."""
    try:
        return tools.wrk()
    except tools.Missing as why:
        left_out["wrk"] = str(why)
        return None


def others(stack: ExitStack, port: int, facts: Facts, left_out: dict[str, str]) -> list[Contender]:
    """Those that can be had here; why not the others is put into `left_out`. port  the provider's"""
    issuer, postgres = rivals.Issuer(), pids_of(facts, ["postgres"]).get("postgres", [])
    starts: dict[str, Callable[[], AbstractContextManager[Contender]]] = {
        "nginx": lambda: rivals.nginx(tools.nginx(), port),
        "envoy": lambda: rivals.envoy(tools.envoy(), port, issuer, cached=False),
        "envoy_cached": lambda: rivals.envoy(tools.envoy(), port, issuer, cached=True),
        "naive": lambda: rivals.naive(port, issuer, facts["database_url"], postgres),
    }
    found = []
    for name, start in starts.items():
        try:
            found.append(stack.enter_context(start()))
        except (tools.Missing, DidNotStart) as why:
            left_out[name] = " ".join(str(why).split())
            print(f"{name} is left out: {why}", file=sys.stderr, flush=True)
    return found


def two_leaves(facts: Facts, mine: Contender) -> str:
    """Counts them over a second of calls that are all answered; raises Broken if one is missing or too many."""
    before = asyncio.run(ours.leaves(facts))
    answers = opened(mine.port, mine.question(), CALLS_PER_S, COUNTED_S)
    after = asyncio.run(ours.leaves(facts))
    grown = {kind: after[kind] - before[kind] for kind in after}
    if answers.failed or set(grown.values()) != {answers.calls}:
        raise Broken(f"{answers.calls} calls, {answers.failed} failed, committed: {grown}")
    return f"{answers.calls} calls were answered, {grown['intent']} intents and {grown['outcome']} outcomes committed"


def committed(before: Mapping[str, int], after: Mapping[str, int], rounds: Rounds) -> str:
    """Every call that was answered in a round is in the log, twice; raises Broken. Some were under way at its end."""
    answered, more = rounds.answered("ours")
    grown = {kind: after[kind] - before[kind] for kind in after}
    if not all(answered <= count <= answered + more for count in grown.values()):
        raise Broken(f"{answered} calls were answered, {more} others may have been asked, committed: {grown}")
    return f"{answered} calls were answered, {grown['intent']} intents and {grown['outcome']} outcomes committed"


def about(wrk: tools.Tool | None, left_out: Mapping[str, str]) -> dict[str, str]:
    """The machine, and what runs on it."""
    processor = [text for text in Path("/proc/cpuinfo").read_text().splitlines() if text.startswith("model name")]
    versions = {} if "nginx" in left_out else {"nginx": tools.nginx().version("-v").rpartition("/")[2]}
    if {"envoy", "envoy_cached"} - left_out.keys():
        versions["Envoy"] = tools.envoy().version("--version").split("/")[-4]
    return {
        "processor": processor[0].partition(": ")[2] if processor else platform.machine(),
        "cores": str(os.cpu_count()),
        "Linux": platform.release(),
        "Python": platform.python_version(),
        "load": wrk.version("-v").partition(" [")[0] if wrk else "a loop in Python, since there is no wrk",
        **versions,
    }


def keep(found: Comparison, name: str) -> None:
    """Write the results as data, table and chart."""
    RESULTS.mkdir(exist_ok=True)
    whole = {**msgspec.to_builtins(found), "line": line(found)}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / f"{name}.md").write_text(table(found))
    (RESULTS / f"{name}.svg").write_text(chart(found))


def main() -> None:
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # everything started is stopped
    quick = os.environ.get("QUICK", "") not in ("", "0")
    try:
        found = compare(QUICK if quick else FULL, began)
    except Broken as wrong:
        sys.exit(str(wrong))
    keep(found, "compare_quick" if quick else "compare")
    print(table(found))
    print(json.dumps(line(found)))


if __name__ == "__main__":
    main()
