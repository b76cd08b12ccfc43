"""A volume that is full: 503 while it is, nothing acknowledged is lost, and nobody has to do more than give space."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from harness.audit_log import Log, ids, running
from harness.postgres import Cluster
from runtime.errors import Refusal
from wire import codes

pytestmark = pytest.mark.anyio


class Volume:
    """A small file system of its own, and a tablespace on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def size(self, mebibytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", self.folder], check=True)


@pytest.fixture
def volume() -> Iterator[Volume]:
    """Needs the right to mount, as a container's root may or may not have it."""
    with tempfile.TemporaryDirectory(prefix="tongdao-full-", dir="/dev/shm") as name:  # mounted over
        Path(name).chmod(0o755)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "none", name], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("file systems cannot be mounted here")
        yield Volume(Path(name))
        subprocess.run(["umount", "-l", name], check=True)


@pytest.fixture
def full_log(cluster: Cluster, volume: Volume, tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """Addresses of a database whose batches lie on the small volume, and a folder."""
    space = f"full_{os.getpid()}"
    with cluster.lent(("audit_service", "audit")) as lent:

        async def move() -> None:
            connection = await asyncpg.connect(lent.url)
            owner = Path(await connection.fetchval("SHOW data_directory")).stat()
            os.chown(volume.folder, owner.st_uid, owner.st_gid)
            await connection.execute(f"CREATE TABLESPACE {space} LOCATION '{volume.folder}'")
            await connection.execute(f"ALTER TABLE audit.batch SET TABLESPACE {space}")
            await connection.close()

        asyncio.run(move())
        yield lent.url, lent.url_of("audit"), tmp_path
    asyncio.run(cluster._run(f"DROP TABLESPACE {space}"))


@pytest.mark.requirement("SEQ-12")
async def test_a_full_volume_is_503_until_there_is_space(full_log: tuple[str, str, Path], volume: Volume) -> None:
    async with running(*full_log) as log:
        await log.start()
        stored = await fill(log)
        assert stored
        for _ in range(3):
            with pytest.raises(Refusal) as refused:
                await log.write((ids(1)[0], "denied"), purpose=os.urandom(30_000).hex())
            log.next -= 1
            assert (refused.value.code, refused.value.detail) == (codes.AUDIT_UNAVAILABLE, "DiskFullError")
        volume.size(64)
        await log.write((ids(1)[0], "denied"))
        assert await log.sequence() == stored + 1
        await log.expect_whole()


async def fill(log: Log) -> int:
    """Batches until one is refused; how many were acknowledged."""
    for stored in range(1000):
        try:
            await log.write((ids(1)[0], "denied"), purpose=os.urandom(30_000).hex())
        except Refusal:
            log.next -= 1
            return stored
    raise AssertionError("it never was full")
