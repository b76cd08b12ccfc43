"""A record counts as committed only when the log has said so: whatever else becomes of its batch is a refusal."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.record import Recorder
from relay.inflow import Inflow
from relay.upstream import Answer
from runtime.errors import Refusal
from runtime.http import AsyncClient
from runtime.service_auth import ServiceKey
from wire import codes
from wire.audit import CallLeaf

pytestmark = pytest.mark.anyio


class Log:
    """Stands where the pool to the log does."""

    def __init__(self, answer: Callable[[], Answer]) -> None:
        self._answer = answer

    async def send(self, *_arguments: Any, **_named: Any) -> Answer:
        return self._answer()


def says(status: int) -> Callable[[], Answer]:
    def answer() -> Answer:
        body = Inflow(lambda: None, lambda: None)
        body.end()
        return Answer(status, {}, body, connection=None)  # type: ignore[arg-type]  # a whole body needs none

    return answer


def breaks() -> Answer:
    raise RuntimeError("a mistake of ours")


def recorder_at(log: Log) -> Recorder:
    """A recorder that holds a lease."""
    recorder = Recorder("gateway-1", log, AsyncClient(), ServiceKey(b"s" * 32, "gateway"))  # type: ignore[arg-type]
    recorder._epoch = 1
    return recorder


async def put(recorder: Recorder) -> None:
    """Deliver one record; raises what its waiter is told."""
    leaf = CallLeaf(
        at_in=1, call="c", department="d", epoch=0, gateway="", interface="i", method="GET", path="", phase="outcome",
        sequence=0, system="s", version="v1",
    )  # fmt: skip
    async with asyncio.timeout(5):
        await recorder.put(leaf)


@pytest.mark.requirement("GWY-17")
async def test_a_committed_record_is_told_so() -> None:
    recorder = recorder_at(Log(says(204)))
    await put(recorder)
    recorder.check()


@pytest.mark.requirement("GWY-17")
@pytest.mark.parametrize("answer", [says(409), says(422), breaks], ids=["stale epoch", "refused", "our own mistake"])
async def test_a_record_that_was_not_committed_is_never_taken_for_one(answer: Callable[[], Answer]) -> None:
    recorder = recorder_at(Log(answer))
    with pytest.raises(Refusal) as refused:
        await put(recorder)
    assert refused.value.code is codes.AUDIT_UNAVAILABLE


async def test_after_a_batch_was_given_up_the_lease_is_too() -> None:
    recorder = recorder_at(Log(breaks))
    with pytest.raises(Refusal):
        await put(recorder)
    with pytest.raises(Refusal):
        recorder.check()  # until a new one is held; the log closes what the old one left open
