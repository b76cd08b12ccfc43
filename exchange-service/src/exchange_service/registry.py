"""The exchange's copy of the interfaces: each with its contract compiled, its provider, its breaker, its bulkhead."""

from collections.abc import Sequence

import msgspec
import structlog

from exchange_service.contract.model import Contract, Projection
from exchange_service.providers.breaker import Breaker
from exchange_service.providers.provider import Provider
from exchange_service.providers.rest import RestProvider
from relay.egress import Egress
from wire.calls import CallMessage
from wire.catalog import Entry, Interface, Snapshot

log = structlog.get_logger()
MOST_PROJECTIONS = 10_000


class Served:
    """One interface version, ready to be called."""

    def __init__(self, interface: Interface, egress: Egress) -> None:
        """Raises BadContract."""
        self.interface = interface
        self.contract = Contract(interface)
        self.operations = {(operation.method, operation.path): operation for operation in interface.operations}
        self.provider: Provider = RestProvider(interface, egress)
        self.breaker = Breaker()
        self.in_flight = 0
        self._projections: dict[tuple[str, int], Projection] = {}

    def projection(self, message: CallMessage) -> Projection:
        """What may leave under this grant; compiled once for each revision of the grant."""
        key = (message.grant, message.grant_revision)
        projection = self._projections.get(key)
        if projection is None:
            if len(self._projections) >= MOST_PROJECTIONS:
                self._projections.clear()
            projection = self._projections[key] = Projection(self.contract, message.obligations)
        return projection


class Registry:
    """All interfaces by "id/v1"; None where the contract cannot be compiled."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._served: dict[str, Served | None] = {}

    def get(self, key: str) -> Served | None:
        """Raises KeyError for an interface that nobody registered; None for one that cannot be used."""
        return self._served[key]

    # --- following the feed (wire.feed.Follower)
    def replace(self, snapshot: Snapshot) -> None:
        """Take everything anew."""
        for key in self._served.keys() - {interface.key for interface in snapshot.interfaces}:
            del self._served[key]
        for interface in snapshot.interfaces:
            self._put(interface)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Take changes in their order."""
        for entry in entries:
            if entry.kind == "interface" and not entry.gone:
                self._put(msgspec.json.decode(bytes(entry.body), type=Interface))
            elif entry.kind == "interface":
                self._served.pop(entry.id, None)

    def _put(self, interface: Interface) -> None:
        old = self._served.get(interface.key)
        if old is not None and old.interface == interface:
            return
        try:
            served: Served | None = Served(interface, self._egress)
            if old is not None and served is not None and old.interface.base_url == interface.base_url:
                served.breaker = old.breaker  # the same provider, as well or ill as before
        except ValueError as bad:  # BadContract among them: one interface must not stop the feed
            log.error("interface.unusable", interface=interface.key, reason=str(bad))
            served = None
        # calls under way hold on to the old one; its idle connections end by themselves within seconds
        self._served[interface.key] = served

    def close(self) -> None:
        """End all connections to providers."""
        for served in self._served.values():
            if served is not None:
                served.provider.close()
