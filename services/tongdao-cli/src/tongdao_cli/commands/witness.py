"""`tongdao witness`: a department watches somebody else's log and cosigns what only grows."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from runtime.http import HTTPError, sync_client
from tlog.checkpoint import parse_vkey
from tlog.proofs import ProofError
from tongdao_cli import child
from tongdao_cli.home import DEFAULT, CannotStart, port_trouble, write_private
from tongdao_cli.services import Service, environment

WITNESS = Service("witness", "witness", "TONGDAO_WITNESS_")
START_S = 30.0
POLL_S = 0.05


def witness(
    log: Annotated[list[str], typer.Option(help="key of a log (name+id+base64), from a source you trust; repeatable")],
    name: Annotated[str, typer.Option(help="name of the witness, such as rsj.example/witness; kept from then on")] = "",
    home: Annotated[Path, typer.Option(help="folder with the key and what was cosigned")] = DEFAULT / "witness",
    host: Annotated[str, typer.Option(help="address to listen on; the log has to reach it")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="port to listen on")] = 8095,
) -> None:
    """Cosign the checkpoints of a log as long as it only grows; runs until Ctrl-C and goes on where it was."""
    told = _settings(log, name, home.absolute(), host, port)
    if trouble := port_trouble(port):
        raise CannotStart(trouble)
    for stopping in (signal.SIGINT, signal.SIGTERM):  # also where whoever started us ignores them
        signal.signal(stopping, signal.default_int_handler)
    process = subprocess.Popen(  # noqa: S603  # our own program, in a process: tools never import services
        child.command([sys.executable, "-m", "witness.app"]), env=environment(WITNESS, told)
    )
    try:
        vkeys = _public_keys(process, host, port)
        typer.echo(_words(str(told["name"]), vkeys, host, port))
        code = process.wait()
    except KeyboardInterrupt:
        code = 0
    finally:
        process.terminate()
        process.wait()
    if code:
        raise typer.Exit(1)
    typer.echo("stopped")


def _settings(vkeys: Sequence[str], name: str, home: Path, host: str, port: int) -> dict[str, str | Path]:
    return {
        "name": _name(name, home), "key_file": home / "witness.pem", "folder": home / "cosigned",
        "logs": json.dumps(_logs(vkeys), ensure_ascii=False), "host": host, "port": str(port),
    }  # fmt: skip


def _logs(vkeys: Sequence[str]) -> list[dict[str, object]]:
    """One entry a log: its key has its name, and two keys of one name are those of one log that changes its key."""
    logs: dict[str, list[str]] = {}
    for vkey in vkeys:
        try:
            logs.setdefault(parse_vkey(vkey).name, []).append(vkey)
        except ProofError as error:
            raise CannotStart(f"--log {vkey!r} is not the key of a log ({error}); ask its operator for it") from None
    return [{"origin": origin, "vkeys": known} for origin, known in logs.items()]


def _name(wanted: str, home: Path) -> str:
    """The name of the first start: it is a part of the key."""
    kept = home / "name.json"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = json.loads(kept.read_text()) if kept.exists() else ""
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot use {home} ({error}); choose another with --home") from None
    if before and wanted not in ("", before):
        raise CannotStart(f"the witness in {home} is called {before}; choose another --home for another one")
    name = str(before or wanted or f"{socket.gethostname()}/witness")
    if not before:
        write_private(kept, name)
    return name


def _public_keys(process: "subprocess.Popen[bytes]", host: str, port: int) -> list[str]:
    """What the witness says its keys are, once it runs. Raises CannotStart; it has said why."""
    deadline = time.monotonic() + START_S
    with sync_client(_url(host, port)) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                return str(client.get("/key").text).split()
            except HTTPError:
                time.sleep(POLL_S)
    raise CannotStart("the witness did not start; see above")


def _url(host: str, port: int) -> str:
    """Where it is found from here."""
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104  # compared, not bound to


def _words(name: str, vkeys: Sequence[str], host: str, port: int) -> str:
    url = _url(host, port)
    entry = json.dumps([{"url": url, "vkey": vkeys[0]}], ensure_ascii=False)
    return (
        f"{name} runs at {url}\n"
        f"key: {' '.join(vkeys)}\n"
        "Tell the log's operator where the log reaches you and, by another way, the key; for the setting\n"
        f"  TONGDAO_AUDIT_WITNESSES='{entry}'\n"
        "Keep the folder: a witness that forgets what it cosigned is none. Ctrl-C stops it."
    )


COMMANDS = (witness,)
