"""Who gets nothing: from our own register, and from what the catalog says of systems and departments."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from identity.standing import Standings
from identity.store import Client
from wire.catalog import Department, Entry, Grant, Snapshot, State, System

ZJJ = Client("zjj-housing", "zjj", frozenset(("call",)), "private_key_jwt", [])
GONE = State(standing="suspended", since="2026-03-02T12:00:00Z", by="dsjj-authority")


def system(state: State = GONE) -> System:
    return System(id="zjj-housing", department="zjj", name="住房", state=state)


def department(state: State = GONE) -> Department:
    return Department(id="zjj", name="住建局", state=state)


def snapshot(*things: System | Department) -> Snapshot:
    return Snapshot(
        revision=1, interfaces=[], grants=[],
        departments=[one for one in things if isinstance(one, Department)],
        systems=[one for one in things if isinstance(one, System)],
    )  # fmt: skip


def entry(thing: System | Department) -> Entry:
    body = msgspec.Raw(msgspec.json.encode(thing))
    return Entry(revision=2, kind="system" if isinstance(thing, System) else "department", id=thing.id, body=body)


def test_whoever_knows_nothing_refuses_nobody() -> None:
    assert Standings().barred(ZJJ) == ""


@pytest.mark.requirement("IDK-09")
@pytest.mark.parametrize("thing", [system(), department()], ids=["system", "department"])
def test_the_catalog_says_who_is_suspended(thing: System | Department) -> None:
    there, later = Standings(), Standings()
    there.replace(snapshot(thing))
    later.apply([entry(thing)])
    for standings in (there, later):
        said = standings.barred(ZJJ)
        assert said.endswith(f"{thing.id}: suspended since 2026-03-02T12:00:00Z by dsjj-authority")
        assert standings.barred(replace(ZJJ, id="gaj-person", department="gaj")) == ""
        standings.apply([entry(msgspec.structs.replace(thing, state=State()))])
        assert standings.barred(ZJJ) == ""


def test_a_new_snapshot_stands_for_everything_before() -> None:
    standings = Standings()
    standings.replace(snapshot(system(), department()))
    standings.replace(snapshot())
    assert standings.barred(ZJJ) == ""


def test_what_is_gone_from_the_catalog_and_what_is_no_system_bars_nobody() -> None:
    standings = Standings()
    grant = Grant(id="g", revision=1, system="zjj-housing", department="zjj", interface="a/v1", purpose="", fields=[])
    standings.apply(
        [
            entry(system()),
            Entry(revision=3, kind="system", id="zjj-housing"),
            Entry(revision=4, kind="grant", id="g", body=msgspec.Raw(msgspec.json.encode(grant))),
        ]
    )
    assert standings.barred(ZJJ) == ""


@pytest.mark.requirement("IDK-08")
@pytest.mark.parametrize("standing", ["suspended", "revoked"])
def test_a_client_that_is_suspended_here_is_told_since_when(standing: str) -> None:
    since = datetime(2026, 3, 2, 12, tzinfo=UTC)
    client = replace(ZJJ, standing=standing, standing_since=since, standing_by="somebody")
    assert Standings().barred(client) == f"{standing} since 2026-03-02T12:00:00Z by somebody"
