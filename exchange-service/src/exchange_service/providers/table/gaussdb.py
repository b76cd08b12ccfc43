"""GaussDB and openGauss, by a driver made of asyncpg. Untried: no such server was at hand."""

import async_gaussdb

from exchange_service.providers.table.postgresql import PostgreSql


class GaussDb(PostgreSql):
    """async-gaussdb: asyncpg's interface and SQLSTATEs."""

    def __init__(self) -> None:
        super().__init__(async_gaussdb)
