"""slowhttptest, which others use to try servers: the one of this machine, or Debian's package unpacked into a cache."""

import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

CACHE = Path.home() / ".cache" / "tongdao-tests"
FETCH_S = 120
ATTACKS = {
    "D-1 slow heads": ("-H", "-t", "GET", "-i", "1", "-x", "24"),
    "D-2 slow bodies": ("-B", "-i", "1", "-s", "8192", "-x", "10", "-t", "POST"),
    "D-3 slow readers": ("-X", "-t", "GET", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"),
}
"""What it does, as its options."""
_ROW = re.compile(r"(connected|closed|error|pending|service available):\s+(\w+)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class NoSlowHttpTest(Exception):
    """It cannot be had; the message says why."""


class Outcome(NamedTuple):
    """What it said: whether the server answered each of its probes, and how many connections it had at the most."""

    available: list[str]
    connected: int


def find() -> Path:
    """The program; raises NoSlowHttpTest."""
    if found := shutil.which("slowhttptest"):
        return Path(found)
    place = CACHE / "slowhttptest"
    if not place.exists():
        _unpack(place)
    return place / "usr/bin/slowhttptest"


def _unpack(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        _run(["apt-get", "download", "-q", "slowhttptest"], folder)
        for package in Path(folder).glob("*.deb"):
            _run(["dpkg", "-x", str(package), f"{folder}/whole"], folder)
        with suppress(OSError):  # another process was faster
            Path(folder, "whole").rename(place)


def _run(command: list[str], folder: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=FETCH_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoSlowHttpTest(f"{command[0]}: {type(error).__name__}") from None
    if done.returncode:
        raise NoSlowHttpTest(f"{command[0]}: {done.stderr.decode(errors='replace')[-200:]}")


def attack(what: str, url: str, *, connections: int, seconds: int) -> Outcome:
    """One of ATTACKS, to its end; raises NoSlowHttpTest where it does not run."""
    command = [str(find()), *ATTACKS[what], "-c", str(connections), "-r", "100", "-p", "3", "-l", str(seconds)]
    done = subprocess.run([*command, "-u", url], capture_output=True, timeout=seconds + 60, check=False)
    said = _ROW.findall(_COLOUR.sub("", done.stdout.decode(errors="replace")))
    if not said:
        raise NoSlowHttpTest(f"it said nothing: {done.stderr.decode(errors='replace')[-200:]}")
    available = [value for name, value in said if name == "service available"]
    return Outcome(available, max((int(value) for name, value in said if name == "connected"), default=0))
