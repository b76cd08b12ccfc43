"""The server with both lanes, one for all tests of a module; what a test registers or sees is its own."""

from collections.abc import Iterator

import pytest

from harness.lanes import Lanes, until


@pytest.fixture(scope="package")
def running() -> Iterator[Lanes]:
    with Lanes() as lanes:
        yield lanes


@pytest.fixture
def lanes(running: Lanes) -> Iterator[Lanes]:
    """The server; when its clients have gone, no connection may be left."""
    running.clear()
    yield running
    until(lambda: running.connections == 0, limit_s=5)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that services run on."""
    return "asyncio", {"use_uvloop": True}
