"""`tongdao provider step` and `tongdao provider maintenance`: how far an interface has come, and when it rests."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from statute.calendar import SHANGHAI
from tongdao_cli import output
from tongdao_cli.commands.case import AsOption
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.home import Home

KeyArgument = Annotated[str, typer.Argument(metavar="ID/VERSION", help="such as rsj-insurance/v1")]


def take_step(
    interface: KeyArgument,
    event: Annotated[str, typer.Argument(help="test | mount | open, in this order")],
    client: AsOption,
    sample: Annotated[Path | None, typer.Option(help="JSON file for test: an answer of your system")] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take an interface a step further; of a sample only its digest is kept."""
    try:
        evidence = {} if sample is None else {"sample": json.loads(sample.read_bytes())}
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{sample} is no JSON that can be read: {type(error).__name__}") from None
    with as_client(Home(home), client) as officer:
        answer = accepted(officer.send("POST", f"{_address(interface)}/steps/{event}", evidence))
    typer.echo(f"{interface}: {answer.json()['stage']}")


def maintenance(
    interface: KeyArgument,
    client: AsOption,
    begins: Annotated[str, typer.Option(metavar="ISO", help="such as 2026-12-01T22:00, in the time of China")] = "",
    until: Annotated[str, typer.Option(metavar="ISO", help="likewise; seven days later at most")] = "",
    reason: Annotated[str, typer.Option(help="what for: whoever uses the interface reads it")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Announce one time of maintenance in place of all that were announced; without --begins none is left."""
    windows = [{"begins": _moment(begins), "until": _moment(until), "reason": reason}] if begins or until else []
    with as_client(Home(home), client) as officer:
        answer = officer.send("PUT", f"{_address(interface)}/maintenance", {"windows": windows})
    typer.echo(output.body(accepted(answer)))


def _address(interface: str) -> str:
    name, slash, version = interface.partition("/")
    if not slash or not all(part.replace("-", "").replace("_", "").isalnum() for part in (name, version)):
        raise typer.BadParameter(f"{interface}: ID/VERSION is wanted")
    return f"/api/catalog/interfaces/{name}/versions/{version}"


def _moment(text: str) -> int:
    """Unix seconds of a moment; one without a zone is of China."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text or 'nothing'}: a moment such as 2026-12-01T22:00 is wanted") from None
    return int((at if at.tzinfo else at.replace(tzinfo=SHANGHAI)).timestamp())
