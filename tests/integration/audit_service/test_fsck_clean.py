"""No false alarm: a log that grows by chance is clean after every step. `make fsck-clean` takes a thousand of them."""

from random import Random

import pytest

from harness.audit_log import Log
from harness.growing import Growing

pytestmark = pytest.mark.anyio
STEPS = 12


@pytest.mark.requirement("CHK-03")
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_log_that_grows_by_chance_is_clean_after_every_step(log: Log, seed: int) -> None:
    growing = Growing(log, Random(seed))
    for step in range(STEPS):
        await growing.grow()
        assert await growing.checked() == [], (seed, step)
