"""The `tongdao` command: its commands by name, and the one place where a failure becomes one line."""

import sys

import typer

from tongdao_cli.commands.audit import audit
from tongdao_cli.commands.call import call, token
from tongdao_cli.commands.case import case, office
from tongdao_cli.commands.consent import consent
from tongdao_cli.commands.demo import demo
from tongdao_cli.commands.directory import directory
from tongdao_cli.commands.doctor import doctor
from tongdao_cli.commands.keys import keys
from tongdao_cli.commands.migrate import migrate
from tongdao_cli.commands.person import login, person
from tongdao_cli.commands.policy import policy
from tongdao_cli.commands.provider import provider
from tongdao_cli.commands.quota import quota
from tongdao_cli.commands.up import up
from tongdao_cli.commands.witness import witness
from tongdao_cli.demo import DemoRefused
from tongdao_cli.governed import NoReceipt
from tongdao_cli.home import CannotStart
from tongdao_cli.postgres import NoPostgres
from tongdao_cli.supervisor import GivenUp


def build() -> typer.Typer:
    """The commands."""
    commands = typer.Typer(
        no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
        help="Tongdao: the unified sharing channel for government data.",
    )  # fmt: skip
    for command in (up, demo, call, token, quota, doctor, login, office, migrate, witness):
        commands.command()(command)
    commands.add_typer(audit, name="audit")
    commands.add_typer(policy, name="policy")
    commands.add_typer(case, name="case")
    commands.add_typer(directory, name="directory")
    commands.add_typer(consent, name="consent")
    commands.add_typer(provider, name="provider")
    commands.add_typer(person, name="person")
    commands.add_typer(keys, name="keys")
    return commands


def app() -> None:
    """Entry point. Exit code 2: something has to be put right before a start; 1: something failed later."""
    try:
        build()()
    except (CannotStart, NoPostgres) as error:
        sys.stderr.write(f"tongdao: {error}\n")
        sys.exit(2)
    except (GivenUp, DemoRefused, NoReceipt) as error:
        sys.stderr.write(f"tongdao: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    app()
