"""Documents that are made from the code are equal to it, and what the README tells people to type exists."""

import re
import subprocess
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from wire.codes import REGISTRY

ROOT = Path(__file__).parents[2]
CHINESE = "[\u4e00-\u9fff]"


@pytest.mark.requirement("DOC-01")
def test_every_code_is_documented_as_it_is() -> None:
    page = (ROOT / "docs" / "codes.md").read_text()
    for code in REGISTRY.values():
        row = f"| `{code.name}` | {code.status} | {code.fault} | {code.title_en} | {code.title_zh} |"
        assert row in page, f"docs/codes.md lacks or differs from: {row}"
    assert page.count("\n| `") == len(REGISTRY)


@pytest.mark.parametrize("name", ["codes", "settings", "procedures", "law"])
def test_the_pages_that_are_made_from_the_code_are_equal_to_it(name: str) -> None:
    """Run `make docs` if this fails."""
    written = spec_from_file_location("write", ROOT / "docs" / "write.py")
    assert written is not None
    assert written.loader is not None
    module = module_from_spec(written)
    written.loader.exec_module(module)
    assert (ROOT / "docs" / f"{name}.md").read_text() == getattr(module, f"{name}_page")()


def test_every_code_speaks_both_languages() -> None:
    for code in REGISTRY.values():
        assert not re.search(CHINESE, code.title_en + code.remedy_en), code.name
        assert re.search(CHINESE, code.title_zh), code.name
        assert re.search(CHINESE, code.remedy_zh), code.name


def test_the_make_targets_that_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("services/*/README.md")]:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text())) | set(
            re.findall(r"^make ([a-z-]+)", page.read_text(), re.MULTILINE)
        )
        assert named <= targets, f"{page.name} names {named - targets}"


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "demo",
        "call",
        "token",
        "migrate",
        "audit verify",
        "audit fsck",
        "audit receipt",
        "office",
        "case open",
        "case step",
        "case show",
        "case list",
        "policy clocks",
        "policy show",
        "policy due",
        "policy profiles",
        "policy check",
        "doctor",
        "quota",
        "keys list",
        "keys rotate",
        "person invite",
        "person list",
        "login",
    ],
)
def test_the_commands_that_pages_name_explain_themselves(command: str) -> None:
    done = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "tongdao"), *command.split(), "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
