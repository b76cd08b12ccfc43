"""`tongdao up`: everything runs until Ctrl-C."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption
from tongdao_cli.home import Home, write_private

PortOption = Annotated[int, typer.Option(min=1, max=65535, envvar="TONGDAO_PORT", help="port of the gateway")]
ReadyFileOption = Annotated[Path | None, typer.Option(help="JSON file that is written when everything is ready")]


OriginOption = Annotated[
    str, typer.Option(help="name of the log, kept from then on; another one begins a new shard ({year}: one a year)")
]


def up(
    home: HomeOption = DEFAULT_HOME,
    port: PortOption = 8080,
    ready_file: ReadyFileOption = None,
    origin: OriginOption = "",
) -> None:
    """Start the whole platform, show one governed call, and keep it running until Ctrl-C."""
    from tongdao_cli.up import run  # SQLAlchemy and Alembic take a second that other commands need not wait for

    console = Console()
    if ready_file and not Home(home).running():
        ready_file.unlink(missing_ok=True)  # of a start that was killed
    try:
        run(_up(Home(home), port, ready_file, origin, console))
    except asyncio.CancelledError:
        console.print("stopped")


async def _up(home: Home, port: int, ready_file: Path | None, origin: str, console: Console) -> None:
    from tongdao_cli import story
    from tongdao_cli.people import first_link
    from tongdao_cli.up import running

    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {text}")

    async with running(home, port, say, origin) as there:
        plan = there.plan
        is_new = await there.beside(asyncio.to_thread(story.register, plan))
        console.print(f"{time.monotonic() - began:5.1f} s  demo city {'registered' if is_new else 'is there'}")
        output.shown(console, await there.beside(asyncio.to_thread(story.show, plan)), story.SHOWN_SYSTEM)
        output.addresses(console, plan, there.supervisor.pids)
        if link := await there.beside(asyncio.to_thread(first_link, plan)):
            console.print(
                "\nFor a security administrator, as none is active; good once, for seven days (also in secrets/):"
            )
            console.print(link, soft_wrap=True, highlight=False, markup=False)
        example = f"{sys.argv[0]} call scjgj-enterprise-base --path /91990100700100010D --home {home.root}"
        console.print(f"\nTry: {example}", soft_wrap=True, highlight=False, markup=False)
        console.print("Ctrl-C stops everything and keeps the data.")
        there.announce()
        try:
            if ready_file:
                write_private(ready_file, {**there.facts(), "ready_s": round(time.monotonic() - began, 2)})
            await there.supervisor.watch()
        finally:
            if ready_file:
                ready_file.unlink(missing_ok=True)
