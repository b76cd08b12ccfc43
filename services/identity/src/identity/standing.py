"""Which clients get nothing for now: suspended or gone here, or their system or department is so in the catalog.

The catalog's feed is followed. Where it is old or missing nobody is refused for it: gateways look at the same feed with
each call and refuse when it is old, and the operator has to be able to work while the catalog is away.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
from sqlalchemy.engine import Connection

from identity.store import Client, find_clients
from wire.catalog import Department, Entry, Snapshot, State, System
from wire.tokens import AccessToken

What = Literal["system", "department"]


class Unusual(NamedTuple):
    """A system or department that may do nothing for now."""

    what: What
    name: str
    state: State


class Standings:
    """What the catalog says of systems and departments that are not as usual. A `wire.feed.Follower`."""

    def __init__(self) -> None:
        self._barred: dict[tuple[str, str], State] = {}
        self._homes: dict[str, str] = {}
        self._departments: set[str] | None = None

    def replace(self, snapshot: Snapshot) -> None:
        """Take everything anew."""
        self._barred, self._homes = {}, {}
        self._departments = {department.id for department in snapshot.departments}
        for department in snapshot.departments:
            self._note("department", department.id, department.state)
        for system in snapshot.systems:
            self._note("system", system.id, system.state)
            self._homes[system.id] = system.department

    def apply(self, entries: Sequence[Entry]) -> None:
        """Take changes, in order."""
        for entry in entries:
            if entry.kind == "department":
                self._know(entry)
                self._note(entry.kind, entry.id, _state(entry, Department))
            elif entry.kind == "system":
                self._note(entry.kind, entry.id, _state(entry, System))
                self._move(entry)

    def _know(self, entry: Entry) -> None:
        known = self._departments or set()
        self._departments = known - {entry.id} if entry.gone else known | {entry.id}

    def knows_department(self, name: str) -> bool:
        """Whether the catalog has it, or has told nothing yet."""
        return self._departments is None or name in self._departments

    def _note(self, what: What, name: str, state: State) -> None:
        if state.standing == "active":
            self._barred.pop((what, name), None)
        else:
            self._barred[what, name] = state

    def _move(self, entry: Entry) -> None:
        if entry.gone:
            self._homes.pop(entry.id, None)
        else:
            self._homes[entry.id] = msgspec.json.decode(entry.body, type=System).department

    def barred(self, client: Client) -> str:
        """Why this client gets nothing, "" for one that does."""
        if client.standing != "active":
            own = _own_state(client)
            since = f" since {own.since}" if own.since else ""
            return f"{own.standing}{since} by {own.by}"
        if found := self._unusual([client.id], [client.department]):
            return f"{found.what} {found.name}: {found.state.standing} since {found.state.since} by {found.state.by}"
        return ""

    def barring(self, transaction: Connection, token: AccessToken) -> Unusual | None:
        """Who of those by whom the token is used may do nothing: the one it is for, who acts for it, the client of a
        person, here or in the catalog, and the department of each. Names that nobody knows bar nothing."""
        names = [name for name in (token.client, token.actor, token.through) if name]
        clients = find_clients(transaction, names)
        own = next((Unusual("system", one.id, _own_state(one)) for one in clients if one.standing != "active"), None)
        return own or self._unusual(names, [token.department, *(one.department for one in clients)])

    def _unusual(self, systems: Sequence[str], departments: Sequence[str]) -> Unusual | None:
        homes = [self._homes[name] for name in systems if name in self._homes]
        named: list[tuple[What, str]] = [("system", name) for name in systems]
        named += [("department", name) for name in (*departments, *homes)]
        return next((Unusual(*one, self._barred[one]) for one in named if one in self._barred), None)

    def of_department(self, name: str) -> State | None:
        """What the catalog says of it; None where it says nothing, or nothing unusual."""
        return self._barred.get(("department", name))


def _own_state(client: Client) -> State:
    since = f"{client.standing_since:%Y-%m-%dT%H:%M:%SZ}" if client.standing_since else ""
    return State(standing=client.standing, since=since, by=client.standing_by)  # type: ignore[arg-type]


def _state(entry: Entry, kind: type[Department] | type[System]) -> State:
    """As usual where the catalog knows it no longer: not every client is a system there."""
    return State() if entry.gone else msgspec.json.decode(entry.body, type=kind).state
