"""`tongdao audit …`: receipts, the log's key, and the check of the whole log."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from tlog import receipt as receipts
from tlog.proofs import ProofError
from tongdao_cli.commands.opening import DEFAULT_HOME, DatabaseOption, HomeOption, as_client
from tongdao_cli.governed import outcome_of
from tongdao_cli.home import CannotStart, Home, write_private
from tongdao_cli.keys import OPERATOR, Secrets

audit = typer.Typer(no_args_is_help=True, help="Receipts, the log's key, and the check of the whole log.")


@audit.command()
def verify(
    vkey: Annotated[str, typer.Option(help="the log's key (name+id+base64), from a source you trust")],
    files: Annotated[list[Path], typer.Argument(metavar="RECEIPT…", help="receipts")],
) -> None:
    """Check receipts offline against a key that you bring; exit code 1 if any fails."""
    results = [_verify(file, vkey) for file in files]
    raise typer.Exit(0 if all(results) else 1)


def _verify(file: Path, vkey: str) -> bool:
    try:
        leaves = receipts.verify(receipts.parse(file.read_bytes()), vkey)
    except OSError as error:
        typer.echo(f"{file}: cannot be read: {error.strerror}")
        return False
    except ProofError as error:
        typer.echo(f"{file}: NOT verified: {error}")
        return False
    outcome = outcome_of(leaves)
    told = " ".join(
        f"{name}={outcome[name]}" for name in ("system", "interface", "status", "code") if outcome.get(name)
    )
    typer.echo(f"{file}: verified: {len(leaves)} records {told}".rstrip())
    return True


@audit.command()
def receipt(
    call: Annotated[str, typer.Argument(help="the Tongdao-Record of a call")],
    system: Annotated[str, typer.Option(help="whose token to use")] = OPERATOR,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="file; standard output otherwise")] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Fetch the receipt of a call."""
    with as_client(Home(home), system) as consumer:
        found = consumer.receipt(call)
    if output:
        write_private(output, found)
    else:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))


@audit.command()
def key(home: HomeOption = DEFAULT_HOME) -> None:
    """Print the log's public key, computed from this home's own signing key."""
    typer.echo(Secrets(Home(home)).vkey())


@audit.command()
def fsck(
    home: HomeOption = DEFAULT_HOME,
    database_url: DatabaseOption = "",
    vkey: Annotated[str, typer.Option(help="the log's key; that of the home otherwise")] = "",
) -> None:
    """Rebuild the log's tree from its storage and compare; exit code 1 if they differ, naming the places."""
    from tongdao_cli import database  # SQLAlchemy and Alembic take a second that other commands need not wait for

    place = Home(home)
    if not database_url and not place.secrets.exists():
        raise CannotStart(f"there is no home in {place.root}; name one with --home, or a database with --database-url")
    key = vkey or (Secrets(place).vkey() if place.secrets.exists() else "")
    with database.opened(place, database_url) as url:
        done = subprocess.run(  # noqa: S603  # our own program, in a process: tools never import services
            [sys.executable, "-m", "audit_service.fsck", *(["--vkey", key] if key else [])],
            env={**os.environ, "DATABASE_URL": url}, check=False,
        )  # fmt: skip
    raise typer.Exit(done.returncode)
