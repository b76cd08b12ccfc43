"""The stands of the suite, each made once for the whole run."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec

import pytest

from conformance.stand import Stand
from conformance.stands import files, rest, soap, table

Make = Callable[[pytest.FixtureRequest], AbstractContextManager[Stand]]
STANDS: dict[str, Make] = {
    "rest": rest.ours,
    "rest-httpbin": rest.httpbin,
    "soap-1.1": soap.version_1_1,
    "soap-1.2": soap.version_1_2,
    "table-postgresql": table.postgresql,
    "table-mysql": table.mysql,
    "files-local": files.local,
    "files-s3": files.s3,
    "files-sftp": files.sftp,
}
if find_spec("ksycopg2"):  # not among the packages for development
    STANDS["table-kingbase"] = table.kingbase


@pytest.fixture(scope="session", params=list(STANDS))
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    """Each adapter in turn."""
    with STANDS[request.param](request) as made:
        yield made
