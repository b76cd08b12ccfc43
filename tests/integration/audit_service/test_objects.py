"""The two kinds of store, a folder and a bucket, held to the same."""

import asyncio
import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from moto.server import ThreadedMotoServer

from audit_service.archive import objects as module
from audit_service.archive.objects import Away, Missing, Objects
from audit_service.summary import Filter
from harness.audit_archive import Archiving, Keeping, days_ago
from harness.audit_doors import opened
from harness.audit_log import Log
from harness.audit_office import Office, old_days, told

pytestmark = pytest.mark.anyio
FOLDER = "2026/20260831-general"
NAME = f"{FOLDER}/ab.parquet"
SOMEBODY = {"authorization": "AWS4-HMAC-SHA256 Credential=id/20260101/cn-north-1/s3/aws4_request"}


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[str, dict[str, str]]]:
    """Address and settings of an S3 bucket."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    assert httpx2.put(f"{endpoint}/tongdao").status_code == 200
    settings = {"endpoint": endpoint, "region": "cn-north-1", "access_key_id": "id", "secret_access_key": "secret"}
    yield "s3://tongdao", settings
    server.stop()


@pytest.fixture(params=["file", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path, bucket: tuple[str, dict[str, str]]) -> Objects:
    if request.param == "file":
        return Objects.at(f"file://{tmp_path}/a folder that is not there yet")
    return Objects.at(f"{bucket[0]}/{tmp_path.name}", bucket[1])


@pytest.mark.requirement("KEP-05")
async def test_what_is_stored_once_stays_what_it_is(objects: Objects, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"the first" * 1000)
    await objects.put(NAME, source)
    await objects.put(NAME, b"another")
    assert await objects.get(NAME) == source.read_bytes()
    with (tmp_path / "copy").open("wb") as copy:
        assert await objects.fetch(NAME, copy) == hashlib.sha256(source.read_bytes()).digest()
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


async def test_objects_are_listed_and_removed(objects: Objects) -> None:
    await objects.put(NAME, b"1")
    await objects.put(NAME + "2", b"2")
    await objects.put("2026/20260831-generally", b"3")
    assert sorted(await objects.names("2026/20260831-general")) == [NAME, NAME + "2"]
    await objects.remove(NAME)
    assert await objects.names("2026/20260831-general") == [NAME + "2"]
    assert await objects.names("2025") == []
    with pytest.raises(Missing):
        await objects.get(NAME)


async def test_a_large_file_goes_and_comes_in_parts(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WHOLE_BYTES", 1000)
    source, other = tmp_path / "source", tmp_path / "other"
    source.write_bytes(os.urandom(9_001))
    other.write_bytes(os.urandom(9_001))
    await objects.put(NAME, source)
    await objects.put(NAME, other)
    with (tmp_path / "copy").open("wb") as copy:
        assert await objects.fetch(NAME, copy) == hashlib.sha256(source.read_bytes()).digest()
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert await objects.names("2026") == [NAME]


@pytest.mark.requirement("KEP-06")
async def test_all_of_a_day_is_cleared_but_its_manifests(objects: Objects) -> None:
    manifest, another_day = f"{FOLDER}/cd.json", "2026/20260901-general/ab.parquet"
    for name in (NAME, f"{FOLDER}/ef.parquet", manifest, another_day):
        await objects.put(name, b"1")
    assert sorted(await objects.remaining(FOLDER)) == [NAME, f"{FOLDER}/ef.parquet"]
    assert await objects.clear(FOLDER) == []
    assert await objects.names("2026") == [manifest, another_day]
    assert await objects.clear(FOLDER) == await objects.clear("2026/20260902-general") == []


@pytest.mark.requirement("KEP-06")
async def test_what_a_crash_left_half_written_is_cleared_too(tmp_path: Path) -> None:
    objects, folder = Objects.at(f"file://{tmp_path}"), tmp_path / FOLDER
    await objects.put(NAME, b"whole")
    for name in ("ab.parquet#1", "ef.parquet#1", "cd.json#1"):
        (folder / name).write_bytes(b"half")
    await objects.put(f"{FOLDER}/ef.parquet", b"whole")
    assert sorted(path.name for path in folder.iterdir()) == ["ab.parquet", "ab.parquet#1", "cd.json#1", "ef.parquet"]
    assert len(await objects.remaining(FOLDER)) == 4
    assert await objects.clear(FOLDER) == []
    assert list(folder.iterdir()) == []


@pytest.mark.requirement("KEP-06")
async def test_what_a_bucket_keeps_as_a_version_is_not_gone(bucket: tuple[str, dict[str, str]]) -> None:
    address = with_versions(bucket)
    objects = Objects.at("s3://versions", bucket[1])
    await objects.put(NAME, b"payload")
    version = httpx2.head(f"{address}/{NAME}", headers=SOMEBODY).headers["x-amz-version-id"]
    still_there = [f"{NAME} (version {version})"]
    assert await objects.clear(FOLDER) == still_there
    with pytest.raises(Missing):
        await objects.get(NAME)
    assert await objects.clear(FOLDER) == await objects.remaining(FOLDER) == still_there
    httpx2.delete(f"{address}/{NAME}?versionId={version}", headers=SOMEBODY).raise_for_status()
    assert await objects.clear(FOLDER) == []


def with_versions(bucket: tuple[str, dict[str, str]]) -> str:
    """Address of a bucket that keeps what is removed."""
    address = f"{bucket[1]['endpoint']}/versions"
    assert httpx2.put(address).status_code == 200
    enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    assert httpx2.put(f"{address}?versioning", content=enabled.encode()).status_code == 200
    return address


async def test_a_bucket_with_object_lock_gets_the_digest_that_it_asks_for() -> None:
    heads: list[str] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        await reader.readexactly(len(b"payload"))
        writer.write(b'HTTP/1.1 200 OK\r\netag: "1"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        settings = {"endpoint": f"http://{host}:{port}", "region": "r", "access_key_id": "a", "secret_access_key": "b"}
        await Objects.at("s3://tongdao", settings).put(NAME, b"payload")
    digest = base64.b64encode(hashlib.sha256(b"payload").digest()).decode().lower()
    assert f"x-amz-checksum-sha256: {digest}" in heads[0]
    assert "if-none-match: *" in heads[0]


@pytest.mark.requirement("KEP-03")
async def test_a_store_that_is_not_there_is_away() -> None:
    nowhere = {"endpoint": "http://127.0.0.1:1", "region": "r", "access_key_id": "a", "secret_access_key": "b"}
    objects = Objects.at("s3://tongdao", nowhere)
    with pytest.raises(Away, match="GenericError"):
        await objects.put(NAME, b"1")


@pytest.mark.parametrize("url", ["", "/folder", "file://host/folder", "file:folder", "ftp://x/y", "s3:///x", "gs://x"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="file:///folder or s3://bucket/prefix"):
        Objects.at(url)


def test_a_folder_that_cannot_be_made_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"^the archive's folder .* cannot be used$"):
        Objects.at(f"file://{tmp_path}/file/archive")


@pytest.mark.requirement("KEP-05")
async def test_a_day_goes_into_a_bucket_and_is_read_there(log: Log, bucket: tuple[str, dict[str, str]]) -> None:
    archiving = Archiving(log, days_ago(40), Objects.at(f"{bucket[0]}/days", bucket[1]))
    segment = f"{archiving.today}-personal"
    [call] = await archiving.calls(1, "personal")
    await archiving.settle()
    archiving.pass_days(31)
    await archiving.tick()
    assert (await archiving.states())[segment] == "archived"
    found = await archiving.cold.rows(segment, Filter(call_id=call), before=99, after=-1, limit=9, newest_first=True)
    assert [row.call_id for row in found] == [call]


@pytest.mark.requirement("KEP-06")
async def test_a_disposal_is_not_executed_while_a_version_can_be_read(
    log: Log, bucket: tuple[str, dict[str, str]]
) -> None:
    address, keeping = with_versions(bucket), Keeping(log, days_ago(220), Objects.at("s3://versions/days", bucket[1]))
    _, day, _ = await old_days(keeping)
    async with opened(keeping.router) as doors:
        office = Office(doors)
        number = await told(keeping, office, day)
        for _ in range(2):
            await keeping.disposing.tick()
            shown = (await office.ask("ana", "GET", f"/disposals/{number}")).json()
            assert shown["state"] == "waiting"
        waits = shown["segments"][0]["trouble"]
        name, version = waits.removeprefix("can still be read: ").removesuffix(")").split(" (version ")
        deleted = httpx2.delete(f"{address}/days/{name}?versionId={version}", headers=SOMEBODY)
        assert deleted.status_code == 204
        await keeping.disposing.tick()
        assert (await office.ask("ana", "GET", f"/disposals/{number}")).json()["state"] == "executed"
