"""`tongdao audit holds`, `disposals`, `reject`, `close`, `subscriptions`, `dead-letters`, `figures`, `show`.

What lies on the desks of those who keep the log, and of those who are told of it.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.home import Home
from tongdao_cli.keys import OPERATOR

AsOption = Annotated[str, typer.Option("--as", help="the client whose token to use")]
FINDINGS = ("misuse", "explained", "false_alarm")


def holds(client: AsOption = OPERATOR, home: HomeOption = DEFAULT_HOME) -> None:
    """All legal holds, released ones as well."""
    _say(home, client, "GET", "/holds")


def disposals(
    number: Annotated[str, typer.Argument(metavar="[DISPOSAL]", help="its id: only that one")] = "",
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Disposals, what became of them, and what is in the way."""
    _say(home, client, "GET", f"/disposals/{quote(number)}" if number else "/disposals")


def reject(
    number: Annotated[str, typer.Argument(metavar="DISPOSAL", help="its id")],
    reason: Annotated[str, typer.Option(help="why; it stands in the log")],
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Reject a disposal that was proposed."""
    _say(home, client, "POST", f"/disposals/{quote(number)}/reject", {"reason": reason})


def close(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="its id")],
    finding: Annotated[str, typer.Option(help=" | ".join(FINDINGS))],
    note: Annotated[str, typer.Option(help="what was found out")],
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Say what an alert was."""
    if finding not in FINDINGS:
        raise typer.BadParameter(f"one of {', '.join(FINDINGS)}")
    _say(home, client, "POST", f"/alerts/{quote(alert)}/close", {"finding": finding, "note": note})


def subscriptions(
    client: AsOption,
    pause: Annotated[str, typer.Option(metavar="ID", help="send nothing to this one for now")] = "",
    resume: Annotated[str, typer.Option(metavar="ID", help="go on where this one stopped")] = "",
    remove: Annotated[str, typer.Option(metavar="ID", help="end this one")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """The department's subscriptions and how sending goes; pause, resume or remove one."""
    if pause:
        _say(home, client, "POST", f"/subscriptions/{quote(pause)}/pause")
    elif resume:
        _say(home, client, "POST", f"/subscriptions/{quote(resume)}/resume")
    elif remove:
        _say(home, client, "DELETE", f"/subscriptions/{quote(remove)}")
    else:
        _say(home, client, "GET", "/subscriptions")


def dead_letters(
    subscription: Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="its id")],
    client: AsOption,
    retry: Annotated[int, typer.Option(min=0, metavar="N", help="send this one again")] = 0,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """What a subscription failed to take."""
    path = f"/subscriptions/{quote(subscription)}/dead-letters"
    _say(home, client, "POST" if retry else "GET", f"{path}/{retry}/retry" if retry else path)


def figures(
    first: Annotated[str, typer.Option("--from", help="the first day (UTC), as 2026-03-01")],
    last: Annotated[str, typer.Option("--to", help="the last day")],
    by: Annotated[str, typer.Option(help="interface | system | department | grant | outcome")] = "interface",
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Sums of some days: calls, refusals, bytes, fields, milliseconds."""
    _say(home, client, "GET", f"/figures?{urlencode({'from': first, 'to': last, 'by': by})}")


def show(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="the Tongdao-Record of a call, or an event's id")],
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """The records of a call or event as they stand in the log, without the proof."""
    with as_client(Home(home), client) as consumer:
        found: Mapping[str, Any] = consumer.receipt(record)
    for one in found["records"]:
        leaf = json.loads(base64.b64decode(one["leaf"]))
        told = {"index": one["index"], **{name: value for name, value in leaf.items() if value not in ("", 0)}}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))


def _say(home: Path, client: str, method: str, path: str, body: dict[str, Any] | None = None) -> None:
    with as_client(Home(home), client) as consumer:
        answer = accepted(consumer.send(method, f"/api/audit{path}", body))
    if answer.content:
        typer.echo(output.body(answer))


COMMANDS = (holds, disposals, reject, close, subscriptions, dead_letters, figures, show)
