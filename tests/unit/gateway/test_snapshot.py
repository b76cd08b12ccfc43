"""The gateway's copy of the catalog finds what it was told, and keeps nothing of what is gone."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import held
from gateway.snapshot import Catalog
from harness.gate import PEOPLE_GRANT
from wire.catalog import Entry, Grant, Snapshot, State

pytestmark = pytest.mark.requirement("QUO-07")
SYSTEMS, INTERFACES = ("a", "b", "c"), ("a", "x/v1", "x/v2")
"""A name may be both: what is of one kind is never found under the other."""
UUID = "0198c5d2-6b1e-7abc-8def-0123456789ab"
IDS = ("1", "2", UUID, UUID.upper(), UUID.replace("-", ""), "{" + UUID[1:-1] + "}", "x" * 36, "一" * 36)
"""Texts that some would read as one and the same UUID are ids of their own."""
grants = st.builds(
    lambda name, system, interface: msgspec.structs.replace(PEOPLE_GRANT, id=name, system=system, interface=interface),
    st.sampled_from(IDS), st.sampled_from(SYSTEMS), st.sampled_from(INTERFACES),
)  # fmt: skip
changes = st.lists(st.tuples(grants, st.booleans()), max_size=40)


def entry(grant: Grant, *, gone: bool) -> Entry:
    body = b"null" if gone else msgspec.json.encode(grant)
    return Entry(revision=1, kind="grant", id=grant.id, body=msgspec.Raw(body))


def ids(found: list[Grant]) -> list[str]:
    return sorted(one.id for one in found)


def check(catalog: Catalog, expected: dict[str, Grant]) -> None:
    """Every way to ask finds these grants, and no other."""
    for system in SYSTEMS:
        assert ids(catalog.grants(system=system)) == ids([g for g in expected.values() if g.system == system])
        for interface in INTERFACES:
            both = [g for g in expected.values() if (g.system, g.interface) == (system, interface)]
            assert ids([rule.grant for rule in catalog.known(system, interface).grants]) == ids(both)
    for interface in INTERFACES:
        assert ids(catalog.grants(interface=interface)) == ids(
            [g for g in expected.values() if g.interface == interface]
        )
    assert catalog.grants() == []


@given(st.lists(grants, max_size=20, unique_by=lambda grant: grant.id), changes)
def test_grants_are_found_as_they_come_change_and_go(first: list[Grant], then: list[tuple[Grant, bool]]) -> None:
    catalog = Catalog()
    expected = {grant.id: grant for grant in first}
    catalog.replace(Snapshot(revision=1, departments=[], systems=[], interfaces=[], grants=first))
    check(catalog, expected)
    for grant, gone in then:
        catalog.apply([entry(grant, gone=gone)])
        expected.pop(grant.id, None) if gone else expected.update({grant.id: grant})
    check(catalog, expected)
    catalog.apply([entry(grant, gone=True) for grant in expected.values()])
    assert not any(vars(catalog._grants).values())


@given(changes)
def test_a_new_snapshot_leaves_nothing_of_the_old_one(before: list[tuple[Grant, bool]]) -> None:
    catalog = Catalog()
    catalog.apply([entry(grant, gone=gone) for grant, gone in before])
    catalog.replace(Snapshot(revision=1, departments=[], systems=[], interfaces=[], grants=[PEOPLE_GRANT]))
    check(catalog, {})
    assert (
        catalog.grants(interface=PEOPLE_GRANT.interface) == catalog.grants(system=PEOPLE_GRANT.system) == [PEOPLE_GRANT]
    )


@given(st.lists(grants, min_size=1, max_size=8, unique_by=lambda grant: grant.id))
def test_what_is_ready_is_the_newest(some: list[Grant]) -> None:
    catalog = Catalog()
    for grant in some:
        for purpose in ("first", "second"):
            changed = msgspec.structs.replace(grant, purpose=purpose, state=State(standing="suspended", by="a"))
            catalog.apply([entry(changed, gone=False)])
            rules = catalog.known(grant.system, grant.interface).grants
            assert [rule.grant for rule in rules if rule.grant.id == grant.id] == [changed]
            assert catalog.grant(grant.id) == changed
        catalog.apply([entry(grant, gone=True)])
        assert catalog.known(grant.system, grant.interface).grants == []


def test_more_than_can_be_ready_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "READY", 2)
    catalog = Catalog()
    for system in SYSTEMS:
        catalog.apply([entry(msgspec.structs.replace(PEOPLE_GRANT, id=system, system=system), gone=False)])
    for system in SYSTEMS * 2:
        assert [rule.grant.id for rule in catalog.known(system, PEOPLE_GRANT.interface).grants] == [system]
        assert catalog.known(system, "nobody/v1").grants == []
    assert len(catalog._grants._ready) <= 2
