"""A small log and good receipts from it, put together without tlog: the tests of two verifiers start from these."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.merkle import DIGESTS, Definition

Receipt = dict[str, Any]
ORIGIN = "yunjiang.example/log1"
CALL = "01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e"
OTHER_CALL = "01931f2e-7c1a-7d4e-9b3a-000000000000"
WITNESS = "witness.example/w1"
AT_S = 1_790_000_000
"""2026-09-21T14:13:20Z"""


def key(seed: int = 1) -> Ed25519PrivateKey:
    """The same key for the same seed (0 to 255)."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def base64_of(raw: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(raw).decode()


def vkey(name: str = ORIGIN, private: Ed25519PrivateKey | None = None, kind: int = 1) -> str:
    """C2SP form of a public key; kind 4 is that of a witness."""
    public = bytes([kind]) + (private or key()).public_key().public_bytes_raw()
    key_id = hashlib.sha256(name.encode() + b"\n" + public).hexdigest()[:8]
    return f"{name}+{key_id}+{base64_of(public)}"


def signature_line(text: str, name: str = ORIGIN, private: Ed25519PrivateKey | None = None) -> str:
    """One line under a note, newline included."""
    private = private or key()
    identity = bytes.fromhex(vkey(name, private).removeprefix(name + "+")[:8])
    return f"— {name} {base64_of(identity + private.sign(text.encode()))}\n"


def witness_vkey(name: str = WITNESS, private: Ed25519PrivateKey | None = None) -> str:
    """C2SP form of a witness's public key."""
    return vkey(name, private or key(7), kind=4)


def cosignature_line(text: str, name: str = WITNESS, private: Ed25519PrivateKey | None = None, at_s: int = AT_S) -> str:
    """One line under a note by which a witness says that it saw the tree at that time; newline included."""
    private = private or key(7)
    identity = bytes.fromhex(witness_vkey(name, private).removeprefix(name + "+")[:8])
    signature = private.sign(f"cosignature/v1\ntime {at_s}\n{text}".encode())
    return f"— {name} {base64_of(identity + at_s.to_bytes(8, 'big') + signature)}\n"


def leaf_of(call: str, phase: str, sequence: int) -> bytes:
    """A leaf as the platform writes them, shortened."""
    members = {"call": call, "department": "民政局", "phase": phase, "sequence": sequence, "v": 1}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@dataclass(frozen=True)
class SmallLog:
    """A log in which records 5 and 9 belong to CALL; further leaves can be put in place of others."""

    size: int = 13
    replaced: dict[int, bytes] = field(default_factory=dict)
    suite: str = "SHA-256"

    def leaves(self) -> list[bytes]:
        """All leaves in order."""
        row = [leaf_of(OTHER_CALL, "denied", i) for i in range(self.size)]
        row[5], row[9] = leaf_of(CALL, "intent", 5), leaf_of(CALL, "outcome", 9)
        for index, leaf in self.replaced.items():
            row[index] = leaf
        return row

    def tree(self) -> Definition:
        """All its hashes."""
        return Definition(self.leaves(), DIGESTS[self.suite])

    def text(self) -> str:
        """What a checkpoint of this log says."""
        extension = "" if self.suite == "SHA-256" else f"hash {self.suite}\n"
        return f"{ORIGIN}\n{self.size}\n{base64_of(self.tree().root(self.size))}\n{extension}"

    def note(self, *lines: str) -> str:
        """Its checkpoint with these lines below, by default the one of its key."""
        return self.text() + "\n" + "".join(lines or [signature_line(self.text())])

    def receipt(self, *indexes: int, call: str = CALL) -> Receipt:
        """A receipt for the records at these indexes (default: the two of CALL)."""
        tree, leaves = self.tree(), self.leaves()
        records: list[object] = [
            {
                "index": index,
                "leaf": base64_of(leaves[index]),
                "salt": "00ff" * 8,
                "proof": [base64_of(step) for step in tree.inclusion(index, self.size)],
            }
            for index in indexes or (5, 9)
        ]
        return {"v": 1, "call": call, "log": ORIGIN, "checkpoint": self.note(), "records": records}


def file_of(receipt: object) -> bytes:
    """A receipt as bytes, without a byte that does not matter."""
    return json.dumps(receipt, ensure_ascii=False, separators=(",", ":")).encode()


def changed_member(*path: str | int, to: object) -> Callable[[Receipt], None]:
    """A change that puts another value at one place of a receipt."""

    def change(receipt: Any) -> None:
        for step in path[:-1]:
            receipt = receipt[step]
        receipt[path[-1]] = to

    return change


def _swap_leaves(receipt: Receipt) -> None:
    first, second = receipt["records"]
    first["leaf"], second["leaf"] = second["leaf"], first["leaf"]


def _swap_indexes(receipt: Receipt) -> None:
    first, second = receipt["records"]
    first["index"], second["index"] = second["index"], first["index"]


_LEAF = base64_of(leaf_of(CALL, "outcome", 8))
TAMPERINGS: dict[str, Callable[[Receipt], object]] = {
    "version 2": changed_member("v", to=2),
    "version true": changed_member("v", to=True),
    "version 1.0": changed_member("v", to=1.0),
    "other call": changed_member("call", to=OTHER_CALL),
    "call in capitals": changed_member("call", to=CALL.upper()),
    "call with newline": changed_member("call", to=CALL + "\n"),
    "call null": changed_member("call", to=None),
    "other log": changed_member("log", to="yunjiang.example/log2"),
    "log null": changed_member("log", to=None),
    "member too many": changed_member("note", to="approved"),
    "member missing": lambda receipt: receipt.pop("log"),
    "no records": changed_member("records", to=[]),
    "records an object": changed_member("records", to={}),
    "record null": changed_member("records", 0, to=None),
    "record member too many": changed_member("records", 0, "phase", to="denied"),
    "record member missing": lambda receipt: receipt["records"][0].pop("salt"),
    "record twice": lambda receipt: receipt["records"].append(receipt["records"][0]),
    "indexes swapped": _swap_indexes,
    "leaves swapped": _swap_leaves,
    "leaf of own making": changed_member("records", 0, "leaf", to=_LEAF),
    "leaf not base64": changed_member("records", 0, "leaf", to="!"),
    "leaf with a newline": lambda receipt: changed_member(
        "records", 0, "leaf", to=receipt["records"][0]["leaf"] + "\n"
    )(receipt),
    "leaf null": changed_member("records", 0, "leaf", to=None),
    "index off by one": changed_member("records", 0, "index", to=6),
    "index negative": changed_member("records", 0, "index", to=-8),
    "index behind the tree": changed_member("records", 0, "index", to=5 + 16),
    "index a text": changed_member("records", 0, "index", to="5"),
    "index a fraction": changed_member("records", 0, "index", to=5.0),
    "salt a number": changed_member("records", 0, "salt", to=0),
    "salt half a byte": changed_member("records", 0, "salt", to="abc"),
    "salt in capitals": changed_member("records", 0, "salt", to="AB"),
    "proof empty": changed_member("records", 0, "proof", to=[]),
    "proof null": changed_member("records", 0, "proof", to=None),
    "proof a text": changed_member("records", 0, "proof", to="A" * 44),
    "proof reversed": lambda receipt: receipt["records"][0]["proof"].reverse(),
    "proof step short": changed_member("records", 0, "proof", 0, to=base64_of(bytes(31))),
    "proof step null": changed_member("records", 0, "proof", 0, to=None),
    "proof step more behind": lambda receipt: receipt["records"][0]["proof"].append(base64_of(bytes(32))),
    "proof step more in front": lambda receipt: receipt["records"][0]["proof"].insert(0, base64_of(bytes(32))),
    "checkpoint null": changed_member("checkpoint", to=None),
    "checkpoint unsigned": changed_member("checkpoint", to=SmallLog().text() + "\n"),
    "checkpoint of a larger log": changed_member("checkpoint", to=SmallLog(14).receipt()["checkpoint"]),
    "checkpoint signed by another": changed_member(
        "checkpoint", to=SmallLog().text() + "\n" + signature_line(SmallLog().text(), ORIGIN, key(2))
    ),
}
"""One change each, after which a receipt must not hold. Every change works in place."""
