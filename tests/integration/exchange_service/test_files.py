"""Files: nothing outside the folder, nothing whole in memory, no wrong digest that arrives."""

import asyncio
import hashlib
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from conformance.stands.files import ALPHABET, KEYS, SECRET, SIZE, SshServer, asked, fill, interface, sftp_server
from exchange_service.contract.model import BadContract
from exchange_service.credentials.model import Basic, Credential, PrivateKey
from exchange_service.providers.files.provider import HELD_BYTES, FilesProvider
from exchange_service.providers.files.sftp import SftpShelf
from exchange_service.providers.files.shelf import PART_BYTES
from exchange_service.providers.provider import Answer
from harness.certificates import Authority
from harness.origin import Line, origin, says
from relay.call import BodyTooLarge
from relay.egress import Egress
from relay.upstream import Broken, UpstreamFault
from runtime.errors import Code, Refusal
from wire import codes
from wire.catalog import Interface

pytestmark = pytest.mark.anyio
HOME = Egress(True, frozenset())


def local(folder: Path, *roots: Path, digests: bool = False) -> FilesProvider:
    made = interface(f"file://{folder}", digests=digests, credential="")
    return FilesProvider(made, HOME, lambda: None, roots or (folder.parent,))


def remote(made: Interface, credential: Credential | None = KEYS) -> FilesProvider:
    return FilesProvider(made, HOME, lambda: credential)


async def everything(answer: Answer) -> bytes:
    content = b""
    while chunk := await answer.body.chunk():
        content += chunk
    return content


async def refused(one: FilesProvider, name: str = "alphabet.txt") -> Code:
    with closing(one), pytest.raises(Refusal) as refusal:
        await one.ask(asked(name), 5)
    return refusal.value.code


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize("name", ["link", "pipe", "folder", "folder/x", "linked/alphabet.txt"])
async def test_only_regular_files_below_the_folder_are_lent(tmp_path: Path, name: str) -> None:
    """Links are not followed, wherever they stand in a name; a pipe would hang."""
    folder = fill(tmp_path)
    (folder / "linked").symlink_to(folder)
    with closing(local(folder)) as one:
        try:
            answer = await one.ask(asked(name), 5)
        except Refusal as refusal:
            assert refusal.code in (codes.NOT_MATCHING_SCHEMA, codes.PROVIDER_BROKEN_ANSWER)  # noqa: PT017
        else:
            assert answer.status == 404
            assert await everything(answer) != SECRET


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize("place", ["/etc", "/", "{home}/../etc", "{home}2", "relative"])
def test_a_folder_that_the_exchange_does_not_lend_cannot_be_registered(tmp_path: Path, place: str) -> None:
    with pytest.raises(BadContract):
        local(Path(place.format(home=tmp_path)), tmp_path)
    with pytest.raises(BadContract, match="file_roots"):
        FilesProvider(interface(f"file://{tmp_path}"), HOME, lambda: None)


@pytest.mark.requirement("ADP-09")
async def test_a_folder_behind_a_link_is_not_lent(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "way").symlink_to(tmp_path / "lent")
    assert await refused(local(tmp_path / "way", tmp_path)) is codes.PROVIDER_UNREACHABLE


@pytest.mark.requirement("ADP-09")
async def test_a_file_is_read_as_it_is_taken(tmp_path: Path) -> None:
    """A terabyte that takes no room on the disk: a part of it comes at once, and so does its end."""
    folder = fill(tmp_path)
    with (folder / "terabyte").open("wb") as file:
        file.truncate(2**40)
    with closing(local(folder)) as one:
        answer = await one.ask(asked("terabyte"), 5)
        assert answer.body.announced == 2**40
        assert await answer.body.chunk() == bytes(PART_BYTES)
        with pytest.raises(BodyTooLarge):
            await answer.body.read(10**6)
        assert await answer.body.chunk() == b""
        last = await one.ask(asked("terabyte", "bytes=-3"), 5)
        assert last.headers[b"content-range"] == b"bytes %d-%d/%d" % (2**40 - 3, 2**40 - 1, 2**40)
        assert await everything(last) == bytes(3)


@pytest.mark.requirement("ADP-09")
async def test_what_is_given_up_is_closed(tmp_path: Path) -> None:
    folder = fill(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    with closing(local(folder)) as one:
        answers = [await one.ask(asked("名册.bin"), 5) for _ in range(5)]
        assert await answers[0].body.chunk()
        for answer in answers:
            answer.discard()
            assert await answer.body.chunk() == b""
        head = await one.ask(asked("名册.bin", operation=SIZE), 5)
        assert head.body.announced == (folder / "名册.bin").stat().st_size
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.requirement("ADP-09")
async def test_a_range_outside_the_file(tmp_path: Path) -> None:
    with closing(local(fill(tmp_path))) as one, pytest.raises(Refusal) as refusal:
        await one.ask(asked("alphabet.txt", "bytes=26-"), 5)
    assert (refusal.value.code, refusal.value.facts) == (codes.RANGE_NOT_SATISFIABLE, {"size": 26})


@pytest.mark.requirement("ADP-09")
async def test_a_file_that_shrinks_meanwhile_breaks_off(tmp_path: Path) -> None:
    folder = fill(tmp_path)
    with closing(local(folder)) as one:
        answer = await one.ask(asked("名册.bin"), 5)
        os.truncate(folder / "名册.bin", 10)
        with pytest.raises(Broken, match="size"):
            await everything(answer)


# --- digests
@pytest.mark.requirement("ADP-10")
@pytest.mark.parametrize("size", [0, 1, PART_BYTES, HELD_BYTES])
async def test_a_wrong_digest_of_a_small_file_is_told(tmp_path: Path, size: int) -> None:
    folder = fill(tmp_path)
    (folder / "a").write_bytes(bytes(size))
    (folder / "a.sha256").write_text(hashlib.sha256(b"other").hexdigest())
    with closing(local(folder, digests=True)) as one:
        with pytest.raises(Refusal, match="does not have the digest beside it") as refusal:
            await one.ask(asked("a"), 5)
        assert refusal.value.code is codes.PROVIDER_BROKEN_ANSWER
        (folder / "a.sha256").write_text(hashlib.sha256(bytes(size)).hexdigest())
        answer = await one.ask(asked("a"), 5)
        assert answer.body.announced == size
        assert await everything(answer) == bytes(size)


@pytest.mark.requirement("ADP-10")
@pytest.mark.parametrize("size", [HELD_BYTES + 1, HELD_BYTES + 3 * PART_BYTES])
async def test_a_wrong_digest_never_lets_the_last_part_go(tmp_path: Path, size: int) -> None:
    folder = fill(tmp_path)
    (folder / "a").write_bytes(bytes(size))
    (folder / "a.sha256").write_text(hashlib.sha256(b"other").hexdigest())
    with closing(local(folder, digests=True)) as one:
        answer = await one.ask(asked("a"), 5)
        arrived = 0
        with pytest.raises(UpstreamFault, match="digest"):  # noqa: PT012  # how much came before counts
            while chunk := await answer.body.chunk():
                arrived += len(chunk)
        assert arrived < size
        assert await answer.body.chunk() == b""
        part = await one.ask(asked("a", "bytes=0-0"), 5)
        assert await everything(part) == b"\x00"  # a range has no digest to be held against


@pytest.mark.requirement("ADP-10")
@pytest.mark.parametrize("beside", [None, "", "no digest", "0" * 63, "0" * 65, "g" * 64, "0" * 64 + "x" * 2000])
async def test_without_a_digest_nothing_comes(tmp_path: Path, beside: str | None) -> None:
    folder = fill(tmp_path)
    (folder / "a").write_bytes(b"a")
    if beside is not None:
        (folder / "a.sha256").write_text(beside)
    assert await refused(local(folder, digests=True), "a") is codes.PROVIDER_BROKEN_ANSWER


# --- S3
def store(port: int) -> Interface:
    return interface("s3://city/lent", endpoint=f"http://127.0.0.1:{port}", digests=False)


HEAD = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\n'


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", codes.CREDENTIAL_REFUSED, id="403"),
        pytest.param(
            b"HTTP/1.1 301 X\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            codes.PROVIDER_BROKEN_ANSWER, id="301",
        ),
        pytest.param(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", codes.PROVIDER_BROKEN_ANSWER, id="500"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", codes.PROVIDER_BROKEN_ANSWER, id="no-size"),
    ],
)  # fmt: skip
async def test_what_a_store_says_instead_of_a_size(answer: bytes, code: Code) -> None:
    async with origin(says(answer, then_close=True)) as it:
        assert await refused(remote(store(it.port)), "a") is code


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 412 Changed\r\nContent-Length: 0\r\n\r\n", id="changed-meanwhile"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", id="more"),
        pytest.param(b"HTTP/1.1 206 Part\r\nContent-Length: 3\r\n\r\n123", id="less"),
        pytest.param(b"HTTP/1.1 206 Part\r\nContent-Length: 5\r\n\r\n123", id="cut"),
        pytest.param(b"HTTP/1.1 206 Part\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n12345", id="coded"),
        pytest.param(
            b"HTTP/1.1 206 Part\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n1234567\r\n0\r\n\r\n",
            id="more-in-chunks",
        ),
    ],
)  # fmt: skip
async def test_another_version_than_the_one_that_was_found_breaks_off(answer: bytes) -> None:
    async def script(line: Line) -> None:
        head, _ = await line.request()
        assert head.startswith(b"HEAD ") or b'if-match: "x"' in head
        await line.say(HEAD + b"\r\n" if head.startswith(b"HEAD ") else answer)

    async with origin(script) as it:
        with closing(remote(store(it.port))) as one:
            found = await one.ask(asked("a"), 5)
            with pytest.raises(UpstreamFault):
                await everything(found)


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": uvloop}) for uvloop in (True, False)], ids=str)
async def test_a_store_behind_tls_is_the_one_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checked address is connected to, under the name: TLS ends in this process, with no forwarder between."""
    authority = Authority(tmp_path)
    monkeypatch.setattr("relay.pinned.trusted", authority.trusting)

    async def resolver(host: str, _port: int) -> list[str]:
        assert host == "store.example"
        return ["127.0.0.1"]

    async def script(line: Line) -> None:
        head, _ = await line.request()
        assert b"/city/lent/a HTTP/1.1\r\nhost: store.example:" in head
        if head.startswith(b"HEAD "):
            await line.say(HEAD + b"\r\n")
        else:
            await line.say(b"HTTP/1.1 206 Part\r\nContent-Length: 5\r\n\r\n12345")

    async with origin(script, tls=authority.server("store.example")) as it:
        made = interface("s3://city/lent", endpoint=f"https://store.example:{it.port}", digests=False)
        with closing(FilesProvider(made, Egress(True, frozenset(), resolver=resolver), lambda: KEYS)) as one:
            assert await everything(await one.ask(asked("a"), 5)) == b"12345"


@pytest.mark.requirement("ADP-09")
def test_a_bad_place_is_told_at_once() -> None:
    for base_url, endpoint in (
        ("s3://city/lent", ""), ("s3://city/lent", "ftp://x"), ("s3://city/lent", "http://u:p@x"), ("s3:///lent", "http://x"),
        ("s3://city/lent", "http://x/path"), ("s3://city/lent", "http://x:99999"), ("ftp://x/y", ""), ("sftp:///x", ""),
        ("sftp://u@x/y", ""), ("sftp://x/../y", ""), ("sftp://x:99999/y", ""),
    ):  # fmt: skip
        with pytest.raises(BadContract):
            remote(interface(base_url, endpoint=endpoint))


# --- SFTP
@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize(
    "wrong",
    [Basic(user=KEYS.user, password="x"), PrivateKey(user="a", key="no key"), None],
    ids=["password", "key", "none"],
)
async def test_a_login_that_is_not_taken(tmp_path: Path, wrong: Credential | None) -> None:
    fill(tmp_path)
    with sftp_server(tmp_path) as port:
        code = await refused(remote(interface(f"sftp://127.0.0.1:{port}/lent"), wrong))
    assert code is (codes.CREDENTIAL_REFUSED if wrong else codes.CREDENTIAL_MISSING)


class _ByKey(SshServer):
    known: Any = None

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: Any) -> bool:
        return bool(key == self.known)


@pytest.mark.requirement("ADP-09")
async def test_a_server_is_known_by_its_key(tmp_path: Path) -> None:
    ours, theirs, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    _ByKey.known = ours.convert_to_public()
    fill(tmp_path)

    def login(host: Any) -> PrivateKey:
        line = "gaj.example " + host.export_public_key().decode().strip()
        return PrivateKey(user="reader", key=ours.export_private_key().decode(), host_key=line)

    with sftp_server(tmp_path, server_host_keys=[theirs], server_factory=_ByKey) as port:
        made = interface(f"sftp://127.0.0.1:{port}/lent")
        with closing(remote(made, login(theirs))) as one:
            assert await everything(await one.ask(asked("alphabet.txt"), 5)) == ALPHABET
        assert await refused(remote(made, login(other))) is codes.PROVIDER_UNREACHABLE


class _AsIfElsewhere(Egress):
    """Loopback is not allowed, and yet the server of the test is found."""

    async def resolve(self, host: str, port: int, networks: Any) -> list[str]:
        return [host]


@pytest.mark.requirement("ADP-09")
async def test_outside_a_developers_machine_a_server_without_a_known_key_is_not_asked(tmp_path: Path) -> None:
    fill(tmp_path)
    with sftp_server(tmp_path) as port:
        made = interface(f"sftp://127.0.0.1:{port}/lent")
        one = FilesProvider(made, _AsIfElsewhere(False, frozenset()), lambda: KEYS)
        assert await refused(one) is codes.CREDENTIAL_MISSING


@pytest.mark.requirement("ADP-09")
async def test_a_server_asked_with_a_password_is_known_by_its_key(tmp_path: Path) -> None:
    theirs, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    fill(tmp_path)

    def login(host: Any) -> Basic:
        return Basic(user=KEYS.user, password=KEYS.password, host_key=host.export_public_key().decode().strip())

    with sftp_server(tmp_path, server_host_keys=[theirs]) as port:
        made = interface(f"sftp://127.0.0.1:{port}/lent")
        with closing(remote(made, login(theirs))) as one:
            assert await everything(await one.ask(asked("alphabet.txt"), 5)) == ALPHABET
        assert await refused(remote(made, login(other))) is codes.PROVIDER_UNREACHABLE


@pytest.mark.requirement("ADP-09")
async def test_downloads_under_way_outlive_the_credential_that_they_began_with(tmp_path: Path) -> None:
    folder, present = fill(tmp_path), [KEYS]
    size = 40 * PART_BYTES
    (folder / "large").write_bytes(bytes(size))
    (folder / "large.sha256").write_text(hashlib.sha256(bytes(size)).hexdigest())
    with sftp_server(tmp_path) as port:
        one = FilesProvider(interface(f"sftp://127.0.0.1:{port}/lent"), HOME, lambda: present[0])
        with closing(one):
            answer = await one.ask(asked("large"), 5)
            arrived = len(await answer.body.chunk())
            assert isinstance(one._shelf, SftpShelf)
            old = one._shelf._line
            assert old is not None
            present[0] = Basic(user=KEYS.user, password="newer")
            with pytest.raises(Refusal, match="PermissionDenied"):
                await one.ask(asked("alphabet.txt"), 5)
            assert arrived + len(await everything(answer)) == size
            await asyncio.sleep(0)
            assert old.connection.is_closed()


@pytest.mark.requirement("ADP-09")
async def test_a_link_at_the_server_leads_no_further_than_the_folder(tmp_path: Path) -> None:
    fill(tmp_path)
    with sftp_server(tmp_path) as port, closing(remote(interface(f"sftp://127.0.0.1:{port}/lent"))) as one:
        (tmp_path / "lent" / "beside").symlink_to("../secret")
        answer = await one.ask(asked("beside"), 5)
        assert answer.status == 404


@pytest.mark.requirement("ADP-09")
async def test_a_connection_that_has_ended_is_made_anew(tmp_path: Path) -> None:
    fill(tmp_path)
    with sftp_server(tmp_path) as port, closing(remote(interface(f"sftp://127.0.0.1:{port}/lent"))) as one:
        assert await everything(await one.ask(asked("alphabet.txt"), 5)) == ALPHABET
        one.close()
        await asyncio.sleep(0)
        assert await everything(await one.ask(asked("alphabet.txt"), 5)) == ALPHABET
