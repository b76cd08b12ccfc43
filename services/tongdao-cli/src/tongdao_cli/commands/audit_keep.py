"""`tongdao audit archive`, `hold`, `release`, `dispose`, `approve`, `keeper`: how the log is kept, and by whom.

A disposal takes two people, that is two clients with scope audit:keep: `keeper` makes one on this machine's demo city.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from tongdao_cli import output
from tongdao_cli.clients import register
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.home import Home
from tongdao_cli.keys import OPERATOR
from wire.scopes import AUDIT_KEEP, AUDIT_READ, AUDIT_SUBJECT

AsOption = Annotated[str, typer.Option("--as", help="whose token to use; a client with scope audit:keep")]
DUTIES = {"keep": AUDIT_KEEP, "read": AUDIT_READ, "subject": AUDIT_SUBJECT}
ReasonOption = Annotated[str, typer.Option(help="why; it stands in the log")]


def keeper(
    department: Annotated[str, typer.Argument(help="id of the department, such as dsjj")],
    name: Annotated[str, typer.Argument(metavar="CLIENT", help="name of the client")],
    duty: Annotated[str, typer.Option(help=" | ".join(DUTIES))] = "keep",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make somebody who may keep the log (keep), read all of it (read) or look for persons (subject): a client with a
    key in this home; prints its name."""
    if duty not in DUTIES:
        raise typer.BadParameter(f"one of {', '.join(DUTIES)}")
    with as_client(Home(home), OPERATOR) as operator:
        accepted(register(operator, home, name, department, DUTIES[duty]))
    typer.echo(name)


def archive(
    restore: Annotated[str, typer.Option(metavar="SEGMENT", help="bring this one back for some days")] = "",
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Every segment of the log (a day and class): where it is, how large, until when it is kept."""
    if restore:
        typer.echo(_ask(home, client, "POST", f"/api/audit/archive/{restore}/restore"))
    else:
        typer.echo(_ask(home, client, "GET", "/api/audit/archive"))


def hold(
    reason: ReasonOption,
    party: Annotated[str, typer.Option(help="a department that took part")] = "",
    system: Annotated[str, typer.Option(help="a system that asked")] = "",
    interface: Annotated[str, typer.Option(help="an interface")] = "",
    grant: Annotated[str, typer.Option(help="a grant")] = "",
    case: Annotated[str, typer.Option(help="a case number of calls")] = "",
    call: Annotated[str, typer.Option(help="one call")] = "",
    since: Annotated[str, typer.Option(help="from then on, such as 2026-08-31T00:00:00+08:00")] = "",
    before: Annotated[str, typer.Option(help="up to then")] = "",
    for_case: Annotated[str, typer.Option(help="the case because of which")] = "",
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Keep all records that this fits, whatever their age, until somebody else releases them."""
    told = {"party": party, "system": system, "interface": interface, "grant": grant, "case": case, "call": call,
            "since": since, "before": before, "for_case": for_case}  # fmt: skip
    body = {"reason": reason, **{name: value for name, value in told.items() if value}}
    typer.echo(_ask(home, client, "POST", "/api/audit/holds", body))


def release(
    number: Annotated[str, typer.Argument(metavar="HOLD", help="its id")],
    reason: ReasonOption,
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Release a hold that somebody else placed."""
    typer.echo(_ask(home, client, "POST", f"/api/audit/holds/{number}/release", {"reason": reason}))


def dispose(
    retention: Annotated[str, typer.Argument(help="general | personal")],
    before: Annotated[str, typer.Argument(metavar="DAY", help="all days before this one (UTC), such as 2026-03-01")],
    reason: ReasonOption,
    case: Annotated[str, typer.Option(help="the case in which it was decided")] = "",
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Propose to delete records that have been kept long enough; nothing happens until somebody else approves it."""
    body = {"retention": retention, "before": before, "reason": reason, "case": case}
    typer.echo(_ask(home, client, "POST", "/api/audit/disposals", body))


def approve(
    number: Annotated[str, typer.Argument(metavar="DISPOSAL", help="its id")],
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Approve a disposal that somebody else proposed: what it names is deleted within minutes."""
    typer.echo(_ask(home, client, "POST", f"/api/audit/disposals/{number}/approve"))


def _ask(home: Path, client: str, method: str, path: str, body: dict[str, Any] | None = None) -> str:
    with as_client(Home(home), client) as consumer:
        return output.body(accepted(consumer.send(method, path, body)))


COMMANDS = (keeper, archive, hold, release, dispose, approve)
