"""Tables that say how the log is kept, against the leaves that say so: shards, keys, segments that went."""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from audit_service import store as log
from audit_service.archive.periods import Periods
from audit_service.archive.store import Archived
from audit_service.fsck import store
from audit_service.fsck.findings import Findings
from audit_service.fsck.keys import ADDED, FROZEN, OPENED, REMOVED, Keys, is_vkey
from audit_service.fsck.told import Statement, Told
from audit_service.fsck.walk import Frontier
from audit_service.summary import moment
from tlog import checkpoint
from tlog.proofs import ProofError

APPROVED, DISPOSED = "disposal.approved", "disposal.executed"
_ANY_SIZE = 2**63 - 1
WRITER = "sequencer"
"""Under this name the log itself writes of shards and keys."""


# --- shards ---------------------------------------------------------------------------------------------------------
def check_shards(shards: Sequence[log.Shard], head: store.HeadRow, told: Told, findings: Findings) -> None:
    """Each begins where the one before it was frozen, and says so; the head is in the last one."""
    if not shards or shards[0].first or shards[-1].id != head.shard:
        findings.report("log_head", f"is in shard {head.shard}, which is not the last one, or the first is missing")
    for before, after in pairwise(shards):
        if before.size is None or after.first != before.first + before.size:
            findings.report(f"shard {after.id}", f"does not begin where shard {before.id} ends")
        opened = {
            "log": after.origin,
            "suite": after.suite,
            "previous": before.origin,
            "previous_size": str(before.size),
        }
        if not told.says(after.first, OPENED, opened):
            findings.report(f"shard {after.id}", f"its first leaf does not say that it follows shard {before.id}")
        lost = "lost" in facts_at(told, after.first)  # what was published is gone: nobody could say more
        if not lost and not told.says(after.first - 1, FROZEN, {"log": before.origin, "next": after.origin}):
            findings.report(f"shard {before.id}", "its last leaf does not say that it is frozen")
    if shards and shards[-1].size not in (None, head.size):
        findings.report(f"shard {shards[-1].id}", "is frozen with another size than it has")
    elif shards and shards[-1].size is not None:
        findings.note(f"shard {shards[-1].id}: is frozen, and the next one has not been opened yet")


def facts_at(told: Told, index: int) -> dict[str, str]:
    """Of the leaf at an index."""
    found = told.by_index.get(index)
    return found.facts if found else {}


def closing(shards: Sequence[log.Shard], shard: log.Shard, told: Told) -> tuple[bytes, bool]:
    """The root of a frozen shard in the words of the next one, empty if nobody says it; and whether a newer tree of it
    had been published and was lost, so that nobody may sign this one."""
    after = next((one for one in shards if one.first == shard.first + (shard.size or 0) and one.id > shard.id), None)
    facts = facts_at(told, after.first) if after else {}
    try:
        return bytes.fromhex(facts.get("previous_root", "")), "lost" in facts
    except ValueError:
        return b"", False


# --- keys -----------------------------------------------------------------------------------------------------------
async def settle_keys(tx: Any, keys: Keys, told: Told) -> None:
    """Find out which keys can be trusted: those that leaves name which a trusted signature covers, and so on."""
    open_ends = [one for one in told.by_index.values() if one.writer == WRITER]
    for statement in open_ends:
        keys.hear(statement)
    believed = True
    while believed:
        believed = False
        for statement in list(open_ends):
            if await _is_covered(tx, keys, statement):
                keys.believe(statement)
                open_ends.remove(statement)
                believed = True


async def _is_covered(tx: Any, keys: Keys, told: Statement) -> bool:
    """By the first checkpoint over the leaf, or by the newest of its shard: both are over a tree that has it."""
    first = await store.next_checkpoint(tx, told.shard, told.own_index)
    if first is None:
        return False
    newest = await store.newest_checkpoint(tx, told.shard, _ANY_SIZE) or first
    return any(keys.is_trusted(note, told.shard, size) for size, note in (first, newest))


async def check_keys(
    tx: Any, named: Sequence[store.Named], shards: Sequence[log.Shard], told: Told, findings: Findings
) -> None:
    """The table of keys is what leaves say, and in the first shard what its first checkpoint shows."""
    for shard in shards:
        rows = {row.vkey: row.removed_at is not None for row in named if row.shard == shard.id}
        for vkey in [vkey for vkey in rows if not is_vkey(vkey)]:
            findings.report(f"key {vkey[:100]} of shard {shard.id}", "is not the key of a log")
            del rows[vkey]
        if not told.is_whole or not shard.origin:
            continue
        expected = await _keys_told(tx, shard, told, rows)
        for vkey in rows.keys() | expected.keys():
            what = f"key {vkey} of shard {shard.id}"
            if vkey not in expected:
                findings.report(what, "is in the table, and no leaf names it")
            elif vkey not in rows:
                findings.report(what, "signs, and is not in the table")
            elif rows[vkey] != expected[vkey]:
                findings.report(what, "was removed by a leaf, or by the table, and not by both")


async def _keys_told(tx: Any, shard: log.Shard, told: Told, rows: dict[str, bool]) -> dict[str, bool]:
    """By vkey whether it was removed since. The first keys of a log stand in no leaf: its first checkpoint has them."""
    opened = facts_at(told, shard.first).get("vkeys", "")
    first = opened.split() if opened else await _first_signers(tx, shard, rows)
    expected = dict.fromkeys(first, False)
    for one in sorted(told.by_index.values()):
        if one.shard == shard.id and one.writer == WRITER and one.name in (ADDED, REMOVED):
            expected[one.facts.get("vkey", "")] = one.name == REMOVED
    return expected


async def _first_signers(tx: Any, shard: log.Shard, rows: dict[str, bool]) -> list[str]:
    row = await store.next_checkpoint(tx, shard.id, -1)
    if row is None:
        return list(rows)  # nothing was signed yet
    try:
        signed = {(name, identity) for name, identity, _ in checkpoint.split_note(row[1]).signatures}
    except ProofError:
        return list(rows)  # the checkpoint itself is named for that
    known = {checkpoint.parse_vkey(vkey)[:2]: vkey for vkey in rows}
    return [known.get(one, f"{one[0]}+{one[1].hex()}") for one in signed if one[0] == shard.origin]


# --- segments -------------------------------------------------------------------------------------------------------
def check_segments(archive: dict[str, Archived], mixed: Container[str], told: Told, findings: Findings) -> None:
    """Every segment that is not in the database went for a reason that a leaf tells, and was allowed to. Segments that
    are `mixed` hold personal records, whatever their name says."""
    for name, kept in archive.items():
        if kept.state == "disposed":
            if not told.says(kept.disposal_leaf, DISPOSED, {"segment": name, **_extent(kept)}):
                findings.report(f"segment {name}", "is gone, and no leaf says that it was disposed of")
            elif (executed := told.by_index.get(kept.disposal_leaf or 0)) is not None:
                for why in _unlawful(name, mixed, executed, told):
                    findings.report(f"segment {name}", f"is gone, and {why}")
        elif kept.state in ("archived", "restored"):
            facts = {"segment": name, "manifest": kept.manifest_sha256.hex(), "object": kept.object,
                     "sha256": kept.sha256.hex(), **_extent(kept)}  # fmt: skip
            if not told.says(kept.manifest_leaf, "segment.archived", facts):
                findings.report(f"segment {name}", "is in the archive, and no leaf holds the hash of its manifest")


def _extent(kept: Archived) -> dict[str, str]:
    return {"first": str(kept.first_index), "last": str(kept.last_index), "count": str(kept.count)}


def _unlawful(segment: str, mixed: Container[str], executed: Statement, told: Told) -> Iterator[str]:
    """What speaks against a disposal, as leaves tell of it. The least periods of the law; an installation may have set
    longer ones."""
    facts = executed.facts
    people = facts.get("proposed_by", ""), facts.get("approved_by", "")
    if not all(people) or people[0] == people[1]:
        yield "not two people decided it"
    if not _was_due(segment, mixed, executed):
        yield "had to be kept longer"
    said = {name: facts.get(name, "") for name in ("disposal", "proposed_by")}
    approvals = (one for one in told.by_index.values() if one.name == APPROVED and one.leaf < executed.leaf)
    if told.is_whole and not any(one.facts.items() >= said.items() for one in approvals):
        yield "no leaf before says that two people approved it"


def _was_due(segment: str, mixed: Container[str], executed: Statement) -> bool:
    try:
        return Periods().is_due(segment, moment(executed.at).date(), mixed)
    except (ValueError, OverflowError):
        return False  # no day has this name


def check_index(archive: dict[str, Archived], indexed: Mapping[str, int], findings: Findings) -> None:
    """The index names as many leaves of a segment that went as the log said when it went."""
    for name, number in indexed.items():
        if number != archive[name].count:
            findings.report(f"segment {name}", f"is not in the database; of its {archive[name].count} leaves the index "
                            f"names {number}")  # fmt: skip


def check_gone(gone: Mapping[str, Frontier], told: Told, findings: Findings) -> None:
    """What is gone of a segment is what the log said would go: so many leaves, with this root over their hashes."""
    said = {one.facts.get("segment", ""): one.facts for one in told.by_index.values() if one.name == DISPOSED}
    for segment, hashes in gone.items():
        facts = said.get(segment)
        if facts and (facts.get("count"), facts.get("root")) != (str(hashes.size), hashes.root().hex()):
            findings.report(f"segment {segment}", "was disposed of, and other leaves are gone than the log said")
