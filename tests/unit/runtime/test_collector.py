"""What settled is never looked at again, and still ends with its last reference."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from runtime.collector import YOUNG_OBJECTS, settle


class Kept:
    """Something that lives as long as the process, and may be replaced."""

    def __init__(self) -> None:
        self.me: Kept | None = None


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """This process goes on with other tests."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_settled_is_left_out_and_ends_with_its_last_reference() -> None:
    kept = Kept()
    settle()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] == YOUNG_OBJECTS
    assert not any(found is kept for found in gc.get_objects())
    seen = weakref.ref(kept)
    del kept
    assert seen() is None


def test_garbage_is_not_kept_by_settling() -> None:
    garbage = Kept()
    garbage.me = garbage
    seen = weakref.ref(garbage)
    del garbage
    settle()
    assert seen() is None


def test_cycles_made_later_are_still_ended() -> None:
    settle()
    later = Kept()
    later.me = later
    seen = weakref.ref(later)
    del later
    gc.collect()
    assert seen() is None
