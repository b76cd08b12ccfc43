"""What witnesses signed: each line has to fit the checkpoint that it stands under, and no witness went back.

A witness's key is never taken from the database: without one from outside, only the form of its lines is looked at.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from audit_service.fsck import store
from audit_service.fsck.findings import Findings
from tlog import checkpoint, cosignature
from tlog.proofs import ProofError


async def check_cosignatures(tx: Any, witnesses: Sequence[str], findings: Findings) -> None:
    """`witnesses` are vkeys. A replaced checkpoint does not fit what an outsider signed, whoever signed it anew."""
    vkeys: dict[str, list[str]] = defaultdict(list)
    for vkey in witnesses:
        vkeys[cosignature.parse_vkey(vkey).name].append(vkey)
    last: dict[tuple[int, str], int] = {}
    async for shard, size, witness, line, note in store.cosignatures(tx):
        what = f"cosignature {size} of shard {shard} by {witness}"
        try:
            at_s = _time_of(note, line, witness, vkeys.get(witness, []))
        except ProofError as error:
            findings.report(what, str(error))
            continue
        if at_s < last.get((shard, witness), 0):
            findings.report(what, "was given before one of a smaller tree")
        last[shard, witness] = max(at_s, last.get((shard, witness), 0))


def _time_of(note: str, line: str, witness: str, vkeys: Sequence[str]) -> int:
    """Seconds since 1970, 0 where no key is at hand; raises ProofError."""
    whole = note + line
    if not any(name == witness for name, _, _ in checkpoint.split_note(whole).signatures):
        raise ProofError("is not a line of that witness")
    if not vkeys:
        return 0
    refused: list[ProofError] = []
    for vkey in vkeys:
        try:
            return cosignature.verify(whole, vkey)
        except ProofError as error:
            refused.append(error)
    raise refused[0]
