"""`tongdao audit …`: receipts and the log's key are here; each other matter has a file of its own."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tongdao_cli.commands import (
    audit_desk,
    audit_evidence,
    audit_feeds,
    audit_fsck,
    audit_keep,
    audit_search,
    audit_verify,
)
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, as_client
from tongdao_cli.home import Home, write_private
from tongdao_cli.keys import OPERATOR, Secrets

audit = typer.Typer(
    no_args_is_help=True,
    help="The log: proof and checks, search and evidence, keeping and disposal, what departments are told.",
)


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
def key(
    origin: Annotated[str, typer.Option(help="name of another shard, as of next year, to tell witnesses before")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print the log's public key, computed from this home's own signing key."""
    typer.echo(Secrets(Home(home)).vkey(origin))


for matter in (audit_verify, audit_fsck, audit_search, audit_evidence, audit_keep, audit_feeds, audit_desk):
    for command in matter.COMMANDS:
        audit.command()(command)
