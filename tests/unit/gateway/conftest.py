"""One gateway with its neighbours for all tests of a module."""

from collections.abc import AsyncIterator

import pytest

from harness.gate import Gate, gate


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Gate]:
    async with gate() as it:
        yield it


@pytest.fixture
def at(running: Gate) -> Gate:
    """The gateway, and nothing known of the tests before."""
    running.clear()
    return running
