"""A real MariaDB for the tests: the one of this machine, or Debian's packages unpacked into a cache, not installed.

Run as a user of its own with a temporary data folder on a free port. Where there is neither, tests that want it skip;
but they fail where one could be had, and where CI is set in the environment: there nothing is left out unnoticed.
"""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import asyncmy
import pytest

from tongdao_cli.postgres import free_port

PASSWORD = "only-for-tests"
PACKAGES = ("mariadb-server-core", "libaio1", "libnuma1", "liburing2")
FETCH_S, START_S = 120, 60
SCRIPTS = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
OPTIONS = (
    "--no-defaults", "--skip-log-bin", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M",
    "--performance-schema=off", "--skip-name-resolve", "--innodb-use-native-aio=0", "--aria-log-file-size=8M",
)  # fmt: skip


class NoMariaDb(Exception):
    """It cannot be had; the message says why."""


@dataclass(frozen=True)
class Binaries:
    """Where the server lies, and the folders of the libraries and the scripts that belong to it."""

    server: Path
    share: Path
    libraries: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        libraries = {"LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else {}
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC", **libraries}


def find() -> Binaries:
    """The machine's own, or the unpacked packages; raises NoMariaDb."""
    found = shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found:
        share = next(
            (p for p in (Path("/usr/share/mysql"), Path("/usr/share/mariadb")) if (p / SCRIPTS[0]).exists()), None
        )
        if share:
            return Binaries(Path(found), share)
    place = _cache() / "mariadb"
    if not place.exists():
        _unpack(place)
    libraries = next(place.glob("usr/lib/*-linux-gnu"))
    return Binaries(place / "usr/sbin/mariadbd", place / "usr/share/mysql", libraries)


def _cache() -> Path:
    """A folder that outlives the run, and that the server's user may enter."""
    place = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    return place / "tongdao-tests"


def _unpack(place: Path) -> None:
    """Fetch the packages and unpack them beside each other; several test processes may do it at once."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise NoMariaDb("no mariadbd on this machine, and no apt-get to fetch one")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        Path(folder).chmod(0o755)
        if os.geteuid() == 0:
            _run(["apt-get", "update", "-q"], folder, must=False)  # stale lists name packages that are gone
        _run(["apt-get", "download", "-q", *PACKAGES], folder)
        whole = Path(folder) / "whole"
        for package in Path(folder).glob("*.deb"):
            _run(["dpkg", "-x", str(package), str(whole)], folder)
        whole.chmod(0o755)
        with suppress(OSError):  # another process was faster
            whole.rename(place)


def _run(command: list[str], folder: str, *, must: bool = True) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=FETCH_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoMariaDb(f"no mariadbd on this machine; {command[0]}: {type(error).__name__}") from None
    if must and done.returncode:
        raise NoMariaDb(f"no mariadbd on this machine; {command[0]}: {done.stderr.decode(errors='replace')[-200:]}")


class MariaDb:
    """One server. `port` once it is started."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._binaries = find()
        self._user: dict[str, Any] = {}
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def _command(self, *options: str) -> list[str]:
        places = (f"--datadir={self._home}", f"--tmpdir={self._home}", f"--lc-messages-dir={self._binaries.share}")
        return [
            str(self._binaries.server),
            *OPTIONS,
            *places,
            f"--character-sets-dir={self._binaries.share}/charsets",
            *options,
        ]

    def start(self) -> None:
        """Make the data folder and start; raises NoMariaDb with the end of its own words."""
        scripts = "".join((self._binaries.share / name).read_text() for name in SCRIPTS)
        setting = {"cwd": self._home, "env": self._binaries.environment, **self._user}
        first = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n" + scripts
        made = subprocess.run(
            self._command("--bootstrap"),
            input=first.encode(),
            capture_output=True,
            timeout=START_S,
            check=False,
            **setting,
        )
        if made.returncode:
            raise NoMariaDb(made.stderr.decode(errors="replace")[-500:])
        users = self._home / "users.sql"
        users.write_text(
            f"CREATE USER 'keeper'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON *.* TO 'keeper'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        users.chmod(0o644)
        options = (
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            f"--socket={self._home}/s",
            f"--init-file={users}",
        )
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(self._command(*options), stdout=log, stderr=log, **setting)
        asyncio.run(self._there())

    async def _there(self) -> None:
        async with asyncio.timeout(START_S):
            while True:
                if self._process is None or self._process.poll() is not None:
                    raise NoMariaDb((self._home / "log").read_text(errors="replace")[-500:])
                with suppress(asyncmy.errors.Error, OSError):
                    await self.run("SELECT 1")
                    return
                await asyncio.sleep(0.05)

    async def run(self, *statements: str) -> None:
        """Run statements as the keeper of the server."""
        connection = await asyncmy.connect(
            host="127.0.0.1", port=self.port, user="keeper", password=PASSWORD, charset="utf8mb4", autocommit=True
        )
        try:
            async with connection.cursor() as cursor:
                for statement in statements:
                    await cursor.execute(statement)
        finally:
            connection.close()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_S)


def missing(why: str) -> NoReturn:
    """Skip what wants the server, or fail: on a build machine, and for root with apt-get, it has to be there."""
    if os.environ.get("CI") or (os.geteuid() == 0 and shutil.which("apt-get")):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """The server of this test process."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
    with tempfile.TemporaryDirectory(
        prefix="tongdao-maria-", dir=memory if memory.is_dir() else None, ignore_cleanup_errors=True
    ) as home:
        Path(home).chmod(0o755)
        try:
            server = MariaDb(Path(home))
            server.start()
        except NoMariaDb as none:
            missing(f"MariaDB cannot be had here: {none}")
        yield server
        server.stop()
