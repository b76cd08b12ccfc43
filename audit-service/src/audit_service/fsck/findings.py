"""What a check has found, in bounded memory, and how far it has got."""

import time
from collections import Counter
from collections.abc import Callable

MOST_KEPT = 10_000
"""Findings that are kept word for word; of more only the number by kind."""
_LONGEST = 300
QUIET_S = 5.0
"""A line of progress at most so often, and none in the first seconds."""


class Findings:
    """Grows as the check goes on. Notes are worth knowing, and not wrong."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: dict[tuple[str, str], None] = {}
        self._more: Counter[str] = Counter()
        self.notes: list[str] = []
        self.is_partial = False
        """Whether something that is there was not looked at."""

    def report(self, what: str, why: str) -> None:
        """`what` begins with the kind and names the place: "leaf 5"."""
        what, why = _plain(what), _plain(why)
        if (what, why) in self._kept:
            return
        if len(self._kept) < self._most:
            self._kept[what, why] = None
        else:
            self._more[what.partition(" ")[0]] += 1

    def note(self, line: str) -> None:
        """Said once."""
        if line not in self.notes and len(self.notes) < self._most:
            self.notes.append(line)

    def leave(self, line: str) -> None:
        """A note that part of the log was not looked at."""
        self.is_partial = True
        self.note(line)

    @property
    def told(self) -> list[tuple[str, str]]:
        """(what, why) in the order found; of what is not kept, the same words every time."""
        return [
            *self._kept,
            *((kind, "there are more findings of this kind; fsck names them") for kind in sorted(self._more)),
        ]

    @property
    def lines(self) -> list[str]:
        """One for each finding, in the order found."""
        more = (f"{kind}: {times} more findings" for kind, times in sorted(self._more.items()))
        return [*(f"{what}: {why}" for what, why in self._kept), *more]

    @property
    def count(self) -> int:
        return len(self._kept) + self._more.total()


def _plain(text: str) -> str:
    """What a changed leaf says may be anything; it is not to reach a terminal or a database as it is."""
    shown = text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


class Progress:
    """Tells how far a long walk has got. `tell` gets one line at a time."""

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell
        self._started = self._told = time.monotonic()
        self.total = self.done = 0

    def advance(self, leaves: int) -> None:
        self.done += leaves
        now = time.monotonic()
        if self._tell and now - self._told >= QUIET_S:
            self._told = now
            self._tell(f"fsck: {self.done} of {self.total} leaves ({100 * self.done // max(1, self.total)} %), "
                       f"{self.per_s} a second")  # fmt: skip

    @property
    def took_s(self) -> float:
        return time.monotonic() - self._started

    @property
    def per_s(self) -> int:
        """Leaves a second since the beginning."""
        return round(self.done / max(self.took_s, 1e-9))
