"""Which key signs at which moment, and which are published: over the whole life of a key."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.signing.model import KEPT, SigningKey, in_order, is_due, newest, waits

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AHEAD = timedelta(seconds=150)
MONTH = timedelta(days=30)


def key(kid: str, signs_from: datetime, ends_at: datetime | None = None) -> SigningKey:
    return SigningKey(kid=kid, jwk={}, made_at=signs_from - AHEAD, signs_from=signs_from, ends_at=ends_at)


def names(keys: list[SigningKey], at: datetime) -> str:
    return "".join(one.kid for one in in_order(keys, at))


OLD = key("o", NOON - MONTH, NOON + KEPT)
NEW = key("n", NOON)


@pytest.mark.requirement("IDK-01")
@pytest.mark.parametrize(
    ("at", "order"),
    [
        pytest.param(NOON - AHEAD, "on", id="published, not yet signing"),
        pytest.param(NOON - timedelta(seconds=1), "on", id="a second before"),
        pytest.param(NOON, "no", id="signs"),
        pytest.param(NOON + KEPT - timedelta(seconds=1), "no", id="the last token of the old key"),
        pytest.param(NOON + KEPT, "n", id="the old key has ended"),
    ],
)
def test_the_first_of_the_set_signs_and_the_others_are_published(at: datetime, order: str) -> None:
    assert names([OLD, NEW], at) == names([NEW, OLD], at) == order


@pytest.mark.requirement("IDK-01")
def test_an_old_key_is_published_as_long_as_its_last_token_could_live() -> None:
    assert timedelta(seconds=360) == KEPT


def test_where_no_time_has_come_the_first_one_signs() -> None:
    assert names([key("b", NOON + MONTH), key("a", NOON, NOON + MONTH)], NOON - timedelta(minutes=1)) == "ab"


def test_no_keys_sign_nothing() -> None:
    assert in_order([], NOON) == []
    assert newest([]) is None
    assert is_due([], NOON, MONTH)
    assert not waits([], NOON)


@pytest.mark.requirement("IDK-02")
@pytest.mark.parametrize(
    ("after", "due"),
    [(-AHEAD, False), (MONTH - timedelta(seconds=1), False), (MONTH, True), (MONTH * 5, True)],
    ids=["waiting", "in its last second", "in time", "long after"],
)
def test_the_next_key_is_due_when_the_newest_has_signed_long_enough(after: timedelta, due: bool) -> None:
    assert is_due([OLD, NEW], NOON + after, MONTH) is due
    assert waits([OLD, NEW], NOON + after) is (after < timedelta())


def test_a_key_shows_nothing_of_itself() -> None:
    assert "secret" not in repr(SigningKey(kid="k", jwk={"d": "secret"}, made_at=NOON, signs_from=NOON))


@pytest.mark.requirement("IDK-01")
@given(st.lists(st.integers(1, 90), max_size=6), st.integers(-200, 40_000))
def test_what_signed_a_token_that_still_lives_is_published(gaps_min: list[int], at_s: int) -> None:
    """However rotations follow one another: a token is good for 300 s after it was signed."""
    keys, begin = [], NOON
    for n, gap in enumerate(gaps_min):
        following = begin + timedelta(minutes=gap)
        keys.append(key(str(n), begin, following + KEPT))
        begin = following
    keys.append(key("last", begin))
    signed_at = NOON + timedelta(seconds=max(0, at_s))
    signer = in_order(keys, signed_at)[0]
    later = {one.kid for one in in_order(keys, signed_at + timedelta(seconds=300))}
    before = {one.kid for one in in_order(keys, signer.signs_from - AHEAD)}
    assert signer.kid in later
    assert signer.kid in before
