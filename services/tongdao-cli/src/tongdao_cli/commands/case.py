"""`tongdao office` and `tongdao case …`: what the officers of the departments do, on this machine's demo city.

An office is a client like any other; here its key is made and registered by the home's own operator. Real departments
get theirs from whoever runs the platform.
"""

import json
from typing import Annotated, Any

import typer

from runtime.http import Response
from tongdao_cli import output
from tongdao_cli.clients import register
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.home import Home
from tongdao_cli.keys import OPERATOR
from wire import scopes

case = typer.Typer(no_args_is_help=True, help="Open a case, take it a step further, look at it.")
OFFICES = {scope.removeprefix("office:"): scope for scope in scopes.OFFICES}
AsOption = Annotated[str, typer.Option("--as", help="a client with an office, see `tongdao office`")]
DataOption = Annotated[str, typer.Option(help="JSON object")]
CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="its id")]


def office(
    department: Annotated[str, typer.Argument(help="id of the department, such as zjj")],
    name: Annotated[str, typer.Argument(metavar="OFFICE", help=" | ".join(OFFICES))],
    client: Annotated[str, typer.Option(help="name of the client; DEPARTMENT-OFFICE otherwise")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make somebody of a department who can act: a client with a key in this home; prints its name."""
    if name not in OFFICES:
        raise typer.BadParameter(f"one of {', '.join(OFFICES)}")
    wanted = client or f"{department}-{name}"
    with as_client(Home(home), OPERATOR) as operator:
        accepted(register(operator, home, wanted, department, OFFICES[name]))
    typer.echo(wanted)


@case.command("open")
def open_case(
    kind: Annotated[str, typer.Argument(help="application, demand, correction, …")],
    client: AsOption,
    data: DataOption,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Open a case."""
    _ask(home, client, "POST", "/cases", {**_object(data), "kind": kind})


@case.command()
def step(
    number: CaseArgument,
    event: Annotated[str, typer.Argument(help="what happens; `possible` in `tongdao case show` lists them")],
    client: AsOption,
    data: DataOption = "{}",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take a case a step further."""
    _ask(home, client, "POST", f"/cases/{number}/{event}", _object(data))


@case.command()
def show(number: CaseArgument, client: AsOption, home: HomeOption = DEFAULT_HOME) -> None:
    """A case with its history, its clocks and what may follow."""
    _ask(home, client, "GET", f"/cases/{number}")


@case.command("list")
def list_cases(
    client: AsOption,
    kind: Annotated[str, typer.Option(help="only these")] = "",
    state: Annotated[str, typer.Option(help="only in this state")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """The cases that this client may see."""
    _ask(home, client, "GET", f"/cases?kind={kind}&state={state}")


def _object(data: str) -> dict[str, Any]:
    try:
        stated = json.loads(data)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}") from None
    if not isinstance(stated, dict):
        raise typer.BadParameter("a JSON object is needed")
    return stated


def _ask(home: HomeOption, client: str, method: str, path: str, body: dict[str, Any] | None = None) -> None:
    with as_client(Home(home), client) as consumer:
        answer = consumer.send(method, f"/api/catalog{path}", body)
    _end(answer)


def _end(answer: Response) -> None:
    """The body is the result and stands alone on standard output."""
    typer.echo(output.body(accepted(answer)))
