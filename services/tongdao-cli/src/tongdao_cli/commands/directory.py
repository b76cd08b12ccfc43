"""`tongdao directory …`: the whole directory of this home's platform, out of it and into it, as one document."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.home import Home, write_private
from tongdao_cli.keys import OPERATOR

directory = typer.Typer(no_args_is_help=True, help="The whole directory as one document: out, and in again.")
ADDRESS = "/api/catalog/directory/json"


@directory.command("export")
def export_directory(
    file: Annotated[Path, typer.Argument(help="where to write it; it holds the providers' addresses")],
    provider: Annotated[str, typer.Option(help="only this department and what is its own")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write departments, systems, entries and interfaces that are live to FILE."""
    with as_client(Home(home), OPERATOR) as operator:
        answer = accepted(operator.send("GET", f"{ADDRESS}?provider={provider}"))
    document = answer.json()
    write_private(file, document)
    typer.echo(", ".join(f"{len(things)} {part}" for part, things in document.items() if isinstance(things, list)))


@directory.command("import")
def import_directory(
    file: Annotated[Path, typer.Argument(help="a document as `tongdao directory export` writes it")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would change")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make it so: all that FILE states is there as it says, or nothing changes. What it does not mention stays."""
    document = _read(file)
    with as_client(Home(home), OPERATOR) as operator:
        answer = accepted(operator.send("POST", f"{ADDRESS}?dry_run={str(dry_run).lower()}", document))
    outcome = answer.json()
    for word in ("created", "changed"):
        for what in outcome[word]:
            typer.echo(f"{word} {what}")
    told = ", ".join(f"{len(outcome[word])} {word}" for word in ("created", "changed", "unchanged"))
    typer.echo(f"{told}{' (nothing was done)' if dry_run else ''}")


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise typer.BadParameter(f"{file}: not JSON: {error}") from None
    if not isinstance(document, dict):
        raise typer.BadParameter(f"{file}: not a document of a directory")
    return document
