"""The way to a gateway from anywhere: its address and a key in a file, where the home says nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from runtime.http import Client, HTTPError, sync_client
from tongdao_cli.commands.opening import check_running
from tongdao_cli.doctor.line import check_address, trusted
from tongdao_cli.governed import Consumer
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.key_files import KeyFile, Keyring
from tongdao_cli.keys import Secrets

PATIENCE_S = 30
GatewayOption = Annotated[str, typer.Option(help="address of the gateway; that of the home otherwise")]
KeyOption = Annotated[
    Path | None, typer.Option(help="private key of whoever asks, JWK or PEM; that of the home otherwise")
]
KidOption = Annotated[str, typer.Option(help="name of that key in the register; what the file says otherwise")]
CaOption = Annotated[str, typer.Option(help="PEM file of the authority behind the gateway's certificate")]


class Way:
    """Where the gateway is, and whose keys we have; raises CannotStart for what cannot be a gateway."""

    def __init__(self, home: Path, gateway: str = "", key: Path | None = None, kid: str = "", ca: str = "") -> None:
        self._home = Home(home)
        self._ca = ca
        self.keys: Keyring = KeyFile(key, kid) if key else Secrets(self._home)
        self.gateway = gateway.rstrip("/") or check_running(self._home)
        found, place = check_address(self.gateway)
        if place is None:
            raise CannotStart(f"{found.said.en}; {found.remedy.en if found.remedy else ''}")

    @contextmanager
    def connection(self) -> Iterator[Client]:
        """The gateway, without a token; raises CannotStart where nobody answers."""
        try:
            context = trusted(self._ca)
        except OSError as error:
            raise CannotStart(f"{self._ca} holds no certificates that can be read ({error.strerror})") from None
        with sync_client(self.gateway, timeout_s=PATIENCE_S, tls=context) as client:
            try:
                yield client
            except HTTPError as error:
                raise CannotStart(f"{self.gateway} does not answer ({error}); see `tongdao doctor`") from None

    @contextmanager
    def client(self, name: str) -> Iterator[Consumer]:
        """A client at the gateway, each time with a new token."""
        with self.connection() as connection:
            yield Consumer(connection, self.gateway, self.keys, name)
