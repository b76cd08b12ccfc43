"""One authorization server for all tests of a module, each with clients of its own: `shared`."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from harness.audit_sink import AuditSink
from harness.catalog_sink import CatalogSink


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for all tests of a module."""
    return "asyncio"


@pytest.fixture(scope="module")
def log() -> AuditSink:
    """One for all processes: each carries what the others have written too."""
    return AuditSink()


@pytest.fixture(scope="module")
def catalog(home: Any) -> CatalogSink:
    return CatalogSink(home.service_key("catalog"))


@pytest.fixture(scope="module")
async def shared(start_once: Any) -> AsyncIterator[Any]:
    """One process for many tests, each with clients of its own."""
    async with start_once(instance="identity-shared") as running:
        yield running
