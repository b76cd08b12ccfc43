"""How many connections each address holds, so that one client cannot take them all."""

from collections.abc import Callable


class Crowd:
    """Counts the open connections of one process."""

    def __init__(self, most: int, uncounted: Callable[[str], bool] = lambda address: False) -> None:
        """most       connections that one address may hold, 0 for any number
        uncounted  addresses that stand for many clients, as a proxy's
        """
        self._most = most
        self._uncounted = uncounted
        self._held: dict[str, int] = {}

    def enter(self, address: str) -> bool:
        """Whether a new connection is taken; `leave` has to follow one that is, and no other."""
        held = self._held.get(address, 0)
        if self._most and held >= self._most and not self._uncounted(address):
            return False
        self._held[address] = held + 1
        return True

    def leave(self, address: str) -> None:
        """A connection that was taken has ended."""
        held = self._held.pop(address) - 1
        if held:
            self._held[address] = held
