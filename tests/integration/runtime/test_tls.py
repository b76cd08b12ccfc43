"""TLS for a listener: which versions, whose certificates, and files that change while it runs."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.certificates import HOUR, Authority, Holder
from runtime.env import WRONG_SETTINGS
from runtime.server import _context
from runtime.tls import Renewal, TlsFiles

pytestmark = pytest.mark.requirement("FRO-01")
HOST = "127.0.0.1"
ENCRYPTED = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
)


class Said(NamedTuple):
    """What a client learned."""

    word: bytes
    version: str
    cipher: str
    certificate: bytes


class Listener:
    """A server that says hello to whoever comes through, and the files that it was made of."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        server = self.authority.server_file("gateway.example")
        (folder / "ca.pem").write_text(self.authority.pem)
        (folder / "crl.pem").write_bytes(self.authority.revoked())
        self.files = TlsFiles(server, server, folder / "ca.pem", folder / "crl.pem")
        self.context = self.files.context()
        self.port = 0

    async def hello(self, holder: Holder | None = None, version: str = "TLSv1_3") -> Said:
        """What the server says of the line; raises ssl.SSLError or ConnectionError where it does not get that far."""
        trust = self.authority.trusting()
        trust.minimum_version = trust.maximum_version = ssl.TLSVersion[version]
        if holder is not None:
            trust.load_cert_chain(holder.file)
        reader, writer = await asyncio.open_connection(HOST, self.port, ssl=trust, server_hostname=HOST)
        try:
            word = await reader.readexactly(5)
            line: ssl.SSLObject = writer.get_extra_info("ssl_object")
            certificate = line.getpeercert(binary_form=True) or b""
            return Said(word, line.version() or "", (line.cipher() or ("",))[0], certificate)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError from None
        finally:
            writer.transport.abort()


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Listener]:
    it = Listener(folder)

    async def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, HOST, 0, ssl=it.context)
    it.port = server.sockets[0].getsockname()[1]
    async with server:
        yield it


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
async def test_both_versions_with_ciphers_that_keep_the_past_secret(tmp_path: Path, version: str) -> None:
    async with listening(tmp_path) as it:
        said = await it.hello(it.authority.client("holder"), version)
        assert (said.word, said.version) == (b"hello", version.replace("_", "."))
        assert said.cipher.startswith(("ECDHE-", "TLS_"))
        assert (await it.hello(None, version)).word == b"hello"


@pytest.mark.anyio
@pytest.mark.requirement("FRO-02")
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
async def test_files_that_change_are_taken_in_without_a_restart(tmp_path: Path, version: str) -> None:
    async with listening(tmp_path) as it:
        renewal = Renewal(it.files, it.context)
        holder, other = it.authority.client("holder"), it.authority.client("other")
        old = await it.hello(holder, version)
        it.authority.server_file("gateway.example")
        (tmp_path / "crl.pem").write_bytes(it.authority.revoked(holder, lasts=2 * HOUR))
        os.utime(tmp_path / "crl.pem", (2e9, 2e9))
        await renewal.tick()
        assert (await it.hello(other, version)).certificate != old.certificate
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await it.hello(holder, version)


@pytest.mark.anyio
@pytest.mark.requirement("FRO-02")
@pytest.mark.parametrize("age", [10, 0], ids=["older than the certificate", "written in the same instant"])
async def test_a_list_that_is_put_in_its_place_counts_however_old_it_is(tmp_path: Path, age: int) -> None:
    async with listening(tmp_path) as it:
        holder, now = it.authority.client("holder"), time.time_ns()
        for file in ("crl.pem", it.files.certificate):
            os.utime(tmp_path / file, ns=(now, now))
        renewal = Renewal(it.files, it.context)
        assert (await it.hello(holder)).word == b"hello"
        made, then = tmp_path / "made.pem", now - age * 10**9
        made.write_bytes(it.authority.revoked(holder, lasts=2 * HOUR))
        os.utime(made, ns=(then, then))
        made.replace(tmp_path / "crl.pem")
        await renewal.tick()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await it.hello(holder)


@pytest.mark.anyio
async def test_a_file_that_is_half_written_changes_nothing_and_is_read_again(tmp_path: Path) -> None:
    async with listening(tmp_path) as it:
        renewal = Renewal(it.files, it.context)
        whole = it.files.certificate.read_bytes()
        it.files.certificate.write_bytes(whole[:300])
        os.utime(it.files.certificate, (2e9, 2e9))
        for _ in range(2):
            with pytest.raises(ssl.SSLError):
                await renewal.tick()
        assert (await it.hello()).word == b"hello"
        it.files.certificate.write_bytes(whole)
        await renewal.tick()
        assert (await it.hello()).word == b"hello"


@pytest.mark.anyio
@pytest.mark.requirement("FRO-02")
async def test_with_a_list_that_has_run_out_no_certificate_is_taken(tmp_path: Path) -> None:
    async with listening(tmp_path) as it:
        (tmp_path / "crl.pem").write_bytes(it.authority.revoked(lasts=-HOUR))
        it.context = it.files.context()
        server = await asyncio.start_server(lambda _, writer: writer.write(b"hello"), HOST, 0, ssl=it.context)
        async with server:
            it.port = server.sockets[0].getsockname()[1]
            assert (await it.hello()).word == b"hello"
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await it.hello(it.authority.client("holder"))


@pytest.mark.parametrize("what", ["no certificate", "no key", "no authority", "no list", "a key that is encrypted"])
def test_files_that_cannot_be_used_are_told_before_anything_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    it = Listener(tmp_path)
    nothing = tmp_path / "nothing.pem"
    nothing.write_bytes(b"")
    if what == "a key that is encrypted":
        nothing.write_bytes(ENCRYPTED)
    names = {"no certificate": "certificate", "no authority": "client_ca", "no list": "client_crls"}
    files = it.files._replace(**{names.get(what, "key"): nothing})
    with pytest.raises(SystemExit) as stopped:
        _context(files)
    assert stopped.value.code == WRONG_SETTINGS
    assert "tls_" in capsys.readouterr().err
