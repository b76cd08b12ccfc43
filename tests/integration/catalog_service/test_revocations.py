"""Revocations: from the authorization server alone, once each, in feed and snapshot until they are past."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from catalog_service.feed import store
from catalog_service.feed.flows import Journal
from catalog_service.revocations.flows import forget
from harness.addresses import NOWHERE
from harness.catalog import SECRET, Catalog
from runtime import http
from runtime.clock import SystemClock
from runtime.db import engine
from runtime.outbox import Outbox
from runtime.service_auth import ServiceKey
from wire.catalog import Entry, Revocation

pytestmark = pytest.mark.anyio
NOW = int(time.time())
"""When this module was read: whatever is not past by then lasts longer than a run of all tests."""
IDENTITY = ServiceKey(SECRET, "identity")
TOKEN = Revocation(what="token", name="0192f0c1", until=NOW + 86_400)
CLIENT = Revocation(what="client", name="zjj-housing", before=NOW, until=NOW + 86_460)


async def post(catalog: Catalog, body: bytes, key: ServiceKey | None = IDENTITY) -> http.Response:
    headers = key.headers("POST", "/revocations", body) if key else {}
    return await catalog.client.post("/revocations", content=body, headers=headers)


async def revoke(catalog: Catalog, *revocations: Revocation) -> None:
    answer = await post(catalog, msgspec.json.encode(revocations))
    assert answer.status_code == 204, answer.text


def told(entries: Sequence[Entry]) -> list[tuple[str, Any]]:
    return [(entry.id, msgspec.json.decode(entry.body)) for entry in entries if entry.kind == "revocation"]


def as_told(revocation: Revocation) -> tuple[str, Any]:
    return revocation.id, msgspec.to_builtins(revocation)


@pytest.mark.requirement("IDT-01")
async def test_what_identity_revokes_stands_in_feed_and_snapshot(catalog: Catalog) -> None:
    await revoke(catalog, TOKEN, CLIENT)
    feed, snapshot = await catalog.feed(0), await catalog.snapshot()
    assert told(feed.entries) == [as_told(CLIENT), as_told(TOKEN)]
    assert sorted(snapshot.revocations, key=lambda each: each.id) == [CLIENT, TOKEN]


@pytest.mark.requirement("IDT-01")
async def test_the_same_twice_is_told_once_and_never_becomes_less(catalog: Catalog) -> None:
    earlier = msgspec.structs.replace(CLIENT, before=NOW - 50, until=NOW + 86_500)
    later = msgspec.structs.replace(CLIENT, before=NOW + 9, until=NOW + 86_469)
    await revoke(catalog, CLIENT)
    await revoke(catalog, CLIENT)
    await revoke(catalog, earlier)
    await revoke(catalog, later)
    reaching = [CLIENT, msgspec.structs.replace(CLIENT, until=NOW + 86_500)]
    reaching.append(msgspec.structs.replace(reaching[1], before=NOW + 9))
    assert told((await catalog.feed(0)).entries) == [as_told(each) for each in reaching]
    assert (await catalog.snapshot()).revocations == reaching[-1:]


@pytest.mark.requirement("IDT-01")
async def test_what_is_past_leaves_table_and_feed_once(catalog: Catalog) -> None:
    past = Revocation(what="token", name="old", until=NOW - 1)
    await revoke(catalog, past, TOKEN)
    opened = engine(catalog.database.url_of("catalog"))
    journal = Journal(opened, Outbox(opened, store.outbox, _nowhere), SystemClock(), NOWHERE)
    gone = [await forget(journal), await forget(journal)]
    await opened.dispose()
    assert gone == [1, 0]
    assert told((await catalog.feed(0)).entries)[-1] == (past.id, None)
    assert (await catalog.snapshot()).revocations == [TOKEN]


@pytest.mark.requirement("IDT-01")
@pytest.mark.parametrize("sender", ["gateway", "exchange", "catalog", None])
async def test_nobody_else_revokes(catalog: Catalog, sender: str | None) -> None:
    key = ServiceKey(SECRET, sender) if sender else None
    answer = await post(catalog, msgspec.json.encode([TOKEN]), key)
    assert (answer.status_code, answer.json()["code"]) == (401, "service/unauthenticated")
    assert (await catalog.feed(0)).entries == []


@pytest.mark.requirement("IDT-01")
@pytest.mark.parametrize("body", [b"", b"{}", b'[{"what":"all","name":"x","until":1}]', b'[{"what":"token"}]'])
async def test_what_is_no_list_of_revocations_is_refused(catalog: Catalog, body: bytes) -> None:
    assert (await post(catalog, body)).status_code == 422
    assert (await catalog.feed(0)).entries == []


async def _nowhere(_events: Any) -> None:
    raise AssertionError("nobody flushes here")
