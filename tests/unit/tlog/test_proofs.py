"""Proof checks against published probes, hostile forms, and very large trees."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlog.hashes import leaf_hash, node_hash
from tlog.proofs import ProofError, root_of_path, verify_consistency, verify_inclusion

PROBES = json.loads((Path(__file__).parents[2] / "data" / "merkle-rfc6962-probes.json").read_text())
STRICTER = {"testdata/consistency/additional/sizes-are-equal-one-and-proof-is-empty.json"}
"""Accepted upstream although its roots are no hashes (the words "don't care 2"); refused here."""
HASH = leaf_hash(b"")


def decoded(probe: dict[str, Any], name: str) -> bytes:
    return base64.b64decode(probe[name] or "")


def judge(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except ProofError:
        return False
    return True


@pytest.mark.requirement("LOG-01")
@pytest.mark.parametrize("probe", PROBES["inclusion"], ids=lambda probe: probe["file"])
def test_inclusion_probes(probe: dict[str, Any]) -> None:
    path = [base64.b64decode(step) for step in probe["proof"] or []]
    leaf, root = decoded(probe, "leafHash"), decoded(probe, "root")
    assert judge(verify_inclusion, leaf, probe["leafIdx"], probe["treeSize"], path, root) is not probe["wantErr"]


@pytest.mark.requirement("LOG-01")
@pytest.mark.parametrize("probe", PROBES["consistency"], ids=lambda probe: probe["file"])
def test_consistency_probes(probe: dict[str, Any]) -> None:
    path = [base64.b64decode(step) for step in probe["proof"] or []]
    roots = decoded(probe, "root1"), decoded(probe, "root2")
    refused = probe["wantErr"] or probe["file"] in STRICTER
    assert judge(verify_consistency, probe["size1"], probe["size2"], path, *roots) is not refused


def test_the_probes_are_all_there() -> None:
    verdicts = [probe["wantErr"] for kind in ("inclusion", "consistency") for probe in PROBES[kind]]
    assert (verdicts.count(False), verdicts.count(True)) == (12, 184)


@pytest.mark.requirement("LOG-01")
def test_trees_of_2_to_the_64_leaves_can_be_proved() -> None:
    path = [leaf_hash(bytes([height])) for height in range(64)]
    first = last = HASH
    for step in path:
        first, last = node_hash(first, step), node_hash(step, last)
    verify_inclusion(HASH, 0, 2**64, path, first)
    verify_inclusion(HASH, 2**64 - 1, 2**64, path, last)
    older = node_hash(path[62], path[63])
    verify_consistency(2**63, 2**64, [path[0]], older, node_hash(older, path[0]))
    with pytest.raises(ProofError):
        verify_inclusion(HASH, 0, 2**64 + 1, [*path, HASH], node_hash(first, HASH))


@pytest.mark.requirement("LOG-01")
@pytest.mark.parametrize("length", [0, 63, 65, 200])
def test_a_path_of_the_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(ProofError, match="too long" if length > 64 else "too short"):
        root_of_path(HASH, 2**63, 2**64, [HASH] * length)


@pytest.mark.requirement("LOG-01")
def test_two_roots_for_one_size_are_a_fork() -> None:
    other = leaf_hash(b"other")
    verify_consistency(5, 5, [], HASH, HASH)
    with pytest.raises(ProofError, match="forked"):
        verify_consistency(5, 5, [], HASH, other)
    with pytest.raises(ProofError, match="no proof"):
        verify_consistency(5, 5, [HASH], HASH, HASH)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(),
    st.binary(max_size=40),
    st.just(HASH),
)
sizes = st.one_of(st.integers(-1, 9), st.integers(2**64 - 2, 2**64 + 2), anything)
paths = st.one_of(anything, st.lists(st.one_of(anything, st.just(HASH)), max_size=70))


@pytest.mark.requirement("LOG-06")
@given(leaf=anything, index=sizes, size=sizes, path=paths, root=anything)
def test_no_input_to_verify_inclusion_raises_anything_else(
    leaf: Any, index: Any, size: Any, path: Any, root: Any
) -> None:
    good = judge(verify_inclusion, leaf, index, size, path, root)
    assert not good or (index, size, path, root) == (0, 1, [], leaf)


@pytest.mark.requirement("LOG-06")
@given(size1=sizes, size2=sizes, path=paths, root1=anything, root2=anything)
def test_no_input_to_verify_consistency_raises_anything_else(
    size1: Any, size2: Any, path: Any, root1: Any, root2: Any
) -> None:
    good = judge(verify_consistency, size1, size2, path, root1, root2)
    assert not good or (size1 == size2 and path == [] and root1 == root2)
