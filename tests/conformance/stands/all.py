"""All stands by name, and which of them can do what not every provider can."""

from collections.abc import Callable
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

NEAR = "files-local"
"""Nobody connects to it."""
CONNECTED = [name for name in STANDS if name != NEAR]
NARROWING = [name for name in STANDS if name.startswith("table-")]
"""These can be asked for some of the fields; of the others' answers what was not granted is taken out."""
