"""What the README tells people to type works, word for word."""

import re
import shlex
from pathlib import Path

import pytest

from harness.platform import Platform

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
README = (Path(__file__).parents[2] / "README.md").read_text()
COMMANDS = [line.partition("#")[0].strip() for line in README.splitlines() if line.startswith(".venv/bin/tongdao ")]


@pytest.mark.requirement("DOC-02")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_works(platform: Platform, command: str) -> None:
    words = shlex.split(command)[1:]
    if "verify" in words:
        receipt = _newest_receipt(platform)
        words = [{"KEY": platform.vkey, "FILE": str(receipt)}.get(word, word) for word in words]
        done = platform.tongdao_alone(*words)
    else:
        done = platform.tongdao(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_such_commands() -> None:
    assert [command.split()[1] for command in COMMANDS] == ["call", "call", "audit", "audit", "audit"]


def _newest_receipt(platform: Platform) -> Path:
    """One that a `tongdao call` kept; made here if none did yet."""
    kept = platform.home.receipts
    if not (kept.exists() and list(kept.iterdir())):
        call = next(shlex.split(command)[1:] for command in COMMANDS if re.search(r"tongdao call", command))
        assert platform.tongdao(*call).returncode == 0
    return max(kept.iterdir(), key=lambda file: file.stat().st_mtime)
