"""Writing events into a log that fails: none is lost, and a number never stands for two different batches."""

import httpx2
import msgspec
import pytest

from harness.audit_sink import AuditSink
from runtime.errors import Refusal
from runtime.service_auth import ServiceKey
from wire import codes
from wire.audit import Event
from wire.lease import EventWriter

pytestmark = pytest.mark.anyio


def event(name: str) -> bytes:
    return msgspec.json.encode(Event(id=name, at=1, event="test.written", actor="a", department="d", facts={}))


def writer(log: AuditSink) -> EventWriter:
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(log), base_url="http://log.test")
    return EventWriter("writer-1", client, ServiceKey(b"x" * 32, "test"))


async def test_events_are_numbered_within_a_lease() -> None:
    log = AuditSink()
    writes = writer(log)
    await writes.write([event("a"), event("b")])
    await writes.write([event("c")])
    assert [(leaf.call, leaf.epoch, leaf.sequence) for leaf in log.leaves] == [("a", 1, 0), ("b", 1, 1), ("c", 1, 2)]


@pytest.mark.parametrize("mode", ["down", "full", "forgetful"])
async def test_after_a_failure_other_events_can_be_written(mode: str) -> None:
    log = AuditSink()
    writes = writer(log)
    await writes.write([event("a")])
    log.mode = mode
    with pytest.raises(Refusal) as refused:
        await writes.write([event("b")])
    assert refused.value.code is codes.AUDIT_UNAVAILABLE
    log.mode = "ok"
    await writes.write([event("b"), event("c")])
    assert {leaf.call for leaf in log.leaves} == {"a", "b", "c"}
    assert log.leaves[-1].epoch == 2


async def test_a_lease_that_ended_is_started_anew() -> None:
    log = AuditSink()
    writes = writer(log)
    await writes.write([event("a")])
    log.end_leases()
    await writes.write([event("b")])
    log.end_leases()
    await writes.renew()
    await writes.write([event("c")])
    assert [leaf.call for leaf in log.leaves] == ["a", "b", "c"]
