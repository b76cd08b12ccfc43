"""Refused client authentications of known clients, counted until they are written into the log.

Counting happens in the request, writing in the background: a request for a client that exists takes no longer than one
for a client that does not, and a flood becomes one event per client and round.
"""

from dataclasses import dataclass

from identity.store import Client


@dataclass(slots=True)
class Count:
    """Refusals of one client since the last round. `reason` is that of the last one."""

    department: str
    reason: str
    times: int


class Refusals:
    """What has to be written in the next round."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}

    def note(self, client: Client, reason: str) -> None:
        """One more refusal of a client that exists: the number of entries is bounded by that of the clients."""
        count = self._counts.setdefault(client.id, Count(client.department, reason, 0))
        count.reason = reason
        count.times += 1

    def take(self) -> dict[str, Count]:
        """All counts by client id; counting starts anew."""
        taken, self._counts = self._counts, {}
        return taken

    def put_back(self, taken: dict[str, Count]) -> None:
        """Counts that could not be written join what came meanwhile."""
        for client_id, count in taken.items():
            newer = self._counts.setdefault(client_id, Count(count.department, count.reason, 0))
            newer.times += count.times
