"""Bring one service's schema up to date with Alembic: one history per schema, one migrator at a time.

Run as `python -m runtime.migrate PACKAGE SCHEMA` with DATABASE_URL naming a role that may create schemas and roles,
and TONGDAO_ROLE_PASSWORD the password of the service's own log-in role, `tongdao_SCHEMA`.
"""

import asyncio
import importlib.util
import os
import sys
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, text

from runtime.db import engine

_LOCK = 0x746F6E67  # "tong": whoever migrates holds this advisory lock


def migrations_of(package: str) -> Path:
    """The folder with the migrations of a package, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise LookupError(f"package {package} is not installed")
    return Path(spec.origin).parent / "migrations"


async def migrate(url: str, package: str, schema: str, password: str) -> None:
    """Create schema and log-in role if they are missing and run every migration that the schema has not seen."""
    database = engine(url)
    try:
        async with database.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_prepare, schema, password)
            await connection.run_sync(_upgrade, migrations_of(package), schema)
    finally:
        await database.dispose()


def _prepare(connection: Connection, schema: str, password: str) -> None:
    """The role owns nothing: the migrations say what it may do, table by table."""
    role = f"tongdao_{schema}"
    known = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).scalar()
    quoted = connection.execute(text("SELECT quote_literal(CAST(:password AS text))"), {"password": password}).scalar()
    verb = "ALTER" if known else "CREATE"
    connection.execute(text(f'{verb} ROLE "{role}" LOGIN NOINHERIT PASSWORD {quoted}'))
    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
    connection.execute(text(f'GRANT USAGE ON SCHEMA "{schema}" TO "{role}"'))


def _upgrade(connection: Connection, folder: Path, schema: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, "head")


def run_env() -> None:
    """Body of every service's `migrations/env.py`, which Alembic runs inside `_upgrade`."""
    attributes = context.config.attributes
    context.configure(connection=attributes["connection"], version_table_schema=attributes["schema"])
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "__main__":
    asyncio.run(migrate(os.environ["DATABASE_URL"], sys.argv[1], sys.argv[2], os.environ["TONGDAO_ROLE_PASSWORD"]))
