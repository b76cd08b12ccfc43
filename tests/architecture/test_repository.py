"""What the repository promises: no host names of registries, no machine paths, no secrets, no dead links."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REGISTRIES = ("py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js", "deb.deb" + "ian.org")
MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9_.])/(?:work|root|home/[a-z]+)/[a-z]")
LINK = re.compile(r"\]\(([^)#\s]+?)(?:#[^)]*)?\)")


def tracked() -> list[Path]:
    """Files that are, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    return [(path, path.read_text(errors="replace")) for path in tracked()]


def test_no_registry_is_named() -> None:
    assert [str(path) for path, text in texts() for host in REGISTRIES if host in text] == []


def test_no_path_of_a_machine_is_named() -> None:
    assert [str(path) for path, text in texts() if path.suffix != ".json" and MACHINE_PATH.search(text)] == []


def test_no_private_key_is_kept() -> None:
    marker = "-----BEGIN " + "PRIVATE KEY"
    assert [str(path) for path, text in texts() if marker in text] == []


def test_no_lock_file_that_names_hosts() -> None:
    assert not [path for path in tracked() if path.name == "uv.lock"]


@pytest.mark.parametrize(
    "page", [path for path in tracked() if path.suffix == ".md"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []
