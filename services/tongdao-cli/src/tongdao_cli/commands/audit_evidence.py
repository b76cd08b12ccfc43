"""`tongdao audit evidence` and `subject`: evidence packages, and who asked about a person."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from runtime.http import Response
from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client, check_folder, refused
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import OPERATOR

PATIENCE_S = 15.0
"""A checkpoint comes every second while there is work; this is patience for a busy machine."""
POLL_S = 0.2
AsOption = Annotated[str, typer.Option("--as", help="the client whose token to use")]
SinceOption = Annotated[str, typer.Option(help="only from then on: a day, or a moment with its zone")]
BeforeOption = Annotated[str, typer.Option(help="only before then: a day, or a moment with its zone")]


def evidence(
    call: Annotated[str, typer.Option(help="a call or event: its Tongdao-Record")] = "",
    case: Annotated[str, typer.Option(help="every call on this case number")] = "",
    grant: Annotated[str, typer.Option(help="every call by this grant")] = "",
    since: SinceOption = "",
    before: BeforeOption = "",
    department: Annotated[str, typer.Option(help="only calls in which it took part; for auditors")] = "",
    mode: Annotated[str, typer.Option(help="only calls of that mode: query | verify | compare | sandbox")] = "",
    file: Annotated[Path | None, typer.Option("--output", "-o", help="its own name otherwise")] = None,
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a package of everything that the log can prove about one call, one case or one grant."""
    if file:
        check_folder(file)
    asked = {"call": call, "case": case, "grant": grant, "since": since, "before": before, "department": department,
             "mode": mode}  # fmt: skip
    query = urlencode({name: value for name, value in asked.items() if value})
    with as_client(Home(home), client) as consumer:
        deadline = time.monotonic() + PATIENCE_S
        answer = consumer.send("GET", f"/api/audit/evidence?{query}")
        while answer.status_code == 202 and time.monotonic() < deadline:
            time.sleep(POLL_S)
            answer = consumer.send("GET", f"/api/audit/evidence?{query}")
    if answer.status_code != 200:
        refused(answer)
    target = file or Path(_name_of(answer))
    _write(target, answer.content)
    typer.echo(target)


def subject(
    reason: Annotated[str, typer.Option(help="why you look; it goes on record")],
    case: Annotated[str, typer.Option(help="the case in which you do; it goes on record")] = "",
    since: SinceOption = "",
    before: BeforeOption = "",
    cursor: Annotated[str, typer.Option(help="`next` of the page before")] = "",
    client: AsOption = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Who asked about a person. The number is read from standard input: arguments are seen by others and kept."""
    more = {"case": case, "since": since, "before": before, "cursor": cursor}
    body: dict[str, Any] = {"number": _number(), "reason": reason, **{n: value for n, value in more.items() if value}}
    with as_client(Home(home), client) as consumer:
        answer = accepted(consumer.send("POST", "/api/audit/subjects/search", body))
    typer.echo(output.body(answer))


def _number() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("number", hide_input=True, err=True))
    return sys.stdin.readline().strip()


def _name_of(answer: Response) -> str:
    """As the log calls it; never a path."""
    stated = answer.headers.get("content-disposition", "").partition('filename="')[2].rstrip('"')
    return Path(stated).name or "evidence.zip"


def _write(target: Path, content: bytes) -> None:
    """Readable by its owner alone."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise CannotStart(f"cannot write {target}: {error.strerror}") from None


COMMANDS = (evidence, subject)
