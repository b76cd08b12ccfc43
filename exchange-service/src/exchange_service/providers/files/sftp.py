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
from exchange_service.credentials.model import Basic, Credential, PrivateKey
from exchange_service.providers.files.shelf import PART_BYTES, Found
from relay.egress import Egress
from relay.upstream import Broken
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Interface

CONNECT_S = 3.0
KEY_KINDS = ("ssh-", "ecdsa-", "sk-")


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
        self._connection: Any = None
        self._made_with: Credential | None = None

    async def find(self, name: list[str], left_s: float) -> Found | None:
        try:
            sftp = await (await self._connected(left_s)).start_sftp_client()
        except (OSError, asyncssh.Error) as error:
            raise _refusal_of(error) from None
        try:
            return await self._found(sftp, name)
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            sftp.exit()
            return None
        except asyncssh.SFTPError as error:
            sftp.exit()
            raise _refusal_of(error) from None
        except BaseException:
            sftp.exit()
            raise

    async def _found(self, sftp: Any, name: list[str]) -> Found | None:
        """A regular file that, links followed, lies below the folder."""
        base = await sftp.realpath(self._folder)
        path = await sftp.realpath("/".join([base.rstrip("/"), *name]))
        about = await sftp.stat(path)
        if (
            not path.startswith(base.rstrip("/") + "/")
            or not stat.S_ISREG(about.permissions or 0)
            or about.size is None
        ):
            sftp.exit()
            return None
        modified = float(about.mtime or 0)
        return Found(int(about.size), modified, f'"{int(modified):x}-{about.size:x}"', (sftp, path), sftp.exit)

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
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    # --- the connection
    def _login(self) -> Basic | PrivateKey:
        credential = self._credential()
        if credential is None:
            raise Refusal(codes.CREDENTIAL_MISSING, "an SFTP server has to be logged in to")
        if not isinstance(credential, Basic | PrivateKey):
            raise Refusal(codes.CREDENTIAL_REFUSED, "an SFTP server takes `basic` or `private-key`")
        return credential

    async def _connected(self, left_s: float) -> Any:
        """The kept connection, or a new one where it has ended or the credential is another."""
        async with self._lock:
            login = self._login()
            if self._connection is None or self._connection.is_closed() or self._made_with != login:
                self.close()
                self._connection, self._made_with = await self._connect(login, left_s), login
            return self._connection

    async def _connect(self, login: Basic | PrivateKey, left_s: float) -> Any:
        """To the first checked address that answers; raises Refusal, EgressDenied."""
        try:
            async with asyncio.timeout(min(CONNECT_S, left_s)):
                addresses = await self._egress.resolve(self._host, self._port, self._networks)
                options = _options(login)
                for address in addresses[:-1]:
                    with suppress(OSError):
                        return await asyncssh.connect(address, self._port, **options)
                return await asyncssh.connect(addresses[-1], self._port, **options)
        except (OSError, asyncssh.Error, asyncssh.KeyImportError) as error:  # TimeoutError among them
            raise _refusal_of(error) from None


def _options(login: Basic | PrivateKey) -> dict[str, Any]:
    """Everything that a client could take from elsewhere is said here. Raises asyncssh.KeyImportError."""
    options: dict[str, Any] = {
        "config": None, "agent_path": None, "client_keys": None, "known_hosts": None, "gss_auth": False,
        "gss_kex": False, "host_based_auth": False, "x509_trusted_certs": None, "username": login.user,
        "keepalive_interval": 15, "login_timeout": CONNECT_S, "send_env": None, "proxy_command": None,
    }  # fmt: skip
    if isinstance(login, Basic):
        return {**options, "password": login.password, "public_key_auth": False}
    keys = [asyncssh.import_private_key(login.key)]
    if login.host_key:
        words = login.host_key.split()
        kind = next((n for n, word in enumerate(words) if word.startswith(KEY_KINDS)), 0)
        options["known_hosts"] = ([asyncssh.import_public_key(" ".join(words[kind : kind + 2]))], [], [])
    return {**options, "client_keys": keys, "password_auth": False, "kbdint_auth": False}


def _refusal_of(error: Exception) -> Refusal:
    """What a failure means for the consumer; the server's own words are not repeated."""
    name = type(error).__name__
    if isinstance(error, asyncssh.PermissionDenied | asyncssh.KeyImportError | asyncssh.SFTPPermissionDenied):
        return Refusal(codes.CREDENTIAL_REFUSED, name)
    if isinstance(error, asyncssh.SFTPError) and not isinstance(error, asyncssh.SFTPConnectionLost):
        return Refusal(codes.PROVIDER_BROKEN_ANSWER, name)
    return Refusal(codes.PROVIDER_UNREACHABLE, f"no connection: {name}")
