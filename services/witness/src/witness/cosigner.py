"""The witness itself: decide, sign, keep, answer; one request at a time, so that check and keep are one step."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from runtime.clock import Clock
from tlog import checkpoint, cosignature
from witness.decide import Accept, Deny, Malformed, Request, State, decide, lines_of_the_log, read
from witness.keeper import Keeper, Record, keep

log = structlog.get_logger()
TEXT, SIZE = b"text/plain; charset=utf-8", b"text/x.tlog.size"


class Key(NamedTuple):
    """A key of the witness and the name that goes with it."""

    name: str
    private: Ed25519PrivateKey

    @property
    def vkey(self) -> str:
        """What others verify with."""
        return cosignature.format_vkey(self.name, self.private.public_key())


class Answer(NamedTuple):
    """HTTP status, content type and body."""

    status: int
    kind: bytes
    body: bytes


class Cosigner:
    """Answers add-checkpoint. `logs`: origin -> vkeys of the log. Thread-safe."""

    def __init__(self, logs: Mapping[str, Sequence[str]], keys: Sequence[Key], keeper: Keeper, clock: Clock) -> None:
        self.logs = {origin: tuple(vkeys) for origin, vkeys in logs.items()}
        self.keys = tuple(keys)
        self.keeper = keeper
        self._clock = clock
        self._one_at_a_time = threading.Lock()

    def add(self, body: bytes) -> Answer:
        """One request. Raises OSError where the answer could not be kept: then there is none."""
        try:
            asked = read(body)
        except Malformed as error:
            return _refusal(Deny(400, str(error)))
        origin = asked.checkpoint.origin
        with self._one_at_a_time:
            state = self._state(origin)
            verdict = decide(state, asked)
            if isinstance(verdict, Accept):
                return Answer(200, TEXT, self._cosign(verdict).encode())
        if state is not None and (verdict.status == 422 or (verdict.status == 409 and _is_fork(state, asked))):
            _keep_evidence(state, asked, verdict)
        return _refusal(verdict)

    def _state(self, origin: str) -> State | None:
        vkeys = self.logs.get(origin)
        if vkeys is None:
            return None
        record = self.keeper.get(origin)
        held = checkpoint.parse(checkpoint.split_note(record.note).text) if record else None
        return State(vkeys, tuple(key.vkey for key in self.keys), held)

    def _cosign(self, accepted: Accept) -> str:
        """Our lines, once they are kept. A repetition within the same second costs no write."""
        origin = accepted.held.origin
        before = self.keeper.get(origin)
        at_s = self._time_s()
        signed = "".join(checkpoint.signature_line(*line) for line in accepted.lines)
        lines = "".join(cosignature.sign(accepted.text, key.name, key.private, at_s) for key in self.keys)
        record = Record(origin, at_s, f"{accepted.text}\n{signed}{lines}", lines)
        if record != before:
            self.keeper.put(record)
        log.debug("checkpoint.cosigned", origin=origin, size=accepted.held.size, time_s=at_s)
        return lines

    def _time_s(self) -> int:
        """Now, but never before what was signed already, and never 0, which would mean "no time"."""
        now = int(self._clock.now().timestamp())
        return max(now, 1, *(record.time_s for record in self.keeper.all()))


def key_from_file(name: str, path: Path) -> Key:
    """The Ed25519 key in a PEM file (PKCS #8), made if there is none; raises TypeError for another kind of key."""
    if not path.exists():
        _make_key(path)
    private = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError(f"{path} does not hold an Ed25519 key")
    return Key(name, private)


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep(path, Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _keep_evidence(state: State, asked: Request, denied: Deny) -> None:
    """The log signed this. Two trees of one size prove that it showed two pasts; else it may be a wrong proof. What
    others wrote below it is left out."""
    lines = "".join(checkpoint.signature_line(*line) for line in lines_of_the_log(asked.note, state))
    held = state.held.size if state.held else 0
    is_fork = _is_fork(state, asked)
    say = log.critical if is_fork else log.warning
    note = f"{asked.note.text}\n{lines}"
    say("checkpoint.contradicts", alarm=is_fork, reason=denied.reason, held=held, note=note)


def _is_fork(state: State, asked: Request) -> bool:
    return state.held is not None and asked.checkpoint.size == state.held.size and asked.checkpoint != state.held


def _refusal(denied: Deny) -> Answer:
    if denied.status == 409:
        return Answer(409, SIZE, f"{denied.size}\n".encode())
    return Answer(denied.status, TEXT, f"{denied.reason}\n".encode())
