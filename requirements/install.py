"""Make `.venv` from a lock file: `python3 requirements/install.py run|test`; the Makefile calls it after a change.
`python3 requirements/install.py lock` makes the lock files themselves.

Needs pip and nothing else. uv does the work if there is a wheel of it for this machine; otherwise pip does it, slower.
Package indexes are those that pip is configured with.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_VERSION = "0.13.9"
TOOLS, VENV = ROOT / ".tools", ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MEMBERS = (
    "services/tlog", "services/soap", "services/statute", "services/runtime", "services/relay", "services/wire",
    "services/identity", "services/witness",
    "services/sample-providers", "services/tongdao-cli",
    "audit-service", "catalog-service", "exchange-service", "gateway",
)  # fmt: skip
PASSED_ON = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
"""Settings of pip and the variables in which uv takes the same."""


def main(which: str) -> None:
    """Install `requirements/WHICH.lock` and our own projects; "lock" makes the lock files."""
    os.environ["PIP_ROOT_USER_ACTION"] = "ignore"  # we install into folders of our own
    if not is_well([sys.executable, "-c", "import pip"]):
        sys.exit(f"{sys.executable} has no pip; install the package python3-pip and start again")
    lock = ROOT / "requirements" / f"{which}.lock"
    if which == "lock":
        choose_versions()
    elif uv_is_there():
        with_uv(lock)
    else:
        print("no uv for this machine, going on with pip")
        with_pip(lock)


def uv_is_there() -> bool:
    """Whether `.tools` has the right uv, installed now if need be."""
    if (TOOLS / f"uv-{UV_VERSION}.dist-info").exists():
        return True
    print(f"installing uv {UV_VERSION} into .tools", flush=True)
    command = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--upgrade",
               "--target", str(TOOLS), f"uv=={UV_VERSION}"]  # fmt: skip
    return is_well([sys.executable, "-m", "pip", *command])


def with_uv(lock: Path) -> None:
    """The quick way."""
    uv, environment = TOOLS / "bin" / "uv", uv_environment()
    if not is_usable():
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV], environment)
    run([uv, "pip", "sync", "--quiet", "--python", PYTHON, "--require-hashes", lock], environment)
    run([uv, "pip", "install", "--quiet", "--python", PYTHON, *own_projects()], environment)


def with_pip(lock: Path) -> None:
    """The way that needs no uv; the venv is made without pip, since some systems pack that apart."""
    if not is_usable():
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV])
    pip = [sys.executable, "-m", "pip", "--python", PYTHON, "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--require-hashes", "-r", lock])
    run([*pip, *own_projects()])


def choose_versions() -> None:
    """The newest versions that requirements/*.in allow, for every machine, with the hash of every file."""
    if not uv_is_there():
        sys.exit("lock files are made with uv, and there is none for this machine; make them on another")
    environment = uv_environment()
    for partial in {"UV_INDEX", "UV_FIND_LINKS"} - os.environ.keys():
        environment.pop(partial, None)  # an index beside the main one may lack the files for other machines
    how = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header"]
    for name in ("run", "test", "peers"):
        files = [f"requirements/{name}.in", "--output-file", f"requirements/{name}.lock"]
        run([TOOLS / "bin" / "uv", "pip", "compile", *how, "--upgrade", *files], environment)


def own_projects() -> list[str]:
    """Arguments that install our own projects in place."""
    return ["--no-deps", "--no-build-isolation", *(part for member in MEMBERS for part in ("-e", str(ROOT / member)))]


def is_usable() -> bool:
    """Whether there is a venv of a Python that still exists and is new enough."""
    return PYTHON.exists() and is_well([PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"])


def uv_environment() -> dict[str, str]:
    """Our environment, with pip's package indexes for uv; what somebody set for uv stands."""
    told = {PASSED_ON[name]: value for name, value in pip_settings().items() if name in PASSED_ON}
    quiet = {
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_LINK_MODE": "copy",
        # as pip: the best version of all indexes; every file is checked against the lock's hash
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    return {**quiet, **told, **os.environ}


def pip_settings() -> dict[str, str]:
    """Name -> value, the strongest last: files before variables, as pip has it."""
    asked = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()  # noqa: S603  # pip
    found = [match for line in lines if (match := re.fullmatch(r"(:env:|global|install)\.(.+?)='(.*)'", line))]
    found.sort(key=lambda match: ("global", "install", ":env:").index(match[1]))
    return {match[2]: match[3] for match in found}


def run(command: list[object], environment: dict[str, str] | None = None) -> None:
    """Run a step of the way; its own words say what went wrong."""
    if not is_well(command, environment):
        sys.exit(f"setting up failed (see above) at: {' '.join(str(part) for part in command[:4])}")


def is_well(command: list[object], environment: dict[str, str] | None = None) -> bool:
    """Run a command and tell whether it succeeded."""
    return not subprocess.run(  # noqa: S603  # only commands that stand in this file
        [str(part) for part in command], env=environment, cwd=ROOT, check=False
    ).returncode


if __name__ == "__main__":
    main(sys.argv[1])
