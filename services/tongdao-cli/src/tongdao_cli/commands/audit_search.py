"""`tongdao audit search` and `tongdao audit export`: what a client may see of the log, as a table or a file."""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table

from runtime.http import Response
from statute.calendar import SHANGHAI
from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client, check_folder
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import OPERATOR

FILTERS = ("department", "system", "provider", "interface", "version", "grant", "case", "trace", "call", "event",
           "kind", "mode", "outcome", "since", "before")  # fmt: skip
FORMATS = ("csv", "xlsx", "jsonl")
AsOption = Annotated[str, typer.Option("--as", help="whose token to use; a department sees its own, an auditor all")]
WhereOption = Annotated[
    list[str], typer.Option("--where", "-w", metavar="NAME=VALUE", help="; ".join(FILTERS) + ". All have to hold")
]
SinceOption = Annotated[str, typer.Option(help="a day of China or a moment with its zone; included")]
BeforeOption = Annotated[str, typer.Option(help="likewise; excluded")]
DepartmentOption = Annotated[str, typer.Option(help="who asked")]
InterfaceOption = Annotated[str, typer.Option(help="id of an interface")]
CaseOption = Annotated[str, typer.Option(help="case number")]
OutcomeOption = Annotated[str, typer.Option(help="ok | refused | a code | a status")]


def search(
    where: WhereOption = [],  # noqa: B006  # typer reads the default, nobody changes it
    department: DepartmentOption = "",
    interface: InterfaceOption = "",
    case: CaseOption = "",
    outcome: OutcomeOption = "",
    since: SinceOption = "",
    before: BeforeOption = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="rows of one page")] = 20,
    cursor: Annotated[str, typer.Option(help="where the page before ended")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="the answer as it is")] = False,
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Search the log, newest first: calls that have ended, and events."""
    wanted = _wanted(where, department=department, interface=interface, case=case, outcome=outcome, since=since,
                     before=before, limit=str(limit), cursor=cursor)  # fmt: skip
    answer = _asked(home, client, f"/search?{urlencode(wanted)}")
    if as_json:
        typer.echo(output.body(answer))
        return
    found = answer.json()
    console = Console() if sys.stdout.isatty() else Console(width=400)
    console.print(_table(found["records"]) if found["records"] else "no records")
    if found["next"]:
        typer.echo(f"more: --cursor {found['next']}")


def export(
    file: Annotated[Path, typer.Option("--output", "-o", help="the file")],
    format: Annotated[str, typer.Option(help=" | ".join(FORMATS))] = "csv",  # noqa: A002  # the option's name
    where: WhereOption = [],  # noqa: B006  # typer reads the default, nobody changes it
    department: DepartmentOption = "",
    interface: InterfaceOption = "",
    case: CaseOption = "",
    outcome: OutcomeOption = "",
    since: SinceOption = "",
    before: BeforeOption = "",
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Export all that a search finds into one file, or say that it is too much."""
    if format not in FORMATS:
        raise typer.BadParameter(f"one of {', '.join(FORMATS)}")
    wanted = _wanted(where, department=department, interface=interface, case=case, outcome=outcome, since=since,
                     before=before, format=format)  # fmt: skip
    check_folder(file)
    answer = _asked(home, client, f"/export?{urlencode(wanted)}")
    try:
        file.touch(0o600)
        file.write_bytes(answer.content)
    except OSError as error:
        raise CannotStart(f"cannot write {file}: {error.strerror}") from None
    typer.echo(f"{file}: {answer.headers.get('tongdao-rows', '?')} rows")


def _wanted(where: list[str], **given: str) -> dict[str, str]:
    wanted = {name: value for name, value in given.items() if value}
    for part in where:
        name, equals, value = part.partition("=")
        if not equals or name not in FILTERS:
            raise typer.BadParameter(f"{part}: NAME=VALUE, where NAME is one of {', '.join(FILTERS)}")
        wanted[name] = value
    return wanted


def _asked(home: Path, client: str, path: str) -> Response:
    with as_client(Home(home), client) as consumer:
        return accepted(consumer.send("GET", f"/api/audit{path}"))


def _table(records: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("record", no_wrap=True, min_width=36)  # to be copied
    for title in ("time in China", "who", "of whom", "what", "case", "outcome", "ms"):
        table.add_column(title, overflow="fold")
    for row in records:
        table.add_row(*map(output.plain, (
            row["call_id"], _time(row["at"]), f"{row['department']} {row['system']}", row["provider"],
            row["event"] or f"{row['interface']}/{row['version']}", row["case_no"], _outcome(row),
            "" if row["event"] else str(row["took_ms"]),
        )))  # fmt: skip
    return table


def _outcome(row: Mapping[str, Any]) -> str:
    if row["kind"] == "event":
        return ""
    way = "" if row["mode"] == "query" else f"{row['mode']} {row['verdict']}"
    return " ".join(f"{row['status']} {row['code']} {way}".split())


def _time(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


COMMANDS = (search, export)
