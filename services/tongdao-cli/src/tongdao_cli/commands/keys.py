"""`tongdao keys …`: a client's keys, in the hands of its department, and the keys that sign tokens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from runtime.http import Response, sync_client
from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client, check_running
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import OPERATOR, Secrets, public, read_key
from wire.assertions import TokenRefused, fetch_token

keys = typer.Typer(no_args_is_help=True, help="Keys of clients, and those that sign tokens: see, add, rotate, remove.")
ClientArgument = Annotated[str, typer.Argument(metavar="CLIENT", help="id of the client, as in the catalog")]
AsOption = Annotated[str, typer.Option("--as", help="an officer of its department; the client itself otherwise")]
KidArgument = Annotated[str, typer.Argument(metavar="KID", help="the key's name, see `tongdao keys list`")]


@keys.command("list")
def show(client: ClientArgument, officer: AsOption = "", home: HomeOption = DEFAULT_HOME) -> None:
    """The keys of a client: names, thumbprints, until when they are good."""
    typer.echo(output.body(accepted(_ask(home, officer or client, "GET", _address(client)))))


@keys.command()
def add(
    client: ClientArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a public EC P-256 key as a JWK with a kid")],
    officer: AsOption = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Register one more key; the others stay good, four at most."""
    answer = _ask(home, officer or client, "POST", _address(client), {"jwk": _public_in(file)})
    typer.echo(output.body(accepted(answer)))


@keys.command()
def remove(client: ClientArgument, kid: KidArgument, officer: AsOption = "", home: HomeOption = DEFAULT_HOME) -> None:
    """Take a key away: it counts no more from that moment on."""
    accepted(_ask(home, officer or client, "DELETE", f"{_address(client)}/{quote(kid, safe='')}"))
    typer.echo(f"{kid} of {client} counts no more")


@keys.command()
def rotate(
    client: ClientArgument,
    remove_old: Annotated[bool, typer.Option("--remove-old", help="take the old key away at the end")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Give a client whose key lies in this home a new one: registered, tried out, then put in the old one's place."""
    there = Home(home)
    gateway, secrets = check_running(there), Secrets(there)
    old, new = secrets.key_of(client), secrets.next_key(client)
    accepted(_ask(home, client, "POST", _address(client), {"jwk": public(new)}))
    _try_out(gateway, client, new)
    secrets.take_next(client)
    typer.echo(f"{client} proves who it is with {new['kid']} from now on: {secrets.file_of(client)}")
    if remove_old:
        remove(client, old["kid"], "", home)
    else:
        typer.echo(f"the old one is good as well; in the end: tongdao keys remove {client} {old['kid']}")


@keys.command("rotate-signing")
def rotate_signing(
    reason: Annotated[str, typer.Option(help="why; it stands in the log")],
    at_once: Annotated[bool, typer.Option("--at-once", help="somebody may have the key: drop and revoke it")] = False,
    officer: Annotated[str, typer.Option("--as", help="a client with the scope key:rotate")] = OPERATOR,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Give identity a new key to sign tokens with. Planned: it is published first and signs later."""
    body = {"at_once": at_once, "reason": reason}
    typer.echo(output.body(accepted(_ask(home, officer, "POST", "/oauth2/keys/rotate", body))))


def _address(client: str) -> str:
    return f"/oauth2/clients/{quote(client, safe='')}/keys"


def _ask(home: Path, client: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Response:
    with as_client(Home(home), client) as consumer:
        return consumer.send(method, path, body)


def _public_in(file: Path) -> dict[str, Any]:
    """Raises CannotStart for a file that holds no key, and for a private one: that never leaves its machine."""
    try:
        key = read_key(file)
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot read a JWK from {file} ({type(error).__name__})") from None
    if "d" in key:
        raise CannotStart(f"{file} holds a private key; register its public half: {_FORM}")
    return key


_FORM = '{"kty": "EC", "crv": "P-256", "x": "…", "y": "…", "kid": "…"}'


def _try_out(gateway: str, client: str, key: dict[str, Any]) -> None:
    with sync_client(gateway, timeout_s=30) as connection:
        try:
            fetch_token(connection, gateway, client, key)
        except TokenRefused as error:
            raise CannotStart(f"the new key of {client} was registered but gives no token: {error}") from None
