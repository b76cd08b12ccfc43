"""The two kinds of store, a folder and a bucket, held to the same."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from moto.server import ThreadedMotoServer

from audit_service.archive.objects import Away, Missing, Objects
from audit_service.summary import Filter
from harness.audit_archive import Archiving, days_ago
from harness.audit_log import Log

pytestmark = pytest.mark.anyio
NAME = "2026/20260831-general/ab.parquet"


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
