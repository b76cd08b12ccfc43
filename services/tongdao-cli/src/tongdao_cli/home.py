"""The home of one installation: what lies where, which ports it uses, and that only one `tongdao up` uses it.

state.json    ports and what has been registered, kept from start to start
run.json      addresses and process ids while it runs; holds the database password, hence mode 0600
lock          held while it runs
secrets/      0700; see `keys`
postgres/     the embedded database      logs/<program>.log      published/      receipts/
archive/      days of the log that are no longer in the database
files/        what the demo departments offer as files
"""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tongdao_cli.postgres import free_port

DEFAULT = Path("var")
INNER_PORTS = ("postgres", "sample-providers", "audit-service", "identity", "catalog-service", "exchange-service")


class CannotStart(Exception):
    """Something outside has to be put right first; the message is one line with the remedy."""


class Home:
    """Paths below one folder, and the two small files that say what is known and what runs."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.secrets = self.root / "secrets"
        self.postgres = self.root / "postgres"
        self.logs = self.root / "logs"
        self.published = self.root / "published"
        self.receipts = self.root / "receipts"
        self.archive = self.root / "archive"
        self.files = self.root / "files"
        self._state_file = self.root / "state.json"
        self._run_file = self.root / "run.json"

    def make(self) -> None:
        """Create the folders; raises CannotStart where we may not write."""
        try:
            for folder in (self.root, self.logs, self.published, self.receipts, self.archive, self.files):
                folder.mkdir(parents=True, exist_ok=True)
            self.secrets.mkdir(mode=0o700, exist_ok=True)
            self.published.chmod(0o700)
            self.receipts.chmod(0o700)
            self.archive.chmod(0o700)
            self.logs.chmod(0o700)
        except OSError as error:
            raise CannotStart(f"cannot write to {self.root} ({error.strerror}); choose another with --home") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for this process; raises CannotStart if another has it."""
        self.make()
        try:
            descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CannotStart(f"cannot write to {self.root} ({error.strerror}); choose another with --home") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise CannotStart(f"{self.root} is in use by another tongdao; stop it or choose another --home") from None
        try:
            yield
        finally:
            self._run_file.unlink(missing_ok=True)
            os.close(descriptor)

    def state(self) -> dict[str, Any]:
        """What is kept from start to start; {} for a new home."""
        return _read(self._state_file)

    def remember(self, **facts: object) -> None:
        """Add to what is kept."""
        write_private(self._state_file, {**self.state(), **facts})

    def running(self) -> dict[str, Any]:
        """Addresses and process ids of the running installation; {} if none runs, even if one died without a word."""
        try:
            with (self.root / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(self._run_file)
        except OSError:
            pass  # no lock file, no home
        return {}

    def announce(self, facts: dict[str, object]) -> None:
        """Say what runs where."""
        write_private(self._run_file, facts)

    def choose_ports(self) -> dict[str, int]:
        """A port for everything behind the gateway: the one of the last start, or a new one where that is taken."""
        known = self.state().get("ports", {})
        ports: dict[str, int] = {}
        for name in INNER_PORTS:
            port = known.get(name, 0)
            while not port or port in ports.values() or port_trouble(port):
                port = free_port()
            ports[name] = port
        self.remember(ports=ports)
        return ports


def port_trouble(port: int) -> str:
    """Why nobody can listen on this port of the loopback address just now, "" if one can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the services do: lingering is not taken
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except PermissionError:
            return f"port {port} is for root only; choose another with --port"
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return f"port {port} cannot be used ({error.strerror}); choose another with --port"
            return f"port {port} is taken by another program; stop it or choose another with --port"
    return ""


def write_private(path: Path, facts: object) -> None:
    """JSON, readable by its owner alone, replaced as a whole so that no reader sees half of it. Raises CannotStart."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(facts, file, ensure_ascii=False, indent=1)
        beside.replace(path)
    except OSError as error:
        raise CannotStart(f"cannot write {path} ({error.strerror}); choose another place") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot read {path} ({error}); restore it or choose another --home") from None
    return found
