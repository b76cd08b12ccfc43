"""The exchange's copy of the interfaces: each with its contract compiled, its provider, its breaker, its bulkhead."""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import structlog

from exchange_service.contract.drift import Drift
from exchange_service.contract.masks import MaskKey
from exchange_service.contract.model import Contract, Projection
from exchange_service.credentials.model import Credential
from exchange_service.credentials.signing import Source
from exchange_service.health import Pulse
from exchange_service.providers.breaker import Breaker
from exchange_service.providers.bulkhead import Bulkhead, Bulkheads, Compartment
from exchange_service.providers.kinds import provider_of
from exchange_service.providers.provider import Provider
from exchange_service.providers.sandbox import SandboxProvider
from relay.egress import Egress
from runtime.errors import Refusal
from wire import codes
from wire.calls import CallMessage
from wire.catalog import Department, Entry, Grant, Interface, Rest, Snapshot

log = structlog.get_logger()
MOST_PROJECTIONS = 10_000
LINGER_S = 120.0
"""A registration that was replaced is kept so long for calls that have found it and not asked yet."""
LONGEST_PAUSE_S = 10.0
"""Of a breaker: a provider that recovers is asked again within fifteen seconds, if anybody asks."""


class Keys(Source, Protocol):
    """Where credentials come from: credentials.keychain.Keychain is one."""

    def of(self, department: str, name: str) -> Credential:
        """The present one; raises Refusal(CREDENTIAL_MISSING)."""


class Departments:
    """Which departments may not take part now, as the catalog told last."""

    def __init__(self) -> None:
        self._barred: set[str] = set()

    def replace(self, departments: Iterable[Department]) -> None:
        """Take everything anew."""
        self._barred = {one.id for one in departments if one.state.standing != "active"}

    def apply(self, entry: Entry) -> None:
        """Take one change."""
        told = None if entry.gone else msgspec.json.decode(bytes(entry.body), type=Department)
        if told is not None and told.state.standing == "active":
            self._barred.discard(entry.id)
        else:
            self._barred.add(entry.id)

    def check_active(self, department: str) -> None:
        """Whoever may not take part decides nothing either (国务院令第809号 27); raises Refusal."""
        if department in self._barred:
            raise Refusal(codes.DEPARTMENT_SUSPENDED, department)


class Platform:
    """What all interfaces share."""

    def __init__(
        self, egress: Egress, keys: Keys, mask_key: MaskKey | None = None, provider_in_flight: int = 256,
        file_roots: Sequence[Path] = (),
    ) -> None:  # fmt: skip
        """provider_in_flight  calls that may be under way to all interfaces of one department together
        file_roots   folders below which providers may offer local files
        """
        self.egress = egress
        self.keys = keys
        self.mask_key = mask_key
        self.file_roots = file_roots
        self.bulkheads = Bulkheads(provider_in_flight)
        self.departments = Departments()


class Named:
    """The present credential of one interface, looked up at each use."""

    __slots__ = ("_department", "_keys", "_name")

    def __init__(self, keys: Keys, department: str, name: str) -> None:
        self._keys = keys
        self._department = department
        self._name = name

    def __call__(self) -> Credential | None:
        """None where the interface names none; raises Refusal(CREDENTIAL_MISSING)."""
        return self._keys.of(self._department, self._name) if self._name else None


class Served:
    """One interface version. What only calls need is made by `compile`, before the first of them: a platform may have a
    hundred thousand interfaces, of which a few hundred are called from one day to the next."""

    contract: Contract
    drift: Drift
    twin: SandboxProvider

    def __init__(self, interface: Interface, platform: Platform) -> None:
        """Raises ValueError for what cannot be used."""
        self.interface = interface
        self.is_compiled = False
        self._mask_key = platform.mask_key
        self.operations = {(operation.method, operation.path): operation for operation in interface.operations}
        self.is_streamed = interface.format == "binary"
        self._credential = credential = Named(platform.keys, interface.provider, interface.credential)
        self._refused: Credential | None = None
        self.provider: Provider = provider_of(
            interface, platform.egress, credential, platform.keys, platform.file_roots
        )  # fmt: skip
        self.is_driven = isinstance(interface.adapter, Rest)
        self.breaker = Breaker(longest_pause_s=LONGEST_PAUSE_S)
        self.compartment = Compartment(
            Bulkhead(interface.max_in_flight), platform.bulkheads.of(interface.provider)
        )  # fmt: skip
        self.pulse = Pulse()
        self.is_granted = False
        self._under_way = 0
        self._is_ended = False
        self._projections: dict[tuple[str, int], Projection] = {}

    def compile(self) -> "Served":
        """Itself, with what calls need; raises ValueError, BadContract among them, for what cannot be used."""
        self.contract = Contract(self.interface, self._mask_key)
        self.drift = Drift(self.interface)
        self.twin = SandboxProvider(self.interface)
        self.is_compiled = True
        return self

    @property
    def key(self) -> str:
        return self.interface.key

    @property
    def origin(self) -> Hashable:
        """Interfaces with the same one stand or fall together: whoever reaches one of them reaches all."""
        one, parts = self.interface, urlsplit(self.interface.base_url)
        if parts.scheme not in ("http", "https"):
            return one.key
        return one.provider, parts.scheme, parts.netloc, tuple(one.networks), one.credential

    @property
    def is_used(self) -> bool:
        """Whether it may be asked, and somebody does or could."""
        return self.interface.state.standing == "active" and (self.is_granted or self.pulse.last_asked > 0)

    def projection(self, message: CallMessage) -> Projection:
        """What may leave under this grant; compiled once for each revision of the grant. Raises BadContract.

        Fields that one consent has narrowed, and those of the sandbox, where there may be no grant, are those of this
        call alone.
        """
        if message.narrowed or message.sandbox:
            return Projection(self.contract, message.obligations, message.consumer)
        key = (message.grant, message.grant_revision)
        projection = self._projections.get(key)
        if projection is None:
            if len(self._projections) >= MOST_PROJECTIONS:
                self._projections.clear()
            projection = Projection(self.contract, message.obligations, message.consumer)
            self._projections[key] = projection
        return projection

    # --- the provider's credential
    def credential_refused(self) -> None:
        """The provider did not take what it was shown."""
        self._refused = self._present()

    def show_anew(self) -> None:
        """A provider that rests because it refused a credential is asked again as soon as there is another."""
        if self.breaker.opened and self._refused is not None and self._present() not in (None, self._refused):
            self._refused = None
            self.breaker.close()

    def _present(self) -> Credential | None:
        try:
            return self._credential()
        except Refusal:
            return None

    # --- calls under way
    def enter(self) -> str:
        """Count a call in; where there is no room, why not."""
        why_not = self.compartment.enter()
        if not why_not:
            self._under_way += 1
        return why_not

    def leave(self) -> None:
        """A call that was counted in has ended."""
        self.compartment.leave()
        self._under_way -= 1
        if self._is_ended:
            self._end()

    # --- registrations
    def takes_over(self, old: "Served") -> None:
        """The same provider, registered anew, is as well or ill as before, and its calls are still under way."""
        self.is_granted = old.is_granted
        self.pulse = old.pulse
        self.pulse.registered_anew()
        if old.interface.base_url == self.interface.base_url:
            self.breaker, self._refused = old.breaker, old._refused
        if old.interface.provider == self.interface.provider:
            old.compartment.own.most = self.interface.max_in_flight
            self.compartment = old.compartment

    def retire(self) -> None:
        """Nobody new finds this: connections end a while later, with the last call that is still under way then."""
        asyncio.get_running_loop().call_later(LINGER_S, self._end)

    def _end(self) -> None:
        self._is_ended = True
        if not self._under_way:
            self.provider.close()


def made(key: str, make: Callable[[], Served]) -> Served | None:
    """What `make` makes of a registration; None, and a line in the log, where nothing can be made of it."""
    try:
        return make()
    except ValueError as bad:  # BadContract among them: one interface must not stop the feed
        log.error("interface.unusable", interface=key, reason=str(bad))
    except Exception:  # whatever a registration makes a codec or an adapter do
        log.exception("interface.unusable", interface=key)
    return None


class Registry:
    """All interfaces by "id/v1"; None where one is known to be of no use."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._served: dict[str, Served | None] = {}
        self._granted: set[str] = set()

    def get(self, key: str) -> Served | None:
        """Ready to be called; None for one that cannot be used. Raises KeyError where nobody registered it."""
        served = self._served[key]
        if served is not None and not served.is_compiled and made(key, served.compile) is None:
            served.retire()
            served = self._served[key] = None
        return served

    def usable(self) -> Iterator[Served]:
        """All that can be used, as far as is known."""
        return (served for served in list(self._served.values()) if served is not None)

    # --- following the feed (wire.feed.Follower)
    def replace(self, snapshot: Snapshot) -> None:
        """Take everything anew."""
        self._platform.departments.replace(snapshot.departments)
        self._granted = {grant.interface for grant in snapshot.grants}
        for key in self._served.keys() - {interface.key for interface in snapshot.interfaces}:
            self._drop(key)
        for interface in snapshot.interfaces:
            self._put(interface)
        for served in self.usable():
            served.is_granted = served.key in self._granted

    def apply(self, entries: Sequence[Entry]) -> None:
        """Take changes in their order."""
        for entry in entries:
            if entry.kind == "interface" and not entry.gone:
                self._put(msgspec.json.decode(bytes(entry.body), type=Interface))
            elif entry.kind == "interface":
                self._drop(entry.id)
            elif entry.kind == "grant" and not entry.gone:
                self._note_grant(msgspec.json.decode(bytes(entry.body), type=Grant).interface)
            elif entry.kind == "department":
                self._platform.departments.apply(entry)

    def _put(self, interface: Interface) -> None:
        old = self._served.get(interface.key)
        if old is not None and old.interface == interface:
            return
        served = self._served[interface.key] = made(interface.key, lambda: Served(interface, self._platform))
        if served is not None:
            served.is_granted = interface.key in self._granted
        if old is not None:
            if served is not None:
                served.takes_over(old)
            old.retire()

    def _drop(self, key: str) -> None:
        served = self._served.pop(key, None)
        if served is not None:
            served.retire()

    def _note_grant(self, key: str) -> None:
        self._granted.add(key)
        served = self._served.get(key)
        if served is not None:
            served.is_granted = True

    def close(self) -> None:
        """End all connections to providers."""
        for served in self.usable():
            served.provider.close()
