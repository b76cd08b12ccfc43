"""`tongdao migrate`: schemas of all services, without starting anything else."""

import asyncio

import typer

from tongdao_cli.commands.opening import DEFAULT_HOME, DatabaseOption, HomeOption
from tongdao_cli.home import Home
from tongdao_cli.keys import Secrets


def migrate(home: HomeOption = DEFAULT_HOME, database_url: DatabaseOption = "") -> None:
    """Bring the schema of every service up to date."""
    from tongdao_cli import database  # SQLAlchemy and Alembic take a second that other commands need not wait for

    place = Home(home)
    place.make()
    secrets = Secrets(place)
    secrets.make()
    with database.opened(place, database_url) as url:
        asyncio.run(database.migrate_all(url, secrets))
    typer.echo("schemas are up to date")
