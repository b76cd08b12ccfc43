"""Cosignatures: the layout of the specification, who counts as a witness, and how many are enough."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.receipts import AT_S, ORIGIN, WITNESS, SmallLog, base64_of, cosignature_line, key, signature_line, vkey
from harness.receipts import witness_vkey as wkey
from tlog import checkpoint
from tlog.cosignature import MAX_TIME_S, format_vkey, message, parse_vkey, sign, verify, witnessed
from tlog.proofs import ProofError

TEXT = SmallLog().text()
OURS = signature_line(TEXT)
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501  # the lines of the specification


@pytest.mark.requirement("TLG-03")
def test_the_message_is_that_of_the_specification() -> None:
    text = EXAMPLE.split("\n\n", maxsplit=1)[0] + "\n"
    assert message(text, 1679315147).decode() == (
        "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )
    _, (_, identity, raw) = checkpoint.split_note(EXAMPLE).signatures
    assert (identity.hex(), int.from_bytes(raw[:8], "big"), len(raw)) == ("8d66cf3f", 1679315147, 72)


@pytest.mark.requirement("TLG-03")
def test_a_line_is_key_id_time_and_signature() -> None:
    line = sign(TEXT, WITNESS, key(7), AT_S)
    assert line == cosignature_line(TEXT)
    assert format_vkey(WITNESS, key(7).public_key()) == wkey()
    raw = base64.b64decode(line.split(" ")[2])
    assert raw[:4] == parse_vkey(wkey()).key_id
    assert (len(raw), raw[4:12]) == (76, AT_S.to_bytes(8, "big"))
    key(7).public_key().verify(raw[12:], message(TEXT, AT_S))
    assert verify(f"{TEXT}\n{OURS}{line}", wkey()) == AT_S


@pytest.mark.requirement("TLG-03")
@given(at_s=st.integers(0, MAX_TIME_S), size=st.integers(0, 2**64), name=st.text(min_size=1, max_size=12))
def test_any_cosignature_is_refused_or_comes_back(at_s: int, size: int, name: str) -> None:
    text = f"{ORIGIN}\n{size}\n{base64_of(bytes(32))}\nextension\n"
    try:
        line = sign(text, name, key(7), at_s)
    except ProofError:
        assert "+" in name or not name.isprintable() or any(char.isspace() for char in name)
        return
    assert verify(f"{text}\n{line}", wkey(name)) == at_s


@pytest.mark.requirement("TLG-03")
@pytest.mark.parametrize(
    ("text", "at_s"),
    [(TEXT, -1), (TEXT, MAX_TIME_S + 1), (TEXT, True), (TEXT, 1.0), (TEXT[:-1], 1), ("x\n", 1), (TEXT + "\n", 1),
     (TEXT + "a\tb\n", 1), (TEXT + "\ud800\n", 1), (TEXT.replace("13", "013"), 1)],
)  # fmt: skip
def test_what_could_not_be_read_back_is_not_signed(text: str, at_s: int) -> None:
    with pytest.raises(ProofError):
        sign(text, WITNESS, key(7), at_s)


@pytest.mark.requirement("TLG-03")
def test_neither_signature_can_be_taken_for_the_other() -> None:
    """One key in both roles: the kinds of key differ, and so do the messages."""
    assert wkey(ORIGIN, key()) != vkey()
    for public in (wkey(), wkey(ORIGIN, key())):
        with pytest.raises(ProofError):
            checkpoint.open_note(f"{TEXT}\n{OURS}", public)
        with pytest.raises(ProofError):
            checkpoint.parse_vkey(public)
    with pytest.raises(ProofError):
        verify(f"{TEXT}\n{OURS}", vkey())
    cosigned = f"{TEXT}\n{cosignature_line(TEXT, ORIGIN, key())}"
    assert verify(cosigned, wkey(ORIGIN, key())) == AT_S
    with pytest.raises(ProofError, match="no signature by the key"):
        checkpoint.open_note(cosigned, vkey())
    as_text = message(TEXT, AT_S).decode()  # what a witness signs is not a checkpoint
    with pytest.raises(ProofError):
        checkpoint.parse(as_text)


@pytest.mark.requirement("TLG-03")
@pytest.mark.parametrize("at", [4, 11, 12, 40, 75])
def test_one_changed_bit_of_a_cosignature_spoils_it(at: int) -> None:
    raw = bytearray(base64.b64decode(cosignature_line(TEXT).split(" ")[2]))
    raw[at] ^= 1
    note = f"{TEXT}\n{OURS}{cosignature_line(TEXT)}— {WITNESS} {base64_of(bytes(raw))}\n"
    with pytest.raises(ProofError, match=r"wrong|time"):
        verify(note, wkey())
    with pytest.raises(ProofError, match=r"wrong|time"):
        witnessed(note, [wkey()])


@pytest.mark.requirement("TLG-03")
def test_a_cosignature_is_of_its_text_its_time_and_its_key() -> None:
    line = cosignature_line(TEXT)
    for note in (
        f"{TEXT}x\n\n{line}",
        f"{SmallLog(14).text()}\n{line}",
        f"{TEXT}\n{cosignature_line(TEXT, WITNESS, key(8))}",
        f"{TEXT}\n{cosignature_line(TEXT, 'other.example', key(7))}",
        f"{TEXT}\n{OURS}",
        f"{TEXT}\n— {WITNESS} {base64_of(parse_vkey(wkey()).key_id + b'x')}\n",
    ):
        with pytest.raises(ProofError):
            verify(note, wkey())


@pytest.mark.requirement("TLG-03")
def test_the_last_of_several_times_counts() -> None:
    lines = [cosignature_line(TEXT, at_s=AT_S + n) for n in (5, 9, 0)]
    note = f"{TEXT}\n{OURS}{''.join(lines)}"
    assert verify(note, wkey()) == AT_S + 9
    assert witnessed(note, [wkey()]) == {WITNESS: AT_S + 9}


@pytest.mark.requirement("TLG-03")
def test_so_many_witnesses_as_the_reader_asks_for() -> None:
    names = ["w1.example", "w2.example", "w3.example"]
    keys = [wkey(name, key(20 + n)) for n, name in enumerate(names)]
    lines = [cosignature_line(TEXT, name, key(20 + n), AT_S + n) for n, name in enumerate(names)]
    note = f"{TEXT}\n{OURS}{lines[0]}{lines[2]}"
    for quorum in (0, 1, 2):
        assert witnessed(note, keys, quorum) == {"w1.example": AT_S, "w3.example": AT_S + 2}
    for quorum_missed in (3, None):
        with pytest.raises(ProofError, match="of 3 witnesses needed 2 signed"):
            witnessed(note, keys, quorum_missed)
    for senseless in (-1, 4):
        with pytest.raises(ProofError, match="quorum"):
            witnessed(note, keys, senseless)
    assert witnessed(note, []) == {}


@pytest.mark.requirement("TLG-03")
def test_the_old_and_the_new_key_of_a_witness_are_one_witness() -> None:
    keys = [wkey(WITNESS, key(7)), wkey(WITNESS, key(8))]
    for seeds in ((7,), (8,), (7, 8)):
        lines = [cosignature_line(TEXT, WITNESS, key(seed), AT_S + seed) for seed in seeds]
        note = f"{TEXT}\n{OURS}{''.join(lines)}"
        assert witnessed(note, keys) == {WITNESS: AT_S + max(seeds)}
        assert witnessed(note, [*keys, keys[0]], 1) == {WITNESS: AT_S + max(seeds)}


@pytest.mark.requirement("LOG-06")
@given(st.text(), st.text() | st.just(wkey()))
def test_any_text_is_judged_without_another_failure(note: str, public: str) -> None:
    for attempt in (lambda: verify(note, public), lambda: witnessed(note, [public]), lambda: sign(note, "w", key(), 1)):
        with pytest.raises(ProofError):
            attempt()
