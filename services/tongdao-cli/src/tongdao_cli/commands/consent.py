"""`tongdao consent …`: what an office does for a person whose data a department wants to look up (当事人授权).

The person's number is asked for, or read from standard input: on a command line it would stand in lists of processes
and in the history of the shell.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.http import Response
from tongdao_cli import output
from tongdao_cli.commands.case import AsOption
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.home import Home

consent = typer.Typer(no_args_is_help=True, help="Give a consent for a person, look at it, take it back.")
ConsentArgument = Annotated[str, typer.Argument(metavar="CONSENT", help="its id")]


@consent.command()
def give(
    interface: Annotated[str, typer.Argument(help="id of the interface, with or without its version: name or name/v1")],
    system: Annotated[str, typer.Option(help="the information system that may ask")],
    purpose: Annotated[str, typer.Option(help="what for, as in the system's grant")],
    field: Annotated[list[str], typer.Option(help="what may be told, as often as needed")],
    client: AsOption,
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="how long it may be used")] = 30,
    token: Annotated[bool, typer.Option("--token", help="print the token alone, as `tongdao call` takes it")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Give a consent for one call; the number of the person is asked for, and the token is shown this once."""
    body = {
        "subject": _number(), "system": system, "interface": interface if "/" in interface else f"{interface}/v1",
        "purpose": purpose, "fields": field, "minutes": minutes,
    }  # fmt: skip
    answer = accepted(_ask(home, client, "POST", "/consents", body))
    typer.echo(answer.json()["token"] if token else output.body(answer))


@consent.command()
def show(
    client: AsOption,
    number: Annotated[str, typer.Argument(metavar="CONSENT", help="its id; without it all of one person")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """One consent, or all that a person gave; then the number of the person is asked for."""
    if number:
        answer = _ask(home, client, "GET", f"/consents/{number}")
    else:
        answer = _ask(home, client, "POST", "/consents/search", {"subject": _number()})
    typer.echo(output.body(accepted(answer)))


@consent.command()
def revoke(
    number: ConsentArgument,
    client: AsOption,
    elsewhere: Annotated[
        bool, typer.Option("--elsewhere", help="given at another office: the number of the person is asked for")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take a consent back."""
    body = {"subject": _number()} if elsewhere else {}
    typer.echo(output.body(accepted(_ask(home, client, "POST", f"/consents/{number}/revoke", body))))


def _number() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("identity number of the person", err=True))
    return sys.stdin.readline().strip()


def _ask(home: Path, client: str, method: str, path: str, body: dict[str, Any] | None = None) -> Response:
    with as_client(Home(home), client) as office:
        return office.send(method, f"/api/catalog{path}", body)
