"""What is kept of batches that came in: used for the very bytes that were read, and never more than so much of it."""

import dataclasses

import pytest

from audit_service import fresh
from audit_service.entry import BadBatch, Batch, batch_of, check
from audit_service.fresh import Fresh
from harness.audit_log import AT_MS, record

CALL = "01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e"


def batch(first: int) -> Batch:
    return batch_of("gateway-1", 3, first, [record(CALL, "gateway-1", 3, first, "intent")])


def test_what_was_read_is_given_once_and_then_read_again() -> None:
    kept, one = Fresh(), batch(7)
    entries = check(one, AT_MS)
    kept.keep(one, entries)
    assert kept.take(dataclasses.replace(one)) is entries
    again = kept.take(one)
    assert again is not entries
    assert [(entry.leaf, entry.private) for entry in again] == [(entry.leaf, entry.private) for entry in entries]


@pytest.mark.requirement("AUD-05")
@pytest.mark.parametrize("changed", [{"content": b"x"}, {"first": 8}, {"epoch": 4}, {"gateway": "other"}, {"count": 2}])
def test_a_stored_batch_that_is_not_the_one_that_was_read_is_refused(changed: dict[str, object]) -> None:
    kept, one = Fresh(), batch(7)
    kept.keep(one, check(one, AT_MS))
    with pytest.raises(BadBatch):
        kept.take(dataclasses.replace(one, **changed))  # type: ignore[arg-type]  # one member at a time


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [batch(first) for first in range(10, 20)]
    read = [check(one, AT_MS) for one in some]
    monkeypatch.setattr(fresh, "MOST_BYTES", sum(len(one.content) for one in some[:3]))
    kept = Fresh()
    for one, entries in zip(some, read, strict=True):
        kept.keep(one, entries)
        kept.keep(one, entries)
    assert [kept.take(one) is entries for one, entries in zip(some, read, strict=True)] == [False] * 7 + [True] * 3
