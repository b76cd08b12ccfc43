"""`tongdao audit usage`, `subscribe`, `alerts`, `rules`: a department's own usage, and what was unusual in the log."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from runtime.http import Response
from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.governed import Consumer
from tongdao_cli.home import Home
from tongdao_cli.keys import OPERATOR

SIDES = ("consumer", "provider", "both")
AsOption = Annotated[str, typer.Option("--as", help="whose token to use: a client of the department")]
OfficeOption = Annotated[str, typer.Option("--as", help="an officer or head of the department, see `tongdao office`")]
SideOption = Annotated[str, typer.Option(help=" | ".join(SIDES))]
InterfaceOption = Annotated[str, typer.Option(help="only this one")]


def usage(
    client: AsOption,
    after: Annotated[str, typer.Option(help="where the last pull ended; the beginning otherwise")] = "",
    side: SideOption = "both",
    interface: InterfaceOption = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print the department's own calls, one JSON object a line; the cursor for the next time goes to standard error."""
    _check(side)
    with as_client(Home(home), client) as consumer:
        more = True
        while more:
            query = urlencode({"after": after, "as": side, "interface": interface, "limit": 1000})
            page = _asked(consumer, "GET", f"/usage?{query}").json()
            for record in page["items"]:
                typer.echo(json.dumps(record, ensure_ascii=False))
            after, more = page["next"], page["more"]
    typer.echo(f"--after {after}", err=True)


def subscribe(
    url: Annotated[str, typer.Argument(help="where batches are posted")],
    network: Annotated[list[str], typer.Option(help="a network that the address may lead to, such as 10.1.0.0/16")],
    client: OfficeOption,
    side: SideOption = "both",
    interface: InterfaceOption = "",
    digest: Annotated[bool, typer.Option("--digest", help="the figures of each day too")] = False,
    beginning: Annotated[bool, typer.Option("--from-beginning", help="all there is, not only what comes")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Have the department's usage and alerts sent to an address. Prints the signing key, this once.

    An officer or the head of the department decides that: `--as mzj-officer`, made by `tongdao office mzj officer`.
    """
    _check(side)
    body = {"url": url, "networks": network, "as": side, "interface": interface, "digest": digest,
            "from": "beginning" if beginning else "now"}  # fmt: skip
    _print(home, client, "POST", "/subscriptions", body)


def alerts(
    number: Annotated[str, typer.Argument(metavar="[ALERT]", help="its id: that one with its records")] = "",
    state: Annotated[str, typer.Option(help="open | closed")] = "",
    rule: Annotated[str, typer.Option(help="only those of this rule")] = "",
    after: Annotated[str, typer.Option(help="`next` of the page before")] = "",
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """What was unusual in the log, newest first."""
    query = urlencode({name: value for name, value in (("state", state), ("rule", rule), ("after", after)) if value})
    _print(home, client, "GET", f"/alerts/{number}" if number else f"/alerts?{query}")


def rules(client: AsOption = OPERATOR, home: HomeOption = DEFAULT_HOME) -> None:
    """The rules of what is unusual that are in force."""
    _print(home, client, "GET", "/alerts/rules")


def _check(side: str) -> None:
    if side not in SIDES:
        raise typer.BadParameter(f"one of {', '.join(SIDES)}")


def _print(home: Path, client: str, method: str, path: str, body: dict[str, Any] | None = None) -> None:
    with as_client(Home(home), client) as consumer:
        typer.echo(output.body(_asked(consumer, method, path, body)))


def _asked(consumer: Consumer, method: str, path: str, body: dict[str, Any] | None = None) -> Response:
    return accepted(consumer.send(method, f"/api/audit{path}", body))


COMMANDS = (usage, subscribe, alerts, rules)
