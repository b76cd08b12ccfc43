"""One key of the log follows another: both sign for a while, and each reader can check with what it has."""

import pytest

from harness.receipts import ORIGIN, SmallLog, base64_of, file_of, key, signature_line, vkey
from tlog.checkpoint import make, open_checkpoint, open_note, verify_note
from tlog.proofs import ProofError
from tlog.receipt import parse, verify

ROOT = bytes(range(32))
OLD, NEW, STRANGER = (vkey(ORIGIN, key(seed)) for seed in (1, 2, 3))
TEXT = SmallLog().text()


@pytest.mark.requirement("TLG-02")
def test_both_keys_sign_one_line_each() -> None:
    made = make(ORIGIN, 42, ROOT, [key(1), key(2)])
    text = f"{ORIGIN}\n42\n{base64_of(ROOT)}\n"
    assert made == f"{text}\n{signature_line(text)}{signature_line(text, ORIGIN, key(2))}"
    assert len({line.split()[2][:5] for line in made.splitlines()[-2:]}) == 2  # two key ids
    for vkeys in ([OLD], [NEW], [OLD, NEW], [NEW, OLD], [STRANGER, NEW], [OLD, OLD]):
        assert open_note(made, *vkeys).size == open_checkpoint(made, *vkeys).size == 42
    for vkeys in ([STRANGER], []):
        with pytest.raises(ProofError, match="no signature by the key"):
            open_note(made, *vkeys)
    assert make(ORIGIN, 42, ROOT, [key(1)]) == make(ORIGIN, 42, ROOT, key(1))
    with pytest.raises(ProofError, match="needs a key"):
        make(ORIGIN, 42, ROOT, [])


@pytest.mark.requirement("TLG-02")
def test_a_reader_with_both_keys_reads_before_during_and_after() -> None:
    lines = {seed: signature_line(TEXT, ORIGIN, key(seed)) for seed in (1, 2)}
    receipts = [SmallLog().receipt() | {"checkpoint": SmallLog().note(*(lines[seed] for seed in seeds))}
                for seeds in ((1,), (1, 2), (2,))]  # fmt: skip
    for receipt in receipts:
        assert len(verify(parse(file_of(receipt)), OLD, NEW)) == 2
    with pytest.raises(ProofError):
        verify(receipts[0], NEW)
    with pytest.raises(ProofError):
        verify(receipts[2], OLD)


@pytest.mark.requirement("TLG-02")
def test_a_wrong_signature_by_either_key_spoils_the_note() -> None:
    forged = signature_line(SmallLog(14).text(), ORIGIN, key(2))
    note = SmallLog().note(signature_line(TEXT), forged)
    assert verify_note(note, OLD) == TEXT
    for vkeys in ([NEW], [OLD, NEW], [NEW, OLD]):
        with pytest.raises(ProofError, match="wrong"):
            verify_note(note, *vkeys)


@pytest.mark.requirement("TLG-02")
def test_a_bad_vkey_beside_a_good_one_is_refused() -> None:
    with pytest.raises(ProofError):
        open_note(SmallLog().note(), OLD, OLD[:-1])


@pytest.mark.requirement("TLG-02")
def test_keys_of_several_logs_do_not_vouch_for_each_other() -> None:
    """The reader trusts two logs; one of them signs a checkpoint in the other's name."""
    other = vkey("other.example", key(9))
    note = SmallLog().note(signature_line(TEXT, "other.example", key(9)))
    with pytest.raises(ProofError, match="same log"):
        open_checkpoint(note, OLD, other)
    with pytest.raises(ProofError, match="same log"):
        verify(SmallLog().receipt() | {"checkpoint": note}, OLD, other)
    assert open_checkpoint(SmallLog().note(signature_line(TEXT), note.splitlines()[-1] + "\n"), OLD, other).size == 13
