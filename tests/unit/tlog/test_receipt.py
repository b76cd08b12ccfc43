"""Receipts: good ones, and one change at a time."""

import copy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.receipts import (
    CALL,
    ORIGIN,
    OTHER_CALL,
    TAMPERINGS,
    Receipt,
    SmallLog,
    changed_member,
    file_of,
    key,
    leaf_of,
    signature_line,
    vkey,
)
from tlog.proofs import ProofError
from tlog.receipt import parse, verify

GOOD: Receipt = SmallLog().receipt()


def holds(receipt: Receipt) -> bool:
    try:
        verify(receipt, vkey())
    except ProofError:
        return False
    return True


@pytest.mark.requirement("LOG-05")
def test_a_good_receipt_gives_its_leaves() -> None:
    leaves = verify(parse(file_of(GOOD)), vkey())
    assert [(leaf["call"], leaf["phase"], leaf["sequence"]) for leaf in leaves] == [
        (CALL, "intent", 5),
        (CALL, "outcome", 9),
    ]


@pytest.mark.requirement("LOG-05")
@pytest.mark.parametrize("size", [10, 13, 16, 17])
def test_receipts_hold_for_trees_of_any_shape(size: int) -> None:
    assert len(verify(SmallLog(size).receipt(9), vkey())) == 1


@pytest.mark.requirement("LOG-05")
def test_a_witnessed_checkpoint_is_as_good() -> None:
    receipt = copy.deepcopy(GOOD)
    receipt["checkpoint"] += signature_line(SmallLog().text(), "witness.example", key(7))
    assert holds(receipt)


@pytest.mark.requirement("LOG-05")
@pytest.mark.parametrize("name", TAMPERINGS)
def test_one_change_is_enough(name: str) -> None:
    receipt = copy.deepcopy(GOOD)
    TAMPERINGS[name](receipt)
    with pytest.raises(ProofError):
        verify(receipt, vkey())


@pytest.mark.requirement("LOG-05")
def test_the_last_record_cannot_be_moved_one_place_on() -> None:
    receipt: Receipt = SmallLog(10).receipt(9)
    assert verify(receipt, vkey())
    changed_member("records", 0, "index", to=10)(receipt)
    with pytest.raises(ProofError, match="not inside the tree"):
        verify(receipt, vkey())


@pytest.mark.requirement("LOG-05")
def test_a_record_of_another_call_proves_nothing_here() -> None:
    with pytest.raises(ProofError, match="another call"):
        verify(SmallLog().receipt(5, 6), vkey())


@pytest.mark.requirement("LOG-05")
def test_the_key_comes_from_the_reader() -> None:
    """A forger can build a perfect log of his own; only the key tells it apart."""
    text = SmallLog(replaced={9: leaf_of(CALL, "denied", 9)}).text()
    forged = SmallLog(replaced={9: leaf_of(CALL, "denied", 9)}).receipt()
    forged["checkpoint"] = f"{text}\n{signature_line(text, ORIGIN, key(66))}"
    assert verify(forged, vkey(ORIGIN, key(66)))
    with pytest.raises(ProofError, match="no signature by the key"):
        verify(forged, vkey())


@pytest.mark.requirement("LOG-05")
def test_one_key_for_two_logs_does_not_mix_them() -> None:
    """The note is signed under one name and states another: key name, origin and receipt must be one."""
    receipt = copy.deepcopy(GOOD)
    text = SmallLog().text()
    receipt["checkpoint"] = f"{text}\n{signature_line(text, 'other.example')}"
    for log in (ORIGIN, "other.example"):
        with pytest.raises(ProofError, match="same log"):
            verify({**receipt, "log": log}, vkey("other.example"))


BAD_LEAVES = [
    b"", b"[]", b"null", b"{", b'{"call":1}', b"\xff", b'"' + CALL.encode() + b'"', b"\xef\xbb\xbf{}", b"[" * 100_000,
    b'{"call":"%b","call":"%b"}' % (OTHER_CALL.encode(), CALL.encode()),
    b'{"call":"%b","x":{"a":1,"a":2}}' % CALL.encode(),
    b'{"call":"%b","x":NaN}' % CALL.encode(),
    b'{"call":"%b","x":-Infinity}' % CALL.encode(),
    b'{"call":"%b","x":1.5}' % CALL.encode(),
    b'{"call":"%b","x":1e400}' % CALL.encode(),
    b'{"call":"%b","x":%b}' % (CALL.encode(), b"9" * 5_000),
    b'{"call":"%b","x":"\\ud800"}' % CALL.encode(),
    b'{"call":"%b"} x' % CALL.encode(),
]  # fmt: skip


@pytest.mark.requirement("LOG-05")
@pytest.mark.parametrize("leaf", BAD_LEAVES, ids=lambda leaf: str(leaf[:60]))
def test_a_leaf_that_two_readers_could_read_differently_is_refused_even_if_logged(leaf: bytes) -> None:
    with pytest.raises(ProofError, match=r"leaf is not a plain JSON object|another call"):
        verify(SmallLog(replaced={9: leaf}).receipt(), vkey())


@pytest.mark.requirement("LOG-05")
def test_no_byte_of_a_receipt_can_be_changed_but_the_salt() -> None:
    """The salt stands outside the tree: it is proved by recomputing a digest, not by the receipt."""
    file = file_of(GOOD)
    salts = {start + i for start in find_all(file, b"00ff" * 8) for i in range(32)}
    for position in range(len(file)):
        for mask in (0x01, 0x04, 0x20):
            changed = file[:position] + bytes([file[position] ^ mask]) + file[position + 1 :]
            try:
                verify(parse(changed), vkey())
            except ProofError:
                continue
            assert position in salts, changed[position - 20 : position + 20]


def find_all(text: bytes, part: bytes) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(part, at)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.requirement("LOG-06")
@given(value=json_values, public=st.text() | st.just(vkey()))
def test_any_value_in_place_of_a_receipt_is_a_proof_error(value: Any, public: str) -> None:
    with pytest.raises(ProofError):
        verify(value, public)


@pytest.mark.requirement("LOG-06")
@settings(max_examples=300)
@given(
    path=st.sampled_from(
        [("v",), ("call",), ("log",), ("checkpoint",), ("records",), ("records", 1), ("records", 1, "index"),
         ("records", 1, "leaf"), ("records", 1, "salt"), ("records", 1, "proof"), ("records", 1, "proof", 2)]
    ),
    value=json_values,
)  # fmt: skip
@example(path=("records", 1, "salt"), value="")
def test_any_value_in_any_place_is_judged(path: tuple[str | int, ...], value: Any) -> None:
    receipt = copy.deepcopy(GOOD)
    changed_member(*path, to=value)(receipt)
    assert holds(receipt) is (path[-1] == "salt" and value == "") or receipt == GOOD


@pytest.mark.requirement("LOG-06")
@given(st.binary() | st.text().map(str.encode) | json_values.map(lambda value: file_of(value)))
def test_any_file_is_parsed_or_refused(data: bytes) -> None:
    try:
        assert isinstance(parse(data), dict)
    except ProofError:
        return


@pytest.mark.requirement("LOG-05")
def test_a_member_cannot_be_named_twice_in_a_file() -> None:
    file = file_of(GOOD).replace(b'{"v":1,', b'{"v":1,"call":"%b",' % OTHER_CALL.encode())
    with pytest.raises(ProofError):
        parse(file)
    with pytest.raises(ProofError):
        parse(b"[" * 200_000)
