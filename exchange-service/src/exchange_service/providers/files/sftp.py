"""Files at an SFTP server, over one kept connection. Nothing of a user's SSH configuration is read."""

import asyncio
import ipaddress
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncssh

from exchange_service.contract.model import BadContract
from exchange_service.credentials.check import public_key_in
from exchange_service.credentials.model import Basic, Credential, PrivateKey
from exchange_service.providers.files.shelf import PART_BYTES, Found
from relay.egress import Egress
from relay.upstream import Broken
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Interface

CONNECT_S = 3.0


class Line:
    """One connection, with what it was made. After a change of the credential it ends with its last download."""

    def __init__(self, connection: Any, login: Basic | PrivateKey) -> None:
        self.connection = connection
        self.login = login
        self.users = 0
        self._is_retired = False

    def left(self) -> None:
        """One of those who use it no longer does."""
        self.users -= 1
        self._end()

    def retire(self) -> None:
        """Nobody new uses it."""
        self._is_retired = True
        self._end()

    def _end(self) -> None:
        if self._is_retired and self.users <= 0:
            self.connection.abort()


class SftpShelf:
    """One folder of one server."""

    def __init__(self, interface: Interface, egress: Egress, credential: Callable[[], Credential | None]) -> None:
        """Raises BadContract."""
        place = urlsplit(interface.base_url)
        try:
            self._port = place.port or 22
        except ValueError:
            raise BadContract("base_url: not a valid address") from None
        self._folder = unquote(place.path).rstrip("/") or "/"
        if not place.hostname or "@" in place.netloc or ".." in self._folder.split("/") or "\x00" in self._folder:
            raise BadContract("base_url: sftp://host[:port]/folder")
        self._host = place.hostname
        self._networks = [ipaddress.ip_network(network) for network in interface.networks]
        self._egress = egress
        self._credential = credential
        self._lock = asyncio.Lock()
        self._line: Line | None = None

    async def find(self, name: list[str], left_s: float) -> Found | None:
        line = await self._connected(left_s)
        line.users += 1
        try:
            sftp = await line.connection.start_sftp_client()
        except (OSError, asyncssh.Error) as error:
            line.left()
            raise _refusal_of(error) from None
        except BaseException:
            line.left()
            raise
        is_open = [sftp]

        def close() -> None:
            while is_open:
                is_open.pop().exit()
                line.left()

        found: Found | None = None
        try:
            found = await self._found(sftp, name, close)
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return None
        except asyncssh.SFTPError as error:
            raise _refusal_of(error) from None
        finally:
            if found is None:
                close()
        return found

    async def _found(self, sftp: Any, name: list[str], close: Callable[[], None]) -> Found | None:
        """A regular file that, links followed, lies below the folder."""
        base = await sftp.realpath(self._folder)
        path = await sftp.realpath("/".join([base.rstrip("/"), *name]))
        about = await sftp.stat(path)
        if (
            not path.startswith(base.rstrip("/") + "/")
            or not stat.S_ISREG(about.permissions or 0)
            or about.size is None
        ):
            return None
        modified = float(about.mtime or 0)
        return Found(int(about.size), modified, f'"{int(modified):x}-{about.size:x}"', (sftp, path), close)

    async def parts(self, found: Found, first: int, length: int) -> AsyncIterator[bytes]:
        sftp, path = found.handle
        last = first + length
        try:
            async with sftp.open(path, "rb") as file:
                while first < last:
                    part = await file.read(min(PART_BYTES, last - first), first)
                    if not part:
                        return
                    first += len(part)
                    yield part
        except asyncssh.Error as error:
            raise Broken(f"the file broke off: {type(error).__name__}", sent=True) from None

    async def probe(self, left_s: float) -> None:
        """A login of its own, and its end."""
        connection = await self._connect(self._login(), left_s)
        connection.close()
        await connection.wait_closed()

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.connection.abort()

    # --- the connection
    def _login(self) -> Basic | PrivateKey:
        credential = self._credential()
        if credential is None:
            raise Refusal(codes.CREDENTIAL_MISSING, "an SFTP server has to be logged in to")
        if not isinstance(credential, Basic | PrivateKey):
            raise Refusal(codes.CREDENTIAL_REFUSED, "an SFTP server takes `basic` or `private-key`")
        return credential

    async def _connected(self, left_s: float) -> "Line":
        """The kept connection, or a new one where it has ended or the credential is another."""
        async with self._lock:
            login = self._login()
            if self._line is None or self._line.connection.is_closed() or self._line.login != login:
                old, self._line = self._line, None
                if old is not None:
                    old.retire()
                self._line = Line(await self._connect(login, left_s), login)
            return self._line

    async def _connect(self, login: Basic | PrivateKey, left_s: float) -> Any:
        """To the first checked address that answers; raises Refusal, EgressDenied."""
        try:
            async with asyncio.timeout(min(CONNECT_S, left_s)):
                addresses = await self._egress.resolve(self._host, self._port, self._networks)
                if not login.host_key and not self._egress.allow_loopback:
                    raise Refusal(
                        codes.CREDENTIAL_MISSING, "`host_key`: the server has to show that it is the right one"
                    )
                options = _options(login)
                for address in addresses[:-1]:
                    with suppress(OSError):
                        return await asyncssh.connect(address, self._port, **options)
                return await asyncssh.connect(addresses[-1], self._port, **options)
        except (OSError, ValueError, asyncssh.Error) as error:  # TimeoutError and KeyImportError among them
            raise _refusal_of(error) from None


def _options(login: Basic | PrivateKey) -> dict[str, Any]:
    """Everything that a client could take from elsewhere is said here. Raises asyncssh.KeyImportError.

    Without a host key any server is taken, which `_connect` allows where loopback addresses are allowed: on a
    developer's own machine.
    """
    options: dict[str, Any] = {
        "config": None, "agent_path": None, "client_keys": None, "known_hosts": None, "gss_auth": False,
        "gss_kex": False, "host_based_auth": False, "x509_trusted_certs": None, "username": login.user,
        "keepalive_interval": 15, "login_timeout": CONNECT_S, "send_env": None, "proxy_command": None,
    }  # fmt: skip
    if login.host_key:
        options["known_hosts"] = ([asyncssh.import_public_key(public_key_in(login.host_key))], [], [])
    if isinstance(login, Basic):
        return {**options, "password": login.password, "public_key_auth": False}
    keys = [asyncssh.import_private_key(login.key)]
    return {**options, "client_keys": keys, "password_auth": False, "kbdint_auth": False}


def _refusal_of(error: Exception) -> Refusal:
    """What a failure means for the consumer; the server's own words are not repeated."""
    name = type(error).__name__
    if isinstance(error, asyncssh.PermissionDenied | ValueError | asyncssh.SFTPPermissionDenied):
        return Refusal(codes.CREDENTIAL_REFUSED, name)
    if isinstance(error, asyncssh.SFTPError) and not isinstance(error, asyncssh.SFTPConnectionLost):
        return Refusal(codes.PROVIDER_BROKEN_ANSWER, name)
    return Refusal(codes.PROVIDER_UNREACHABLE, f"no connection: {name}")
