"""Seal every credential under the newest key, once that stands in front of the others.

Run as `python -m exchange_service.credentials.reseal FILE`, or with `-c COMMAND [ARGUMENT…]` where a KMS keeps the
keys; DATABASE_URL names the log-in role tongdao_exchange. May run beside the exchanges, and as often as one likes.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from exchange_service.credentials.store import Store
from runtime.db import plain
from runtime.seal import BadKeys, CannotOpen, Seal


async def reseal(database_url: str, seal: Seal) -> int:
    """How many were sealed anew; raises CannotOpen where a key is missing, and what asyncpg raises."""
    connection = await asyncpg.connect(plain(database_url), timeout=10)
    try:
        return await Store(connection, seal).reseal()
    finally:
        await connection.close()


def main(arguments: Sequence[str], database_url: str) -> str:
    """One line that says what was done, or why nothing could be."""
    if not arguments or not database_url:
        sys.exit("name the file with the keys, or -c and a command, and set DATABASE_URL")
    try:
        seal = Seal.from_command(arguments[1:]) if arguments[0] == "-c" else Seal.from_file(Path(arguments[0]))
        done = asyncio.run(reseal(database_url, seal))
    except (BadKeys, CannotOpen, OSError, asyncpg.PostgresError) as error:
        sys.exit(f"not sealed anew: {error}")
    return f"{done} credentials were sealed anew under the key {seal.newest}"


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:], os.environ.get("DATABASE_URL", "")) + "\n")
