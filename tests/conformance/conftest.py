"""The stands of the suite, each made once for the whole run."""

from collections.abc import Iterator

import pytest

from conformance.stand import Stand
from conformance.stands.all import STANDS


@pytest.fixture(scope="session", params=list(STANDS))
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    """Each adapter in turn."""
    with STANDS[request.param](request) as made:
        yield made
