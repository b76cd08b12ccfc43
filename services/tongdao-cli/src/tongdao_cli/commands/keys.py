"""`tongdao keys …`: a client's keys, in the hands of its department, and the keys that sign tokens.

From a department's machine: --gateway and --key. Where the installation's home is, both are known.
"""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted
from tongdao_cli.commands.way import CaOption, GatewayOption, KeyOption, KidOption, Way
from tongdao_cli.home import CannotStart
from tongdao_cli.key_files import FORMS, read
from tongdao_cli.keys import OPERATOR, public
from wire.assertions import TokenRefused, fetch_token

keys = typer.Typer(no_args_is_help=True, help="Keys of clients, and those that sign tokens: see, add, rotate, remove.")
ClientArgument = Annotated[str, typer.Argument(metavar="CLIENT", help="id of the client, as in the catalog")]
AsOption = Annotated[str, typer.Option("--as", help="an officer of its department; the client itself otherwise")]
KidArgument = Annotated[str, typer.Argument(metavar="KID", help="the key's name, see `tongdao keys list`")]


@keys.command("list")
def show(
    client: ClientArgument, officer: AsOption = "", gateway: GatewayOption = "", key: KeyOption = None,
    kid: KidOption = "", ca: CaOption = "", home: HomeOption = DEFAULT_HOME,
) -> None:  # fmt: skip
    """The keys of a client: names, thumbprints, until when they are good."""
    with Way(home, gateway, key, kid, ca).client(officer or client) as asking:
        typer.echo(output.body(accepted(asking.send("GET", _address(client)))))


@keys.command()
def add(
    client: ClientArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=f"the public half; {FORMS}")],
    name: Annotated[str, typer.Option(help="its kid; what FILE says, or its thumbprint, otherwise")] = "",
    officer: AsOption = "",
    gateway: GatewayOption = "",
    key: KeyOption = None,
    kid: KidOption = "",
    ca: CaOption = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Register one more key; the others stay good, four at most."""
    body = {"jwk": _public_in(file, name)}
    with Way(home, gateway, key, kid, ca).client(officer or client) as asking:
        typer.echo(output.body(accepted(asking.send("POST", _address(client), body))))


@keys.command()
def remove(
    client: ClientArgument, name: KidArgument, officer: AsOption = "", gateway: GatewayOption = "",
    key: KeyOption = None, kid: KidOption = "", ca: CaOption = "", home: HomeOption = DEFAULT_HOME,
) -> None:  # fmt: skip
    """Take a key away: it counts no more from that moment on."""
    _remove(Way(home, gateway, key, kid, ca), officer or client, client, name)


@keys.command()
def rotate(
    client: ClientArgument,
    remove_old: Annotated[bool, typer.Option("--remove-old", help="take the old key away at the end")] = False,
    gateway: GatewayOption = "",
    key: KeyOption = None,
    kid: KidOption = "",
    ca: CaOption = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Give a client whose key lies here a new one: registered, tried out, then put in the old one's place."""
    way = Way(home, gateway, key, kid, ca)
    old, new = way.keys.key_of(client), way.keys.next_key(client)
    with way.client(client) as asking:
        accepted(asking.send("POST", _address(client), {"jwk": public(new)}))
    _try_out(way, client, new)
    way.keys.take_next(client)
    typer.echo(f"{client} proves who it is with {new['kid']} from now on: {way.keys.file_of(client)}")
    if remove_old:
        _remove(way, client, client, old["kid"])
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
    with Way(home).client(officer) as asking:
        typer.echo(output.body(accepted(asking.send("POST", "/oauth2/keys/rotate", body))))


def _address(client: str) -> str:
    return f"/oauth2/clients/{quote(client, safe='')}/keys"


def _remove(way: Way, asks: str, client: str, kid: str) -> None:
    with way.client(asks) as asking:
        accepted(asking.send("DELETE", f"{_address(client)}/{quote(kid, safe='')}"))
    typer.echo(f"{kid} of {client} counts no more")


def _public_in(file: Path, name: str) -> dict[str, Any]:
    """Raises CannotStart for a file that holds no key, and for a private one: that never leaves its machine."""
    key = read(file, name)
    if "d" in key:
        raise CannotStart(f"{file} holds a private key; register its public half")
    return key


def _try_out(way: Way, client: str, key: dict[str, Any]) -> None:
    """Whether the new key opens the door, before it takes the place of one that does; raises CannotStart."""
    with way.connection() as connection:
        try:
            fetch_token(connection, way.gateway, client, key)
        except TokenRefused as error:
            raise CannotStart(f"the new key of {client} was registered but gives no token: {error}") from None
