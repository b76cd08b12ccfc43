"""Which clients get nothing for now: suspended or gone here, or their system or department is so in the catalog.

The catalog's feed is followed. Where it is old or missing nobody is refused for it: gateways look at the same feed with
each call and refuse when it is old, and the operator has to be able to work while the catalog is away.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from identity.store import Client
from wire.catalog import Department, Entry, Snapshot, State, System

What = Literal["system", "department"]


class Standings:
    """What the catalog says of systems and departments that are not as usual. A `wire.feed.Follower`."""

    def __init__(self) -> None:
        self._barred: dict[tuple[str, str], State] = {}

    def replace(self, snapshot: Snapshot) -> None:
        """Take everything anew."""
        self._barred = {}
        for department in snapshot.departments:
            self._note("department", department.id, department.state)
        for system in snapshot.systems:
            self._note("system", system.id, system.state)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Take changes, in order."""
        for entry in entries:
            if entry.kind == "department":
                self._note(entry.kind, entry.id, _state(entry, Department))
            elif entry.kind == "system":
                self._note(entry.kind, entry.id, _state(entry, System))

    def _note(self, what: What, name: str, state: State) -> None:
        if state.standing == "active":
            self._barred.pop((what, name), None)
        else:
            self._barred[what, name] = state

    def barred(self, client: Client) -> str:
        """Why this client gets nothing, "" for one that does."""
        if client.standing != "active":
            since = f" since {client.standing_since:%Y-%m-%dT%H:%M:%SZ}" if client.standing_since else ""
            return f"{client.standing}{since} by {client.standing_by}"
        for what, name, state in (
            ("system", client.id, self.of_system(client.id)),
            ("department", client.department, self.of_department(client.department)),
        ):
            if state:
                return f"{what} {name}: {state.standing} since {state.since} by {state.by}"
        return ""

    def of_system(self, name: str) -> State | None:
        """What the catalog says of it; None where it says nothing, or nothing unusual."""
        return self._barred.get(("system", name))

    def of_department(self, name: str) -> State | None:
        """The same of a department."""
        return self._barred.get(("department", name))


def _state(entry: Entry, kind: type[Department] | type[System]) -> State:
    """As usual where the catalog knows it no longer: not every client is a system there."""
    return State() if entry.gone else msgspec.json.decode(entry.body, type=kind).state
