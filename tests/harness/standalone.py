"""The single-file verifier, run as an auditor runs it, and the library's judgement of the same files."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from unittest import mock

from tlog import package
from tlog.history import Fork, Trees
from tlog.package import Trust
from tlog.proofs import ProofError

SCRIPT = Path(__file__).parents[2] / "services" / "tlog" / "src" / "tlog" / "standalone" / "verify_receipt.py"
Runner = Callable[..., tuple[int, list[str]]]
WORDS = ("verified", "NOT verified", "FORK")


def run(folder: Path, files: Sequence[bytes], *options: str) -> tuple[int, list[str]]:
    """Status and lines of one run over a copy of the script, in a folder that holds nothing else of ours."""
    script = folder / SCRIPT.name
    script.write_bytes(SCRIPT.read_bytes())
    paths = [folder / f"{n}" for n in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    command: list[str | Path] = [sys.executable, "-I", script, *options, *paths]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=folder, timeout=120, check=False
    )
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def loaded() -> ModuleType:
    """The script as a module, for tests that would start too many processes."""
    spec = importlib.util.spec_from_file_location("verify_receipt", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ALONE = loaded()


def run_here(folder: Path, files: Sequence[bytes], *options: str) -> tuple[int, list[str]]:
    """As `run`, in this process: quicker, and less like an auditor."""
    paths = [folder / f"{n}" for n in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    told = StringIO()
    with mock.patch.object(sys, "argv", [str(SCRIPT), *options, *map(str, paths)]), redirect_stdout(told):
        status = ALONE.main()
    return status, told.getvalue().split("\n")[:-1]


def options_of(trust: Trust) -> list[str]:
    """The trust as the command line wants it."""
    quorum = [] if trust.quorum is None else [f"--quorum={trust.quorum}"]
    return [f"--vkey={vkey}" for vkey in trust.vkeys] + [f"--witness={vkey}" for vkey in trust.witnesses] + quorum


def judged_alone(folder: Path, files: Sequence[bytes], trust: Trust, runner: Runner = run) -> list[str]:
    """The script's word on each file; a package that holds has a line for each receipt in it and one for itself."""
    status, lines = runner(folder, files, *options_of(trust))
    assert all(line.startswith(tuple(f"{word}: " for word in WORDS)) for line in lines)
    words = []
    for data in files:
        line = lines.pop(0)
        while data.startswith(b"PK") and line.startswith("verified: call "):
            line = lines.pop(0)
        words.append(line.split(":")[0])
    assert not lines
    assert status == (0 if set(words) <= {"verified"} else 1)
    return words


def judged_by_library(files: Sequence[bytes], trust: Trust) -> list[str]:
    """The library's word on each file, one after the other."""
    trees, words = Trees(), []
    for n, data in enumerate(files):
        check = package.verify if data.startswith(b"PK") else package.verify_receipt
        try:
            check(data, trust, trees, str(n))
        except Fork:
            words.append("FORK")
        except ProofError:
            words.append("NOT verified")
        else:
            words.append("verified")
    return words


def same_judgement(folder: Path, files: Sequence[bytes], trust: Trust, runner: Runner = run) -> list[str]:
    """What both say of each file."""
    words = judged_alone(folder, files, trust, runner)
    assert words == judged_by_library(files, trust)
    return words
