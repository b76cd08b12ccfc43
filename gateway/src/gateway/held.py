"""The grants that systems hold: a million of them in 340 MB, found by id, by system, by interface.

As objects they would take 1,600 bytes each. So every grant is kept packed, and those that are used are ready beside.
"""

from collections.abc import Iterable
from operator import attrgetter
from sys import intern
from uuid import UUID

import msgspec

from gateway.policy.model import GrantRule
from wire.catalog import Grant, State

READY = 8192
"""Pairs of system and interface whose rules stay unpacked; each of the others costs a call about 5 us."""
_NAMES = tuple(name for name in Grant.__struct_fields__ if name not in ("id", "state"))
_values = attrgetter(*_NAMES)
_state = attrgetter(*State.__struct_fields__)
_ACTIVE = State()
_encoder = msgspec.msgpack.Encoder()
_UUID_LENGTH = 36
Key = int | str
"""An id: a UUID as its number, which takes half the memory."""


class Held:
    """Whoever changes it asks nothing meanwhile: it belongs to one event loop."""

    def __init__(self) -> None:
        self._packed: dict[Key, bytes] = {}
        # By system, then by interface: without a key of both for each grant. One key as it is, since a pair has hardly
        # ever more; several as a tuple. An index by interface would take 100 MB of a million grants, and saves 1 ms of
        # the few questions that come by interface where there are 20,000 systems.
        self._keys: dict[str, dict[str, Key | tuple[Key, ...]]] = {}
        self._ready: dict[tuple[str, str], list[GrantRule]] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def rules(self, system: str, interface: str) -> list[GrantRule]:
        """What a system may ask of an interface ("id/v1"), for looking only."""
        found = self._ready.get((system, interface))
        return self._unpacked(system, interface) if found is None else found

    def _unpacked(self, system: str, interface: str) -> list[GrantRule]:
        keys = self._keys.get(system, {}).get(interface)
        if keys is None:  # not kept: strangers choose these names
            return []
        if len(self._ready) >= READY:
            self._ready.clear()
        rules = self._ready[system, interface] = [GrantRule(self._grant(key)) for key in _several(keys)]
        return rules

    def get(self, grant_id: str) -> Grant | None:
        """One by its id."""
        key = key_of(grant_id)
        return self._grant(key) if key in self._packed else None

    def of_system(self, system: str) -> list[Grant]:
        """All that one system holds."""
        return self._grants(self._keys.get(system, {}).values())

    def of_interface(self, interface: str) -> list[Grant]:
        """All that open one interface ("id/v1")."""
        return self._grants(of_system[interface] for of_system in self._keys.values() if interface in of_system)

    def _grants(self, held: Iterable[Key | tuple[Key, ...]]) -> list[Grant]:
        return [self._grant(key) for keys in held for key in _several(keys)]

    def _grant(self, key: Key) -> Grant:
        return unpack(key, self._packed[key])

    def put(self, grant: Grant) -> None:
        """Take one in, instead of what was known under its id."""
        self.remove(grant.id)
        key, interface = key_of(grant.id), intern(grant.interface)  # each name once, not once a grant
        self._packed[key] = pack(grant)
        of_system = self._keys.setdefault(grant.system, {})
        before = of_system.get(interface)
        of_system[interface] = key if before is None else (*_several(before), key)
        self._ready.pop((grant.system, interface), None)

    def remove(self, grant_id: str) -> None:
        """Forget one, if it was known."""
        key = key_of(grant_id)
        if key not in self._packed:
            return
        grant = unpack(key, self._packed.pop(key))
        self._ready.pop((grant.system, grant.interface), None)
        of_system = self._keys[grant.system]
        if left := tuple(held for held in _several(of_system.pop(grant.interface)) if held != key):
            of_system[grant.interface] = left
        elif not of_system:
            del self._keys[grant.system]


def _several(keys: Key | tuple[Key, ...]) -> tuple[Key, ...]:
    return keys if isinstance(keys, tuple) else (keys,)


def key_of(grant_id: str) -> Key:
    """Any text has a key of its own: only what a UUID looks like when it is written anew becomes a number."""
    if len(grant_id) != _UUID_LENGTH:
        return grant_id
    try:
        number = UUID(grant_id)
    except ValueError:
        return grant_id
    return number.int if str(number) == grant_id else grant_id


def id_of(key: Key) -> str:
    """What `key_of` was given."""
    return key if isinstance(key, str) else str(UUID(int=key))


def pack(grant: Grant) -> bytes:
    """A grant without its id and without the names of its fields, a third of its JSON."""
    exact = bytearray()  # what `encode` itself returns has room for up to a third more, which it keeps
    _encoder.encode_into((*_values(grant), () if grant.state == _ACTIVE else _state(grant.state)), exact)
    return bytes(exact)


def unpack(key: Key, packed: bytes) -> Grant:
    """What `pack` was given, with its id."""
    *values, state = msgspec.msgpack.decode(packed)
    standing = State(**dict(zip(State.__struct_fields__, state, strict=False)))
    return Grant(id=id_of(key), state=standing, **dict(zip(_NAMES, values, strict=True)))
