"""`tongdao demo`: the self-contained proof, in a temporary home that is gone afterwards."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tongdao_cli import output
from tongdao_cli.home import Home
from tongdao_cli.story import SHOWN_SYSTEM, Shown

JsonOption = Annotated[bool, typer.Option("--json", help="print the last line alone")]


def demo(only_json: JsonOption = False) -> None:
    """Start everything on free ports, make one governed call, verify its receipt, stop; the last line is JSON."""
    from tongdao_cli.postgres import Postgres
    from tongdao_cli.up import run  # SQLAlchemy and Alembic take a second that other commands need not wait for

    console = Console(quiet=only_json)
    folder = Path(tempfile.mkdtemp(prefix="tongdao-demo-"))
    folder.chmod(0o755)  # so that root's PostgreSQL, which runs as somebody else, can stay inside
    home = Home(folder)
    try:
        call, ready_s = run(_demo(home, console))
    finally:
        if home.postgres.exists():
            Postgres(home.postgres).forget()
        shutil.rmtree(folder)
    typer.echo(call.as_line(ready_s))
    raise typer.Exit(0 if call.is_good else 1)


async def _demo(home: Home, console: Console) -> tuple[Shown, float]:
    from tongdao_cli import story
    from tongdao_cli.up import running

    began = time.monotonic()
    async with running(home, 0, lambda text: console.print(f"{time.monotonic() - began:5.1f} s  {text}")) as there:
        await there.beside(asyncio.to_thread(story.register, there.plan))
        ready_s = time.monotonic() - began
        console.print(f"{ready_s:5.1f} s  demo city registered")
        call = await there.beside(asyncio.to_thread(story.show, there.plan))
        output.shown(console, call, SHOWN_SYSTEM)
    return call, ready_s
