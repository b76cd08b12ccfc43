"""The examples of docs/consumers.md as files that can be run, and Node with the packages that they need."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "consumers.md"
PINNED = ROOT / "tests" / "node"
OLDEST_NODE = 20
INSTALL_S, RUN_S = 120, 60
_EXAMPLE = re.compile(r"^```(?:sh|python|js) title=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class NoNode(Exception):
    """Node or its package cannot be had; the message says why."""


def examples() -> dict[str, str]:
    """Every example of the guide, by the name of its file."""
    return dict(_EXAMPLE.findall(GUIDE.read_text()))


def lay_out(folder: Path) -> None:
    """Put every example into the folder."""
    for name, text in examples().items():
        (folder / name).write_text(text)


def run(name: str, folder: Path, **told: str) -> "subprocess.CompletedProcess[str]":
    """Run one example in the folder where all lie; `told` are its variables. Raises NoNode."""
    program = {".sh": "bash", ".py": sys.executable, ".mjs": "node"}[Path(name).suffix]
    if program == "node":
        modules = folder / "node_modules"
        if not modules.exists():
            modules.symlink_to(node_modules())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where `tongdao` is
    return subprocess.run(
        [program, name], cwd=folder, env={**os.environ, "PATH": path, **told}, capture_output=True, text=True,
        timeout=RUN_S, check=False,
    )  # fmt: skip


def node_modules() -> Path:
    """A folder with the pinned packages, installed once into a cache; raises NoNode."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        raise NoNode("there is no node or no npm on this machine")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if int(re.sub(r"^v(\d+)\..*", r"\1", version) or 0) < OLDEST_NODE:
        raise NoNode(f"node is {version}; openid-client wants {OLDEST_NODE} or newer")
    lock = (PINNED / "package-lock.json").read_bytes()
    place = Path.home() / ".cache" / "tongdao-tests" / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not place.exists():
        _install(npm, place)
    return place / "node_modules"


def _install(npm: str, place: Path) -> None:
    """Several test processes may do it at once."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as name:
        folder = Path(name) / "installed"
        shutil.copytree(PINNED, folder)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            raise NoNode("npm takes too long to fetch the packages") from None
        if done.returncode:
            raise NoNode(f"npm cannot install the packages: {done.stderr[-300:]}")
        with suppress(OSError):  # another process was faster
            folder.rename(place)
