"""`tongdao quota`: what grants allow, and how much of it is used."""

from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table

from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.home import Home

UNLIMITED = "-"
NOTHING = "no grant of yours"
AsOption = Annotated[str, typer.Option("--as", help="a system, or somebody of a department that uses or provides")]


def quota(
    client: AsOption,
    interface: Annotated[str, typer.Option(help="all grants that open it, for those who provide it: name/v1")] = "",
    grant: Annotated[str, typer.Option(help="this grant alone, by its id")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="as the gateway answers it")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """How much of its grants a system has used today and this month."""
    asked = {"grant": grant, "interface": interface}
    query = urlencode({name: value for name, value in asked.items() if value})
    with as_client(Home(home), client) as asking:
        answer = accepted(asking.send("GET", f"/api/quotas?{query}"))
    if as_json:
        typer.echo(output.body(answer))
        return
    said = answer.json()
    console = Console()
    if not said["items"]:
        console.print(NOTHING if interface else f"{NOTHING}; a department that provides names an --interface")
        return
    console.print(table(said["items"]))
    if said["more"]:
        console.print("There are more; name one with --grant or --interface.", style="dim")


def table(items: list[dict[str, Any]]) -> Table:
    """One row a grant: used of limit, and when it begins anew."""
    shown = Table()
    shown.add_column("grant", no_wrap=True, min_width=max((len(item["grant"]) for item in items), default=0))
    for name in ("system", "interface", "per second", "today", "this month"):
        shown.add_column(name, overflow="fold")  # nothing is cut: names are for typing
    for item in items:
        used = {one["period"]: one for one in item["quotas"]}
        cells = (item["grant"], item["system"], item["interface"], f"{item['rate']['per_s']:g}")
        shown.add_row(*map(output.plain, cells), *(_cell(used.get(period)) for period in ("day", "month")))
    return shown


def _cell(used: dict[str, Any] | None) -> str:
    return UNLIMITED if used is None else f"{used['used']} of {used['limit']}, anew {used['resets'][:10]}"
