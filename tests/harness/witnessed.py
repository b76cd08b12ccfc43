"""A log to be witnessed: checkpoints of any size, signed by any keys, and the requests that are made of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.merkle import Definition
from harness.receipts import ORIGIN, base64_of, key, signature_line, vkey
from runtime.http import HTTPError, sync_client
from tongdao_cli.postgres import free_port

WITNESS = "rsj.example/witness"
START_S = 60


class Tree:
    """Checkpoints of one log. From leaf `forked` on it is another log of the same name."""

    def __init__(self, size: int = 300, forked: int | None = None) -> None:
        leaves = [b"leaf %d%s" % (i, b" forked" if forked is not None and i >= forked else b"") for i in range(size)]
        self._definition = Definition(leaves)

    def text(self, size: int, extension: str = "") -> str:
        """What the checkpoint says."""
        return f"{ORIGIN}\n{size}\n{base64_of(self._definition.root(size))}\n{extension}"

    def note(self, size: int, *keys: Ed25519PrivateKey) -> str:
        """The checkpoint, signed by these keys or by the log's only one."""
        text = self.text(size)
        return f"{text}\n" + "".join(signature_line(text, ORIGIN, private) for private in keys or (key(),))

    def proof(self, old: int, size: int) -> list[bytes]:
        """Hashes from the tree of `old` leaves to that of `size`; none from 0."""
        return self._definition.consistency(old, size) if 0 < old < size else []

    def body(self, old: int, size: int) -> bytes:
        """A whole add-checkpoint request."""
        return body(old, self.proof(old, size), self.note(size))


def body(old: int | str, proof: Sequence[bytes], note: str) -> bytes:
    """An add-checkpoint request from its parts."""
    return "".join([f"old {old}\n", *(base64_of(step) + "\n" for step in proof), "\n", note]).encode()


class WitnessProcess:
    """`python -m witness.app` on a folder, one process after the other. Its port stays the same."""

    def __init__(self, folder: Path, *vkeys: str, name: str = WITNESS) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_vkey = vkey()
        self.folder = folder
        self._said = folder / "witness.output"
        logs = [{"origin": ORIGIN, "vkeys": vkeys or [vkey()]}]
        self._settings = {
            "NAME": name, "KEY_FILE": str(folder / "witness.pem"), "FOLDER": str(folder / "cosigned"),
            "LOGS": json.dumps(logs), "PORT": str(self.port),
        }  # fmt: skip
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start it and wait until it answers."""
        told = {f"TONGDAO_WITNESS_{name}": value for name, value in self._settings.items()}
        with self._said.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "witness.app"], env={**os.environ, **told}, stdout=output, stderr=output
            )
        deadline = time.monotonic() + START_S
        with sync_client(self.url) as client:
            while True:
                with suppress(HTTPError):
                    client.get("/health/ready")
                    return
                assert self.process.poll() is None, self._said.read_text()
                assert time.monotonic() < deadline, self._said.read_text()
                time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in good order."""
        self.process.terminate()
        assert self.process.wait(START_S) in (0, -signal.SIGTERM), self._said.read_text()


@contextmanager
def witness_process(folder: Path, *vkeys: str, name: str = WITNESS) -> Iterator[WitnessProcess]:
    """A running witness, ended afterwards if it still runs."""
    folder.mkdir(exist_ok=True)
    process = WitnessProcess(folder, *vkeys, name=name)
    process.start()
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()
