"""Stands that hold files: a folder, moto's object store, asyncssh's own SFTP server."""

import asyncio
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import asyncssh
import pytest
from moto.server import ThreadedMotoServer

from conformance.stand import Fact, Stand
from exchange_service.credentials.model import Basic, Credential
from exchange_service.providers.files.provider import FilesProvider
from exchange_service.providers.provider import Provider, Question
from relay.egress import Egress
from wire.catalog import Field, Files, Interface, Operation

READ = Operation(method="GET", path="/{name}", target="")
SIZE = Operation(method="HEAD", path="/{name}", target="")
ALPHABET = b"abcdefghijklmnopqrstuvwxyz"
LARGE = bytes(range(256)) * 4096 + b"the end"
SECRET = b"not of this folder"
KEYS = Basic(user="AKIDEXAMPLE", password="only-for-tests")


def interface(base_url: str, *, endpoint: str = "", digests: bool = True, credential: str = "store") -> Interface:
    return Interface(
        id="gaj-scans", version="v1", provider="gaj", name="扫描件", base_url=base_url, networks=["127.0.0.0/8"],
        operations=[READ, SIZE], fields=[Field(name="*")], format="binary", credential=credential,
        adapter=Files(endpoint=endpoint, digests=digests),
    )  # fmt: skip


def asked(name: str, span: str = "", operation: Operation = READ) -> Question:
    return Question(operation=operation, values={"name": name}, range=span)


def content() -> dict[str, bytes]:
    """Everything in the folder, by name."""
    files = {"alphabet.txt": ALPHABET, "名册.bin": LARGE, "empty": b""}
    digests = {
        f"{name}.sha256": f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode() for name, data in files.items()
    }
    return {**files, **digests}


def stand(made: Interface, at: Callable[[int], Interface] | None, credential: Credential | None, *roots: Path) -> Stand:
    def provider(one: Interface, egress: Egress, by: Callable[[], Credential | None]) -> Provider:
        return FilesProvider(one, egress, by, roots)

    whole = {b"accept-ranges": b"bytes", b"content-type": b"application/octet-stream", b"content-range": None}
    return Stand(
        interface=made, at=at, credential=credential, make=provider, hostile=asked, echo=lambda _: (404, b""),
        facts=[
            Fact(asked("alphabet.txt"), ALPHABET, headers=whole),  # type: ignore[arg-type]  # None: not there
            Fact(asked("名册.bin"), LARGE),
            Fact(asked("empty"), b""),
            Fact(asked("alphabet.txt", "bytes=0-2"), b"abc", 206, {b"content-range": b"bytes 0-2/26"}),
            Fact(asked("alphabet.txt", "bytes=-3"), b"xyz", 206, {b"content-range": b"bytes 23-25/26"}),
            Fact(asked("alphabet.txt", "bytes=20-"), b"uvwxyz", 206, {b"content-range": b"bytes 20-25/26"}),
            Fact(asked("alphabet.txt", "bytes=0-2,4-5"), ALPHABET),
            Fact(asked("alphabet.txt", operation=SIZE), b""),
            Fact(asked("nothing"), b"", 404),
        ],
    )  # fmt: skip


@contextmanager
def local(_request: pytest.FixtureRequest) -> Iterator[Stand]:
    with tempfile.TemporaryDirectory() as home:
        folder = fill(Path(home))
        yield stand(interface(f"file://{folder}", credential=""), None, None, Path(home))


def fill(home: Path) -> Path:
    """A folder with the files, and what must not be had of it."""
    folder = home / "lent"
    folder.mkdir()
    for name, data in content().items():
        (folder / name).write_bytes(data)
    (home / "secret").write_bytes(SECRET)
    (folder / "link").symlink_to(home / "secret")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    return folder


@contextmanager
def s3(_request: pytest.FixtureRequest) -> Iterator[Stand]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    put(port, "city")
    put(port, "city/secret", SECRET)
    for name, data in content().items():
        put(port, f"city/lent/{name}", data)

    def at(there: int) -> Interface:
        return interface("s3://city/lent", endpoint=f"http://127.0.0.1:{there}")

    yield replace(stand(at(port), at, KEYS), connections=4)  # each answer of moto ends its connection
    server.stop()


def put(port: int, path: str, data: bytes = b"") -> None:
    """A bucket, or an object in one: moto asks for no signature."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("PUT", "/" + quote(path), data, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert connection.getresponse().status == 200
    connection.close()


class SshServer(asyncssh.SSHServer):
    """Remembers its connections: a loop that ends has to end them first."""

    connections: ClassVar[list[Any]] = []

    def connection_made(self, conn: Any) -> None:
        self.connections.append(conn)


class _Login(SshServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (KEYS.user, KEYS.password)


@contextmanager
def sftp(_request: pytest.FixtureRequest) -> Iterator[Stand]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    login = Basic(user=KEYS.user, password=KEYS.password, host_key=key.export_public_key().decode().strip())
    with tempfile.TemporaryDirectory() as home, sftp_server(Path(home), server_host_keys=[key]) as port:
        fill(Path(home))

        def at(there: int) -> Interface:
            return interface(f"sftp://127.0.0.1:{there}/lent")

        yield stand(at(port), at, login)


@contextmanager
def sftp_server(home: Path, **options: Any) -> Iterator[int]:
    """asyncssh's own server in a thread, its root at `home`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(20)

    def root(channel: Any) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=str(home).encode())

    options = {"server_host_keys": [asyncssh.generate_private_key("ssh-ed25519")], "server_factory": _Login, **options}

    async def listen() -> Any:
        return await asyncssh.listen("127.0.0.1", 0, sftp_factory=root, **options)

    server = run(listen())
    yield server.get_port()

    async def end() -> None:
        server.close()
        await server.wait_closed()
        for connection in SshServer.connections:
            connection.abort()
            await connection.wait_closed()
        SshServer.connections.clear()
        await asyncio.sleep(0)

    run(end())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
