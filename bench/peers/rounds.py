"""The rounds of a comparison: every contender under every load, one after the other, again and again."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from peers.contender import Contender
from peers.load import Answers, closed, opened
from peers.measure import measured
from peers.report import OPEN, Samples
from peers.tools import Tool

CONNECTIONS = (1, 16, 64, 256)
CALLS_PER_S, MARGIN = 500, 1.2
"""Of the open loop; whoever cannot do so many with a margin is not asked to."""
ANSWERS_EACH, LONGEST_S = 4, 10
"""A slow contender is asked for longer, so that most of its answers come before the end."""


@dataclass(frozen=True)
class Plan:
    """How long to measure. budget_s  since the start of it all: no round begins that would end later"""

    rounds: int
    seconds: float
    budget_s: float


FULL, QUICK = Plan(5, 4, 3600), Plan(3, 2, 265)


@dataclass
class Rounds:
    """A comparison under way. direct_ms  p50 of the provider asked directly, one a round"""

    plan: Plan
    wrk: Tool | None
    provider: Contender
    contenders: Sequence[Contender]
    samples: Samples = field(default_factory=dict)
    direct_ms: list[float] = field(default_factory=list)

    @property
    def done(self) -> int:
        return len(self.direct_ms)

    def run(self, began: float) -> None:
        """As many as there is time for, at least one. began  monotonic"""
        longest = 0.0
        while self.done < self.plan.rounds and time.monotonic() + longest - began < self.plan.budget_s:
            start = time.monotonic()
            self._round()
            longest = max(longest, time.monotonic() - start)

    def _round(self) -> None:
        """Whoever came first comes last in the next one."""
        turn = self.done % len(self.contenders)
        order = [*self.contenders[turn:], *self.contenders[:turn]]
        self.direct_ms.append(self._ask(self.provider, 1).p50_ms)
        for connections in CONNECTIONS:
            for contender in order:
                self._take(contender, str(connections), connections)
        for contender in order:
            if self.samples[contender.name]["64"][-1].answers.calls_per_s > CALLS_PER_S * MARGIN:
                self._take(contender, OPEN, 0)

    def _take(self, contender: Contender, load: str, connections: int) -> None:
        sample = measured(contender, lambda: self._ask(contender, connections))
        self.samples.setdefault(contender.name, {}).setdefault(load, []).append(sample)
        answers = sample.answers
        figures = f"{answers.calls_per_s:7.0f} calls/s  p50 {answers.p50_ms:8.2f}  p99 {answers.p99_ms:8.2f} ms"
        print(
            f"round {self.done}  {contender.name:12} {load:>4}  {figures}  cpu {sum(sample.cpu_us.values()):6.0f} us"
            f"{f'  FAILED {answers.failed}' * bool(answers.failed)}", file=sys.stderr, flush=True,
        )  # fmt: skip

    def _ask(self, contender: Contender, connections: int) -> Answers:
        """connections  0 for the open loop"""
        question = contender.question()
        if not connections:
            return opened(contender.port, question, CALLS_PER_S, self.plan.seconds)
        return closed(self.wrk, contender.port, question, connections, self._seconds(contender, connections))

    def _seconds(self, contender: Contender, connections: int) -> float:
        """As planned, or until every connection has had some answers, judging from the rounds before."""
        taken = self.samples.get(contender.name, {}).values()
        most = max((sample.answers.calls_per_s for samples in taken for sample in samples), default=0.0)
        needed = ANSWERS_EACH * connections / most if most else 0.0
        return min(LONGEST_S, max(self.plan.seconds, needed))

    def answered(self, name: str) -> tuple[int, int]:
        """Calls of one contender that were answered, and how many others may have been under way at the ends."""
        taken = [(load, sample.answers) for load, samples in self.samples[name].items() for sample in samples]
        open_at_end = sum(0 if load == OPEN else int(load) for load, _ in taken)
        return sum(answers.calls for _, answers in taken), open_at_end + sum(answers.failed for _, answers in taken)
