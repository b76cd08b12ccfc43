"""What has to hold of a log in memory when everything has come to rest (security page, I5 to I8)."""

from typing import Any

import msgspec

from audit_service.checkpoint import Signer
from audit_service.store import Shard, look_up
from harness.log_in_memory import World, suite_of
from harness.receipts import key
from tlog import checkpoint
from tlog.hashes import Suite
from tlog.proofs import ProofError
from tlog.tiles import edge_tiles
from tlog.tree import append, overlay, root


def vkeys_of(origin: str) -> tuple[str, ...]:
    """Every key that may sign for an origin here."""
    return tuple(Signer(origin, key(1), key(2)).vkeys(origin))


def check(world: World, acknowledged: list[bytes]) -> None:
    """Contiguous, everything once, roots recomputed, one root for a size, published and witnessed kept."""
    state = world.state
    assert sorted(state.leaves) == list(range(len(state.leaves))), "indexes have gaps"
    leaves = [state.leaves[index].leaf for index in range(len(state.leaves))]
    assert len(set(leaves)) == len(leaves), "a leaf stands twice"
    assert set(acknowledged) <= set(leaves), "a leaf is missing"
    sequences = sorted((entry.head.gateway, entry.head.epoch, entry.head.sequence) for entry in state.leaves.values())
    promised = sorted((batch.gateway, batch.epoch, batch.first + n)
                      for batch in state.acknowledged.values() for n in range(batch.count))  # fmt: skip
    assert sequences == promised, "leaves are not what was acknowledged"
    end, before = 0, None
    for shard in state.shards:
        assert shard.first == end, "shards do not meet"
        size = state.size if shard.id == state.shard else shard.size
        assert size is not None
        end += size
        _check_shard(world, shard, leaves[shard.first : end])
        _check_words(world, before, shard, leaves[shard.first : end])
        before = shard
    assert end == len(leaves)


def _check_shard(world: World, shard: Shard, leaves: list[bytes]) -> None:
    state, suite = world.state, suite_of(shard)
    notes = _notes(world, shard)
    assert max(notes) == len(leaves), "the newest checkpoint does not cover the shard"
    roots = {size: _root(suite, leaves[:size]) for size in range(len(leaves) + 1)}
    for size, note in notes.items():
        said = checkpoint.open_checkpoint(note, *vkeys_of(shard.origin))
        expected = (shard.origin, size, roots[size], suite)
        assert (said.origin, said.size, said.root, said.suite) == expected, "a wrong root"
    for (signed, size), root_ in world.signed.items():
        assert signed != shard.origin or roots.get(size) == root_, "something else was signed"
    held = {(level, n): hashes for (number, level, n), hashes in state.tiles.items() if number == shard.id}
    assert set(edge_tiles(len(leaves))) <= set(held)
    assert root(len(leaves), look_up(held), suite=suite) == roots[len(leaves)], "tiles do not give the root"


def _check_words(world: World, before: Shard | None, shard: Shard, leaves: list[bytes]) -> None:
    """The log's words about itself: how the shard was opened and frozen, which keys sign."""
    said = [(leaf["event"], leaf["facts"]) for leaf in map(msgspec.json.decode, leaves) if leaf["kind"] == "event"]
    signing = set(vkeys_of(shard.origin)[:1])
    if before is not None:
        (name, facts), *said = said
        assert (name, _event(leaves[0])) == ("log.opened", name), "a shard does not begin with its opening"
        size = shard.first - before.first
        assert facts == {
            "log": shard.origin, "suite": shard.suite, "vkeys": facts["vkeys"], "previous": before.origin,
            "previous_size": str(size), "previous_checkpoint": _notes(world, before)[size],
            "previous_root": checkpoint.parse(_notes(world, before)[size].split("\n\n")[0] + "\n").root.hex(),
        }, "the opening leaf says something else"  # fmt: skip
        signing = set(facts["vkeys"].split())
    for name, facts in said:
        assert facts["log"] == shard.origin, "a leaf about another log"
        if name == "log.key_added":
            signing.add(facts["vkey"])
        elif name == "log.key_removed":
            signing.remove(facts["vkey"])
    if shard.size is not None:
        after = next(one for one in world.state.shards if one.first == shard.first + shard.size)
        assert _event(leaves[-1]) == "log.frozen", "a frozen shard does not end with its freezing"
        assert (said[-1][1]["next"], *said[-1][1]["next_vkeys"].split()) == (after.origin, *_first_keys(world, after))
    rows = {vkey for (number, vkey), signs in world.state.keys.items() if number == shard.id and signs}
    assert rows == signing, "the table has other keys than the leaves"
    newest = _notes(world, shard)[len(leaves)]
    assert {vkey for vkey in vkeys_of(shard.origin) if _is_signed(newest, vkey)} == signing, "other keys sign"


def _event(leaf: bytes) -> Any:
    return msgspec.json.decode(leaf)["event"]


def _first_keys(world: World, shard: Shard) -> list[str]:
    opened: str = msgspec.json.decode(world.state.leaves[shard.first].leaf)["facts"]["vkeys"]
    return opened.split()


def _notes(world: World, shard: Shard) -> dict[int, str]:
    return {size: note for (number, size), note in world.state.checkpoints.items() if number == shard.id}


def _is_signed(note: str, vkey: str) -> bool:
    try:
        checkpoint.open_checkpoint(note, vkey)
    except ProofError:
        return False
    return True


def _root(suite: Suite, leaves: list[bytes]) -> bytes:
    empty = look_up({})
    changed = append(0, [suite.leaf(leaf) for leaf in leaves], empty, suite=suite)
    return root(len(leaves), overlay(changed, empty), suite=suite)
