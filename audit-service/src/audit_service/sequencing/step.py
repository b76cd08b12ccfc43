"""The single writer of the tree, step by step: read this file from top to bottom.

`take_office` begins an epoch, so that whoever was it before can commit nothing more; compares what is stored with what
was published; freezes and opens shards. `step` is done over and over: one transaction gives everything that waits its
place in the tree, and only when that is committed a second one signs the tree that is there. So no tree is ever signed
that does not stay, whatever fails where. What that second one commits, the outside world may see.

Nothing is kept in memory but the epoch: after any failure, a commit in doubt above all, everything is read again. What
it works with stands in `ports`: the same code runs over PostgreSQL and in the simulation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import structlog

from audit_service.checkpoint import Seen, Signer
from audit_service.entry import BadBatch, Batch, Entry, batch_of, entries, segment_of
from audit_service.sequencing.ports import STEP_BATCHES, STEP_BYTES, Head, Ports, Read, Rows, Tiles
from audit_service.store import Shard, look_up
from tlog import checkpoint
from tlog.hashes import SUITES, Suite
from tlog.proofs import ProofError
from tlog.tiles import edge_tiles
from tlog.tree import append, overlay, root
from wire.audit import encode, event_leaf, new_event

log = structlog.get_logger()
WRITER = "sequencer"
"""The name under which the log itself writes: its epochs are those of the head, and nobody gets a lease by it."""
ROLLED_BACK, FORKED, CONTRADICTED = "log.rolled_back", "log.forked", "log.tiles_contradict_head"
SUPERSEDED, SUITE_CHANGED = "log.shard_superseded", "log.suite_changed"
Said = tuple[str, dict[str, str]]
"""Name and facts of an event."""


class SteppedDown(Exception):
    """Somebody else is the sequencer now, or the office has to be taken anew."""


class Refused(Exception):
    """Signing would contradict what has been published, or what is stored; the message is the alarm's name."""


@dataclass
class Term:
    """One replica's time in office: its epoch, how much it has said in its own name, damaged batches it came by."""

    epoch: int
    said: int = 0
    damaged: set[int] = field(default_factory=set)


class Step(NamedTuple):
    """What one step did: leaves added, whether more may be waiting, and the newest tree.

    first     index of the first of them through all shards
    added     their records
    segments  where they are, by retention class
    """

    leaves: int
    more: bool
    size: int
    root: bytes
    first: int = 0
    added: Sequence[Entry] = ()
    segments: Mapping[str, str] = MappingProxyType({})


# --- office ---------------------------------------------------------------------------------------------------------
async def take_office(ports: Ports) -> Term:
    """A new epoch, with a log that is whole, agrees with what was published and has the origin that is wanted now.

    Raises Refused. An origin that has never been used ends the current shard: with a last leaf that names the next
    origin and a final checkpoint; or, where the stored log is older than what was published, as it stands and unsigned.
    """
    async with ports.storage.transaction() as rows:
        term = Term(await rows.begin_epoch())
        origin, wanted = (await rows.head()).shard.origin, ports.signer.origin_at(await ports.now(rows))
    seen = await ports.guard.read()
    asked = {origin, wanted} if origin else ()
    witnessed = [tree for name in sorted(asked) for tree in await ports.witnessed(name)]
    async with ports.storage.transaction() as rows:
        head, edge = await _own_head(rows, term)
        now = await ports.now(rows)
        if not head.shard.origin:
            head = await _found(ports, rows, head, now)
        turns = wanted not in [shard.origin for shard in await rows.shards()]
        await _miss_the_file(rows, head, seen)
        alarm = await _contradiction(rows, head, seen, witnessed)
        known = {head.shard.origin, *(tree.origin for tree in witnessed), seen.origin if seen else ""}
        if alarm and any(map(ports.signer.names, known)):
            raise Refused(alarm)  # only a name that somebody chose anew goes on after a loss, not a year that turned
        if alarm:
            log.critical(alarm, alarm=True, origin=head.shard.origin, next=wanted)
        if not turns:
            await _go_on(ports, rows, term, head, edge, wanted, now)
        elif head.shard.size is None:
            if not alarm:
                events = [*await _changed_keys(ports, rows, head, now), _frozen(ports.signer, head, wanted)]
                head = await _say(rows, term, head, edge, now, events)
            await rows.freeze(replace(head.shard, size=head.size), now)
    if not alarm:
        await _seal(ports, term)
    if turns:
        async with ports.storage.transaction() as rows:
            await _open(ports, rows, term, wanted, seen if alarm else None)
        await _seal(ports, term)
    log.info("sequencer.elected", epoch=term.epoch)
    return term


async def _own_head(rows: Rows, term: Term) -> tuple[Head, Tiles]:
    """The head and the tiles on its edge. Raises SteppedDown if the epoch is over, Refused if head and tiles do not
    agree."""
    head = await rows.head()
    if head.epoch != term.epoch:
        raise SteppedDown
    edge = await rows.tiles(edge_tiles(head.size), head.shard.id)
    if not _is_root(head.root, head.size, edge, head.suite):
        raise Refused(CONTRADICTED)
    return head, edge


async def _found(ports: Ports, rows: Rows, head: Head, now: datetime) -> Head:
    """The first office of all: the first shard gets its name and its keys; a log from before there were shards keeps
    the name that it signed with."""
    newest = await rows.newest_checkpoint(head.shard.id)
    if newest is None:
        shard = replace(head.shard, origin=ports.signer.origin_at(now), suite=ports.suite.name)
        head = head._replace(shard=shard, root=ports.suite.empty)
        await rows.advance(head)
    else:
        head = head._replace(shard=replace(head.shard, origin=_text_of(newest[1]).origin))
    await rows.name_shard(head.shard)
    for vkey in ports.signer.vkeys(head.shard.origin):
        await rows.add_key(head.shard.id, vkey, now)
    return head


async def _miss_the_file(rows: Rows, head: Head, seen: Seen | None) -> None:
    """A log that was published, and nothing remembers it but the database and the witnesses: somebody has to know."""
    newest = await rows.newest_checkpoint(head.shard.id)
    if seen is None and newest is not None and (newest[0] or head.shard.first):  # the file follows the empty one
        log.critical("log.published_file_gone", alarm=True, origin=head.shard.origin, size=newest[0])


async def _contradiction(rows: Rows, head: Head, seen: Seen | None, witnessed: Sequence[checkpoint.Checkpoint]) -> str:
    """The alarm, if what was published or witnessed is not a part of what is stored."""
    shards = await rows.shards()
    by_origin, by_id = {shard.origin: shard for shard in shards}, {shard.id: shard for shard in shards}
    told = [(by_origin.get(tree.origin), tree.size, tree.root) for tree in witnessed]
    if seen is not None:
        shard = by_id.get(seen.shard)
        told.append((shard if shard and seen.origin in ("", shard.origin) else None, seen.size, seen.root))
    alarm = ""
    for shard, size, published in told:
        if shard is None or size > (head.size if shard.size is None else shard.size):
            return ROLLED_BACK
        tiles = await rows.tiles(edge_tiles(size), shard.id)
        alarm = alarm if _is_root(published, size, tiles, SUITES[shard.suite]) else FORKED
    return alarm


async def _go_on(ports: Ports, rows: Rows, term: Term, head: Head, edge: Tiles, wanted: str, now: datetime) -> None:
    """In the shard that is there, if it is the one that is wanted. A key that came or went is told by a leaf."""
    if head.shard.size is not None or head.shard.origin != wanted:
        raise Refused(SUPERSEDED)
    if head.shard.suite != ports.suite.name:
        raise Refused(SUITE_CHANGED)
    events = await _changed_keys(ports, rows, head, now)
    if events:
        await _say(rows, term, head, edge, now, events)


async def _changed_keys(ports: Ports, rows: Rows, head: Head, now: datetime) -> list[Said]:
    """What there is to say about keys that came or went since the shard was last signed."""
    before, after = await rows.keys(head.shard.id), ports.signer.vkeys(head.shard.origin)
    added, ended = [vkey for vkey in after if vkey not in before], [vkey for vkey in before if vkey not in after]
    for vkey in added:
        await rows.add_key(head.shard.id, vkey, now)
    for vkey in ended:
        await rows.end_key(head.shard.id, vkey, now)
    if not set(before) & set(after):
        log.critical("log.keys_changed_without_overlap", alarm=True, origin=head.shard.origin)
    return [
        *(("log.key_added", {"log": head.shard.origin, "vkey": vkey}) for vkey in added),
        *(("log.key_removed", {"log": head.shard.origin, "vkey": vkey}) for vkey in ended),
    ]


def _frozen(signer: Signer, head: Head, wanted: str) -> Said:
    return "log.frozen", {"log": head.shard.origin, "next": wanted, "next_vkeys": " ".join(signer.vkeys(wanted))}


async def _open(ports: Ports, rows: Rows, term: Term, wanted: str, lost: Seen | None) -> None:
    """A shard whose first leaf names the one before it and its last checkpoint; and what was published, but is lost."""
    before, _ = await _own_head(rows, term)
    now = await ports.now(rows)
    newest = await rows.newest_checkpoint(before.shard.id)
    number = max(before.shard.id, lost.shard if lost else 0) + 1
    shard = Shard(number, wanted, ports.suite.name, before.end, None)
    await rows.open(shard, now)
    vkeys = ports.signer.vkeys(wanted)
    for vkey in vkeys:
        await rows.add_key(shard.id, vkey, now)
    facts = {
        "log": wanted, "suite": shard.suite, "vkeys": " ".join(vkeys), "previous": before.shard.origin,
        "previous_size": str(before.size), "previous_root": before.root.hex(),
        "previous_checkpoint": newest[1] if newest else "",
    }  # fmt: skip
    if lost:
        facts |= {"lost": lost.origin, "lost_size": str(lost.size), "lost_root": lost.root.hex()}
    empty = Head(shard, 0, term.epoch, ports.suite.empty)
    await _say(rows, term, empty, {}, now, [("log.opened", facts)])


async def _say(rows: Rows, term: Term, head: Head, edge: Tiles, now: datetime, events: Sequence[Said]) -> Head:
    """Leaves of the log about itself: acknowledged and in the tree at once."""
    leaves = []
    for number, (name, facts) in enumerate(events, term.said):
        event = new_event(name, now, WRITER, "", facts)
        leaves.append((encode(event_leaf(event, WRITER, term.epoch, number)), b""))
    batch = batch_of(WRITER, term.epoch, term.said, leaves)
    term.said += len(leaves)
    await rows.acknowledge(batch)
    return await _append(rows, head, edge, entries(batch), now)


# --- steps ----------------------------------------------------------------------------------------------------------
async def step(ports: Ports, term: Term) -> Step:
    """Everything that waits (up to a size) gets its place in the tree; then the tree is signed and published.

    Raises SteppedDown if the epoch is over or another origin's time has come, Refused if what is stored contradicts
    itself. After any other exception the office has to be taken anew.
    """
    async with ports.storage.transaction() as rows:
        head, edge = await _own_head(rows, term)
        now = await ports.now(rows)
        if head.shard.origin != ports.signer.origin_at(now):
            raise SteppedDown
        waiting = await rows.waiting(term.damaged)
        taken, added = _readable(ports.read, waiting, term.damaged)
        if not taken:
            return Step(0, False, head.size, head.root)
        new = await _append(rows, head, edge, added, now)
        await rows.drop(taken)
    await _seal(ports, term)
    log.debug("log.sequenced", leaves=len(added), batches=len(taken), size=new.size)
    return Step(len(added), _was_full(waiting), new.size, new.root, head.end, added, _segments(added, now))


async def _append(rows: Rows, head: Head, edge: Tiles, added: Sequence[Entry], now: datetime) -> Head:
    """Leaves, tiles and head."""
    await rows.add(head.end, added, _segments(added, now), now)
    suite, stored = head.suite, look_up(edge)
    changed = append(head.size, [suite.leaf(entry.leaf) for entry in added], stored, suite=suite)
    size = head.size + len(added)
    new = head._replace(size=size, root=root(size, overlay(changed, stored), suite=suite))
    await rows.put_tiles(changed, head.shard.id)
    await rows.advance(new)
    return new


def _segments(added: Sequence[Entry], now: datetime) -> dict[str, str]:
    """The segment of each retention class among some records that are sequenced now."""
    return {name: segment_of(now.date(), name) for name in {entry.head.retention for entry in added}}


async def _seal(ports: Ports, term: Term) -> None:
    """Sign the tree that is committed, unless it is signed; then remember that it may have been seen."""
    seen = await ports.guard.read()  # before the head: what was published by then is a part of it
    async with ports.storage.transaction() as rows:
        head, _ = await _own_head(rows, term)
        if seen is not None and seen.shard == head.shard.id and (alarm := await _contradiction(rows, head, seen, [])):
            raise Refused(alarm)
        newest = await rows.newest_checkpoint(head.shard.id)
        if newest is None or newest[0] < head.size:  # the empty log has a checkpoint as well
            note = ports.signer.sign(head.size, head.root, head.shard.origin, head.suite)
            await rows.add_checkpoint(head.shard.id, head.size, note)
    await ports.guard.write(Seen(head.size, head.root, head.shard.origin, head.shard.id))


def _readable(read: Read, waiting: list[tuple[int, Batch]], damaged: set[int]) -> tuple[list[int], list[Entry]]:
    """Ids and records of the batches that are still what was acknowledged. A damaged one stays where it is, and is no
    reason to hold up the others."""
    taken: list[int] = []
    added: list[Entry] = []
    for number, batch in waiting:
        try:
            added += read(batch)
            taken.append(number)
        except BadBatch as error:
            damaged.add(number)
            log.critical("batch.damaged", batch=batch.key, reason=str(error), alarm=True)
    return taken, added


def _was_full(waiting: list[tuple[int, Batch]]) -> bool:
    return len(waiting) >= STEP_BATCHES or sum(len(batch.content) for _, batch in waiting) >= STEP_BYTES


def _is_root(expected: bytes, size: int, tiles: Tiles, suite: Suite) -> bool:
    try:
        return root(size, look_up(tiles), suite=suite) == expected
    except ProofError:
        return False


def _text_of(note: str) -> checkpoint.Checkpoint:
    return checkpoint.parse(checkpoint.split_note(note).text)
