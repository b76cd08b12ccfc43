"""What several commands share: where the home is, and its gateway as seen by one of its clients."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from runtime.http import HTTPError, Response, sync_client
from tongdao_cli import output
from tongdao_cli.governed import Consumer
from tongdao_cli.home import DEFAULT, CannotStart, Home
from tongdao_cli.keys import Secrets

HomeOption = Annotated[Path, typer.Option("--home", envvar="TONGDAO_HOME", help="folder with everything that is kept")]
DatabaseOption = Annotated[
    str, typer.Option(envvar="DATABASE_URL", help="the home's own database otherwise; a role that may make schemas")
]
DEFAULT_HOME = DEFAULT


def check_running(home: Home) -> str:
    """Address of the running gateway; raises CannotStart if there is none."""
    gateway = str(home.running().get("gateway", ""))
    if not gateway:
        raise CannotStart(
            f"nothing runs in {home.root}; start it with `tongdao up --home {home.root}`, "
            "or name the home of what runs with --home or TONGDAO_HOME"
        )
    return gateway


def check_folder(file: Path) -> None:
    """Raise CannotStart before anything is asked for that could not be written."""
    if not os.access(file.parent, os.W_OK):
        raise CannotStart(f"cannot write to the folder {file.parent}; choose another")


def accepted(answer: Response) -> Response:
    """An answer that says yes; a refusal is told like that of a call, and ends the command with 1."""
    if not answer.is_success:
        refused(answer)
    return answer


def refused(answer: Response) -> NoReturn:
    """Tell what was answered, and end the command with 1."""
    output.response(Console(stderr=True), answer)
    raise typer.Exit(1)


@contextmanager
def as_client(home: Home, name: str) -> Iterator[Consumer]:
    """A client of the running gateway; raises CannotStart if there is none."""
    gateway = check_running(home)
    with sync_client(gateway, timeout_s=70) as client:
        try:
            yield Consumer(client, gateway, Secrets(home), name)
        except HTTPError as error:
            raise CannotStart(f"{gateway} does not answer ({error}); look into {home.logs}") from None
