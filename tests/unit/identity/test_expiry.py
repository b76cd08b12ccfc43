"""When a department is warned of a key that ends."""

import pytest

from identity.expiry import stage_of

DAY = 86400


@pytest.mark.requirement("IDK-07")
@pytest.mark.parametrize(
    ("left_s", "stage"),
    [
        (400 * DAY, 0), (30 * DAY + 1, 0), (30 * DAY, 30), (14 * DAY + 1, 30), (14 * DAY, 14), (7 * DAY + 1, 14),
        (7 * DAY, 7), (1, 7), (0, 0), (-DAY, 0),
    ],
)  # fmt: skip
def test_thirty_fourteen_and_seven_days_before(left_s: int, stage: int) -> None:
    assert stage_of(2_000_000_000, 2_000_000_000 - left_s) == stage


def test_a_key_without_an_end_is_never_warned_of() -> None:
    assert stage_of(0, 2_000_000_000) == 0
