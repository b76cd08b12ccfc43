"""What the README tells people to type works, word for word."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.platform import Platform

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
README = (Path(__file__).parents[2] / "README.md").read_text()


def _commands() -> Iterator[list[str]]:
    """The words of every command, also of those that go on in the next line."""
    lines = iter(README.splitlines())
    for line in lines:
        while line.startswith(".venv/bin/tongdao "):
            if line.endswith("\\"):
                line = line[:-1] + next(lines).strip()  # one command
                continue
            try:
                yield shlex.split(line, comments=True)[1:]
                break
            except ValueError:  # a quotation that is not closed yet
                line += " " + next(lines)  # one command


COMMANDS = list(_commands())
WRITTEN = (".zip", ".xlsx", "boundaries.csv")
"""Endings of files that commands write, here into the home."""
NUMBER = "990101199003070218\n"
"""What somebody types who is asked whose consent it is."""


@pytest.mark.requirement("DOC-02")
def test_the_commands_of_the_readme_work_one_after_the_other(platform: Platform) -> None:
    """In the order of the README: what one makes, the next may use."""
    for words in COMMANDS:
        done = _done(platform, words)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"


def _done(platform: Platform, words: list[str]) -> "subprocess.CompletedProcess[str]":
    """One command, with this platform's own values in the place of the words in capitals."""
    words = [str(platform.home.receipts.parent / word) if word.endswith(WRITTEN) else word for word in words]
    if "FILE" in words:
        words = [str(_newest_receipt(platform)) if word == "FILE" else word for word in words]
    words = [platform.vkey if word == "KEY" else word for word in words]
    if "CASE" in words:
        listed = platform.tongdao("case", "list", "--as", words[words.index("--as") + 1], "--kind", "application")
        assert listed.returncode == 0, listed.stdout + listed.stderr
        words = [json.loads(listed.stdout)["items"][-1]["id"] if word == "CASE" else word for word in words]
    alone = words[0] == "policy" or "verify" in words
    return platform.tongdao_alone(*words) if alone else platform.tongdao(*words, typed=NUMBER)


def test_there_are_such_commands() -> None:
    expected = [
        "call",
        "call",
        *["audit"] * 10,
        *["call"] * 4,
        "office",
        "consent",
        "policy",
        "policy",
        "office",
        *["case"] * 3,
        "keys",
        "keys",
        "quota",
        "doctor",
        "person",
    ]
    assert [words[0] for words in COMMANDS] == expected


def _newest_receipt(platform: Platform) -> Path:
    """One that a `tongdao call` kept; made here if none did yet."""
    kept = platform.home.receipts
    if not (kept.exists() and list(kept.iterdir())):
        call = next(words for words in COMMANDS if words[0] == "call")
        assert platform.tongdao(*call).returncode == 0
    return max(kept.iterdir(), key=lambda file: file.stat().st_mtime)
