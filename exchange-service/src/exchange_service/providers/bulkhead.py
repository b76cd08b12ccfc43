"""The bulkheads: how many calls may be under way to one interface, and to all interfaces of one department.

A slow provider fills its own and nobody else's. Pure: counts, no clock.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Bulkhead:
    """At most `most` at once."""

    most: int
    under_way: int = 0


class Bulkheads:
    """One for each department; it outlives every registration of the department's interfaces."""

    def __init__(self, most: int) -> None:
        """most  calls that may be under way to the interfaces of one department together"""
        self._most = most
        self._departments: dict[str, Bulkhead] = {}

    def of(self, department: str) -> Bulkhead:
        """The department's own, always the same."""
        return self._departments.setdefault(department, Bulkhead(self._most))


@dataclass(frozen=True, slots=True)
class Compartment:
    """Where the calls of one interface are counted: among themselves, and among the department's."""

    own: Bulkhead
    shared: Bulkhead

    def enter(self) -> str:
        """Count one call in; if there is no room, why not, and nothing is counted."""
        own, shared = self.own, self.shared
        if own.under_way >= own.most:
            return f"{own.under_way} calls of this interface are under way"
        if shared.under_way >= shared.most:
            return f"{shared.under_way} calls to this provider are under way"
        own.under_way += 1
        shared.under_way += 1
        return ""

    def leave(self) -> None:
        """A call that was counted in has ended."""
        self.own.under_way -= 1
        self.shared.under_way -= 1
