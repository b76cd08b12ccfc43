"""The gateway's copy of the catalog: routes, systems and grants in memory, one look-up per call."""

import re
from collections.abc import Callable, Sequence

import msgspec
import structlog

from gateway.held import Held
from gateway.policy.model import Known, Party, Route
from wire.catalog import Department, Entry, Grant, Interface, Revocation, Snapshot, System
from wire.tokens import AccessToken

log = structlog.get_logger()
IF_AGAIN = "if a new one is refused too, ask your authority whether it is suspended"


class Catalog:
    """What may be called by whom, as of the newest revision that was heard of."""

    def __init__(self, dropped: Callable[[str], None] = lambda kid: None) -> None:
        """dropped  is told the `kid` of a signing key that was revoked"""
        self._dropped = dropped
        self._departments: dict[str, Department] = {}
        self._systems: dict[str, System] = {}
        self._routes: dict[str, Route] = {}
        self._grants = Held()
        self._revocations: dict[str, Revocation] = {}

    def known(self, system_id: str, interface: str, actor: str = "") -> Known:
        """Everything that a decision about this system and this interface ("id/v1") needs.

        actor  who acts for the system, "" for nobody
        """
        system = self._systems.get(system_id)
        route = self._routes.get(interface)
        return Known(
            system=system,
            department=self._departments.get(system.department) if system else None,
            route=route,
            provider=self._departments.get(route.interface.provider) if route else None,
            grants=self._grants.rules(system_id, interface),
            acting=self._party(actor) if actor else None,
        )

    def parties(self, token: AccessToken) -> list[Party]:
        """The systems that stand behind a token: whose it is, and through or by whom it is used."""
        found = (self._party(client) for client in (token.client, token.actor, token.through) if client)
        return [party for party in found if party is not None]

    def _party(self, client: str) -> Party | None:
        system = self._systems.get(client)
        return Party(system, self._departments.get(system.department)) if system else None

    def grant(self, grant_id: str) -> Grant | None:
        return self._grants.get(grant_id)

    def grants(self, *, system: str = "", interface: str = "") -> list[Grant]:
        """All of one system, or all that open one interface ("id/v1")."""
        return self._grants.of_interface(interface) if interface else self._grants.of_system(system)

    def provider_of(self, interface: str) -> str:
        """The department that provides an interface ("id/v1"), "" for one that nobody knows."""
        route = self._routes.get(interface)
        return route.interface.provider if route else ""

    def department_of(self, system_id: str) -> str:
        """The department that a system belongs to, "" for one that nobody knows."""
        system = self._systems.get(system_id)
        return system.department if system else ""

    def revoked(self, token: AccessToken, now: float) -> str:
        """Why this token counts no longer, "" where it does. `now` is Unix seconds."""
        if not self._revocations:
            return ""
        if self._is_revoked("token", token.id, token, now):
            return "this token"
        if token.origin and self._is_revoked("token", token.origin, token, now):
            return "the token that it was exchanged for"
        if self._is_revoked("key", token.key, token, now):
            return "the key that signed it"
        for client in {token.client, token.actor, token.through} - {""}:
            if self._is_revoked("client", client, token, now):
                return f"all tokens that {client} got so far; {IF_AGAIN}"
        if token.person and self._is_revoked("person", token.person, token, now):
            return "all tokens that this person got so far"
        return ""

    def _is_revoked(self, what: str, name: str, token: AccessToken, now: float) -> bool:
        found = self._revocations.get(f"{what}/{name}")
        return found is not None and now < found.until and (not found.before or token.issued <= found.before)

    # --- following the feed (wire.feed.Follower)
    def gathering(self) -> "Fresh":
        """Takes in everything anew, piece by piece."""
        return Fresh(self, Catalog(self._dropped))

    def replace(self, snapshot: Snapshot) -> None:
        """Take everything anew, at once."""
        fresh = self.gathering()
        fresh.add(snapshot)
        fresh.done()

    def add(self, piece: Snapshot) -> None:
        """Take what is in a piece, beside what is known."""
        self._departments |= {department.id: department for department in piece.departments}
        self._systems |= {system.id: system for system in piece.systems}
        for interface in piece.interfaces:
            self._put_route(interface)
        for grant in piece.grants:
            self._grants.put(grant)
        for revocation in piece.revocations:
            self._put_revocation(revocation)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Take changes in their order; a newer body replaces the older one under the same id."""
        for entry in entries:
            put, remove = self._changes[entry.kind]
            if entry.gone:
                remove(self, entry.id)
            else:
                put(self, bytes(entry.body))

    def _put_department(self, body: bytes) -> None:
        department = msgspec.json.decode(body, type=Department)
        self._departments[department.id] = department

    def _put_system(self, body: bytes) -> None:
        system = msgspec.json.decode(body, type=System)
        self._systems[system.id] = system

    def _put_interface(self, body: bytes) -> None:
        self._put_route(msgspec.json.decode(body, type=Interface))

    def _put_route(self, interface: Interface) -> None:
        """One interface that cannot be understood must not stop the feed: it is not served."""
        try:
            self._routes[interface.key] = Route(interface)
        except (ValueError, re.error) as error:
            log.error("interface.unusable", interface=interface.key, reason=str(error))
            self._routes.pop(interface.key, None)

    def _put_grant_body(self, body: bytes) -> None:
        self._grants.put(msgspec.json.decode(body, type=Grant))

    def _remove_grant(self, key: str) -> None:
        self._grants.remove(key)

    def _put_revocation(self, revocation: Revocation) -> None:
        self._revocations[revocation.id] = revocation
        if revocation.what == "key":
            self._dropped(revocation.name)

    def _put_revocation_body(self, body: bytes) -> None:
        self._put_revocation(msgspec.json.decode(body, type=Revocation))

    def _remove_revocation(self, key: str) -> None:
        self._revocations.pop(key, None)

    def _remove_department(self, key: str) -> None:
        self._departments.pop(key, None)

    def _remove_system(self, key: str) -> None:
        self._systems.pop(key, None)

    def _remove_route(self, key: str) -> None:
        self._routes.pop(key, None)

    _changes: dict[str, tuple[Callable[["Catalog", bytes], None], Callable[["Catalog", str], None]]] = {  # noqa: RUF012  # a table
        "department": (_put_department, _remove_department),
        "system": (_put_system, _remove_system),
        "interface": (_put_interface, _remove_route),
        "grant": (_put_grant_body, _remove_grant),
        "revocation": (_put_revocation_body, _remove_revocation),
    }


class Fresh:
    """What comes of a new snapshot (wire.feed.Gathering), beside a catalog that is as it was until all is there."""

    def __init__(self, catalog: Catalog, beside: Catalog) -> None:
        self._catalog = catalog
        self._beside = beside
        self.add = beside.add

    def done(self) -> None:
        vars(self._catalog).update(vars(self._beside))
