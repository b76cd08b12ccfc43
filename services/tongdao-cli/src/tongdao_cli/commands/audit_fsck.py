"""`tongdao audit fsck` and `monitor`: the check of the log from its storage, and how the continuous check stands."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tongdao_cli.commands.opening import DEFAULT_HOME, DatabaseOption, HomeOption, as_client
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import OPERATOR, Secrets

_LATE_S = 60.0
"""The longest that a record may wait for a signed checkpoint (P5)."""
_MOST_LISTED = 20


def fsck(
    home: HomeOption = DEFAULT_HOME,
    database_url: DatabaseOption = "",
    vkey: Annotated[list[str] | None, typer.Option(help="a key of the log; that of the home otherwise")] = None,
    witness: Annotated[list[str] | None, typer.Option(help="key of a witness, to check what it cosigned")] = None,
    archive: Annotated[str, typer.Option(help="file:///folder or s3://bucket/prefix; that of the home otherwise")] = "",
    newest: Annotated[int | None, typer.Option(min=1, help="only so many of the newest leaves")] = None,
) -> None:
    """Rebuild the log's tree from its storage and compare; exit code 1 if they differ, naming the places."""
    from tongdao_cli import database  # SQLAlchemy and Alembic take a second that other commands need not wait for

    place = Home(home)
    if not database_url and not place.secrets.exists():
        raise CannotStart(f"there is no home in {place.root}; name one with --home, or a database with --database-url")
    keys = vkey or ([Secrets(place).vkey()] if place.secrets.exists() else [])
    options = [
        *_each("--vkey", keys),
        *_each("--witness", witness or []),
        *_each("--archive", _archive(place, archive)),
    ]
    if newest is not None:
        options += ["--newest", str(newest)]
    with database.opened(place, database_url) as url:
        done = subprocess.run(  # noqa: S603  # our own program, in a process: tools never import services
            [sys.executable, "-m", "audit_service.fsck", *options], env={**os.environ, "DATABASE_URL": url}, check=False
        )
    raise typer.Exit(done.returncode)


def _each(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _archive(place: Home, named: str) -> list[str]:
    folder: Path = place.root / "archive"
    return [named] if named else [folder.as_uri()] if folder.is_dir() else []


def monitor(
    client: Annotated[str, typer.Option("--as", help="whose token to use; an auditor's")] = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show what was checked when, what was found, and what is behind; exit code 1 if something was found or stands
    still."""
    with as_client(Home(home), client) as consumer:
        answer = consumer.send("GET", "/api/audit/monitor")
    if answer.status_code != 200:
        raise CannotStart(f"the log answered {answer.status_code}: {answer.text[:200]}")
    told: dict[str, Any] = answer.json()
    for name, value in rows(told):
        typer.echo(f"{name:<22}{value}")
    late = max(told["lags"]["waiting_s"], told["lags"]["unpublished_s"]) > _LATE_S
    if late:
        typer.echo("nothing is signed: see the audit service's log and its /health/ready")
    raise typer.Exit(1 if told["standing_findings"] or late else 0)


def rows(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The lines of the table: a name and what there is to say."""
    newest, whole, lags = told["newest"], told["whole"], told["lags"]
    lines = [
        ("leaves", f"{told['leaves']}"),
        (
            "newest checked",
            f"{newest['first']} to {newest['end']} at {newest['at']}, {newest['leaves_per_s']} a second",
        ),
        ("all checked", f"{whole['checked_leaves']} at {whole['checked_at']}; now at {whole['position']}"),
        ("waiting", f"{lags['waiting_records']} records, {lags['waiting_s']:g} s"),
        ("not published", f"{lags['unpublished_leaves']} leaves, {lags['unpublished_s']:g} s"),
        ("not searchable", f"{lags['unsearchable_leaves']} leaves, {lags['unsearchable_s']:g} s"),
        ("not witnessed", f"{lags['unwitnessed_leaves']} leaves, since {lags['unwitnessed_since']}"),
        ("findings", f"{told['standing_findings']}, and {told['past_findings']} that have passed"),
    ]
    lines += [("", f"{one['what']}: {one['why']}") for one in told["findings"][:_MOST_LISTED]]
    lines += [("missing numbers", f"{one['gateway']}/{one['epoch']}: {one['first']} to {one['last']}")
              for one in told["gaps"][:_MOST_LISTED]]  # fmt: skip
    return lines


COMMANDS = (fsck, monitor)
