"""A breaker for one provider interface: a pure state machine that is told the time.

    closed ──N failures in a row──▶ open ──pause over──▶ half-open: one probe ──succeeds──▶ closed
                                      ▲                                      └──fails──▶ open, pause doubled

Calls begun before the last change of state say nothing about the provider's health now: an answer counts only in the
round in which its call was admitted. Otherwise the calls that were under way when it opened, and then time out one
after the other, would be taken for failing probes.
"""

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half-open"]


@dataclass(slots=True)
class Breaker:
    """Times are seconds of a clock that never goes back.

    failures       in a row that open it
    pause_s        first pause; each failed probe doubles it up to `longest_pause_s`
    probe_s        a probe that has not reported by then is given up, and another call may probe
    """

    failures: int = 5
    pause_s: float = 5.0
    longest_pause_s: float = 60.0
    probe_s: float = 30.0
    round: int = 1
    """Counts changes of state; calls remember theirs."""
    failed_in_a_row: int = 0
    opened: bool = False
    waits_until: float = 0.0
    """While open: when the next probe may go."""
    probing: bool = False
    current_pause_s: float = 0.0

    def state(self, now: float) -> State:
        if not self.opened:
            return "closed"
        return "half-open" if self.probing or now >= self.waits_until else "open"

    def admit(self, now: float) -> int:
        """The round that the call belongs to, for `succeeded` and `failed`; 0 if it may not be made."""
        if not self.opened:
            return self.round
        if now < self.waits_until:
            return 0
        self.round += 1
        self.probing = True
        self.waits_until = now + self.probe_s
        return self.round

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be admitted; 0 if one may be now."""
        return max(0.0, self.waits_until - now) if self.opened else 0.0

    def succeeded(self, now: float, admitted: int | None = None) -> None:
        """A call got its answer. `admitted` is what `admit` said; None: of the present round."""
        if self._is_past(admitted):
            return
        self.failed_in_a_row = 0
        if self.probing:
            self.round += 1
            self.opened = self.probing = False
            self.current_pause_s = 0.0

    def failed(self, now: float, admitted: int | None = None) -> None:
        """A call got none, or a broken one."""
        if self._is_past(admitted):
            return
        self.failed_in_a_row += 1
        if self.probing:
            self._open(now, min(2 * self.current_pause_s, self.longest_pause_s))
        elif self.failed_in_a_row >= self.failures:
            self._open(now, self.pause_s)

    def abandoned(self, now: float, admitted: int) -> None:
        """A call ended without word of the provider: if it was the probe, another may go at once."""
        if self.probing and admitted == self.round:
            self.waits_until = now

    def close(self) -> None:
        """What made it open is gone; calls of before say nothing any longer."""
        self.round += 1
        self.failed_in_a_row = 0
        self.opened = self.probing = False
        self.current_pause_s = 0.0

    def _open(self, now: float, pause_s: float) -> None:
        self.round += 1
        self.opened, self.probing = True, False
        self.current_pause_s = pause_s
        self.waits_until = now + pause_s

    def _is_past(self, admitted: int | None) -> bool:
        """Whether an answer is of an earlier round. While it is open and no probe is out, every answer is."""
        if self.opened and not self.probing:
            return True
        return admitted is not None and admitted != self.round
