"""What is kept from one part of the process for the next: only what is true, and never more than so much of it."""

import dataclasses

import pytest

from audit_service import fresh
from audit_service.entry import BadBatch, Batch, Entry, batch_of, check, entries
from audit_service.fresh import Fresh, Tail
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
    for one, known in zip(some, read, strict=True):
        kept.keep(one, known)
        kept.keep(one, known)
    assert [kept.take(one) is entries for one, entries in zip(some, read, strict=True)] == [False] * 7 + [True] * 3


SEGMENTS = {"personal": "20261122-personal"}


def placed(first: int) -> list[Entry]:
    """An intent at `first` and what ended behind it."""
    some = [record(CALL, "gateway-1", 3, 0, "intent"), record(CALL, "gateway-1", 3, 1, "outcome")]
    return check(batch_of("gateway-1", 3, 0, some), AT_MS)


def test_a_tail_is_followed_step_by_step_and_each_step_until_it_is_over() -> None:
    tail = Tail()
    for first in (10, 12, 14):
        tail.add(first, placed(first), SEGMENTS)
    for first in (10, 10, 12, 14):
        taken = tail.take(first, 16)
        assert taken is not None
        end, [(segment, index, leaf)] = taken
        assert (end, segment, index) == (first + 2, SEGMENTS["personal"], first + 1)
        assert not isinstance(leaf, bytes)
    assert tail.take(16, 16) is None
    assert tail.take(14, 16) is None


def test_a_tail_gives_nothing_that_is_not_whole() -> None:
    tail = Tail()
    tail.add(10, placed(10), SEGMENTS)
    assert tail.take(8, 12) is None
    assert tail.take(10, 11) is None  # not all of it is in the database that asks
    tail.add(14, placed(14), SEGMENTS)  # somebody else placed 12 and 13
    assert tail.take(10, 16) is None
    tail.add(16, entries(batch_of("gateway-1", 3, 0, [record(CALL, "gateway-1", 3, 0, "denied")])), SEGMENTS)
    tail.add(17, placed(17), SEGMENTS)
    assert tail.take(16, 19) == (17, [(SEGMENTS["personal"], 16, record(CALL, "gateway-1", 3, 0, "denied")[0])])
    assert tail.take(12, 19) is None


def test_a_tail_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "MOST_LEAVES", 4)
    tail = Tail()
    for first in (10, 12, 14):
        tail.add(first, placed(first), SEGMENTS)
    assert tail.take(10, 16) is None
    assert tail.take(12, 16) is not None
