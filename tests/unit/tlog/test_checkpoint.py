"""Signed notes and checkpoints: vectors of other implementations, and everything that must not count."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from harness.receipts import ORIGIN, base64_of, key, signature_line, vkey
from tlog.checkpoint import (
    Checkpoint,
    format_vkey,
    from_base64,
    make,
    open_note,
    parse,
    parse_vkey,
    sign_note,
    verify_note,
)
from tlog.proofs import ProofError

ROOT = bytes(range(32))
TEXT = f"{ORIGIN}\n42\n{base64_of(ROOT)}\n"
VECTORS = [
    (
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "This is an example message.\n",
        "— example.com/foo "
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
    ),
    (
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
    ),
]


def note(text: str = TEXT, *lines: str) -> str:
    return text + "\n" + "".join(lines or [signature_line(text)])


@pytest.mark.requirement("LOG-04")
@pytest.mark.parametrize(("public", "text", "line"), VECTORS)
def test_notes_of_other_implementations_verify(public: str, text: str, line: str) -> None:
    assert verify_note(f"{text}\n{line}", public) == text
    for changed in (
        f"{text} \n{line}",
        f"{text}\n\n{line}",
        f"{text}\n{line.replace('A', 'B', 1)}",
        f"\n{text}\n{line}",
    ):
        with pytest.raises(ProofError):
            verify_note(changed, public)


@pytest.mark.requirement("LOG-04")
def test_a_checkpoint_comes_back_as_it_was_made() -> None:
    made = make(ORIGIN, 42, ROOT, key())
    assert made == note()
    assert open_note(made, format_vkey(ORIGIN, key().public_key())) == Checkpoint(ORIGIN, 42, ROOT)
    assert format_vkey(ORIGIN, key().public_key()) == vkey()


@pytest.mark.requirement("LOG-04")
@given(size=st.integers(0, 2**64), root=st.binary(min_size=32, max_size=32), name=st.text(min_size=1))
def test_any_checkpoint_is_refused_or_comes_back(size: int, root: bytes, name: str) -> None:
    try:
        made = make(name, size, root, key())
    except ProofError:
        assert "+" in name or not name.isprintable() or any(char.isspace() for char in name)
        return
    assert open_note(made, vkey(name)) == Checkpoint(name, size, root)


@pytest.mark.requirement("LOG-04")
@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 1, ROOT), ("a b", 1, ROOT), ("a+b", 1, ROOT), ("a\nb", 1, ROOT), ("a", -1, ROOT), ("a", 2**64 + 1, ROOT),
     ("a", 1, ROOT[1:]), ("a\u2028b", 1, ROOT), ("a\ud800", 1, ROOT), ("a\x01b", 1, ROOT)],
)  # fmt: skip
def test_what_could_not_be_read_back_is_not_signed(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(ProofError):
        make(origin, size, root, key())


@pytest.mark.requirement("LOG-04")
def test_lines_of_unknown_keys_are_ignored_wherever_they_stand() -> None:
    witness = signature_line(TEXT, "witness.example/w1", key(2))
    same_name = signature_line(TEXT, ORIGIN, key(3))  # an older key of the log
    long_one = f"— pq.example {base64_of(bytes(5_000))}\n"
    ours = signature_line(TEXT)
    for lines in ([witness, ours], [ours, witness], [same_name, ours, long_one], [*[witness] * 16, ours], [ours, ours]):
        assert open_note(note(TEXT, *lines), vkey()).size == 42
    for lines in ([witness], [same_name], [long_one]):
        with pytest.raises(ProofError, match="no signature by the key"):
            open_note(note(TEXT, *lines), vkey())


@pytest.mark.requirement("LOG-04")
def test_a_wrong_signature_under_our_name_spoils_the_note() -> None:
    ours = signature_line(TEXT)
    forged = signature_line(TEXT.replace("42", "43"))
    for lines in ([forged], [ours, forged], [forged, ours]):
        with pytest.raises(ProofError, match="wrong"):
            open_note(note(TEXT, *lines), vkey())
    too_long = f"— {ORIGIN} {base64_of(base64.b64decode(ours.split()[2]) + b'x')}\n"
    with pytest.raises(ProofError, match="wrong"):
        open_note(note(TEXT, too_long), vkey())


@pytest.mark.requirement("LOG-04")
def test_another_key_with_the_id_of_ours_signs_nothing() -> None:
    """The id is short, so an attacker can find a key that has it: the signature, not the id, decides."""
    identity = base64.b64decode(signature_line(TEXT).split()[2])[:4]
    forged = f"— {ORIGIN} {base64_of(identity + key(9).sign(TEXT.encode()))}\n"
    with pytest.raises(ProofError, match="wrong"):
        open_note(note(TEXT, forged), vkey())


@pytest.mark.requirement("LOG-04")
@pytest.mark.parametrize(
    "change",
    [
        lambda good: good.removesuffix("\n"),
        lambda good: good + "\n",
        lambda good: good + "x\n",
        lambda good: good.replace("\n\n", "\n"),
        lambda good: good.replace("\n", "\r\n"),
        lambda good: good.replace("—", "-"),
        lambda good: good.replace("— ", "—  "),
        lambda good: good.replace("— ", "—\u00a0"),
        lambda good: good.replace("=\n", "\n"),
        lambda good: good + "— a+b AAAAAAA=\n",
        lambda good: good + "— a AAAA\n",
        lambda good: good + "— a AAAAAAA\n",
        lambda good: good + "— a AAAAAAB=\n",
        lambda good: good + "— a AAAAAAA= x\n",
        lambda good: good + f"— a {base64_of(bytes(1 << 20))}\n",
        lambda good: good + "— \ud800 AAAAAAA=\n",
        lambda good: good.replace("42", "4\t2"),
        lambda good: "",
        lambda good: "\n\n",
        lambda good: None,
        lambda good: good.encode(),
    ],
)
def test_a_malformed_note_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(ProofError):
        verify_note(change(note()), vkey())


@pytest.mark.requirement("LOG-04")
@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "a\n", f"a\n1\n{base64_of(ROOT)}", f"\n1\n{base64_of(ROOT)}\n", f"a\n\n{base64_of(ROOT)}\n",
        "a\n1\n\n", f"a\n01\n{base64_of(ROOT)}\n", f"a\n-1\n{base64_of(ROOT)}\n", f"a\n+1\n{base64_of(ROOT)}\n",
        f"a\n 1\n{base64_of(ROOT)}\n", f"a\n1_0\n{base64_of(ROOT)}\n", f"a\n١\n{base64_of(ROOT)}\n",
        f"a\n{2**64 + 1}\n{base64_of(ROOT)}\n", f"a\n{'9' * 5_000}\n{base64_of(ROOT)}\n",
        f"a\n1\n{base64_of(ROOT[1:])}\n",
        f"a\n1\n{ROOT.hex()}\n", f"a\n1\n{base64_of(ROOT)} \n", f"a\n1\n{base64_of(ROOT)}\n\n",
        f"a\n1\n{base64_of(ROOT)}\nx\n\ny\n", f"a\n1\n{base64_of(ROOT)[:-2]}9=\n",
    ],
)  # fmt: skip
def test_a_malformed_checkpoint_is_refused_even_if_signed(text: str) -> None:
    with pytest.raises(ProofError):
        parse(text)
    with pytest.raises(ProofError):
        open_note(note(text), vkey())


@pytest.mark.requirement("LOG-04")
def test_extension_lines_are_signed_and_otherwise_ignored() -> None:
    extended = f"{TEXT}extension one\n延伸\n"
    assert open_note(note(extended), vkey()) == Checkpoint(ORIGIN, 42, ROOT)
    with pytest.raises(ProofError):
        open_note(note(extended, signature_line(TEXT)), vkey())


@pytest.mark.requirement("LOG-04")
def test_a_vkey_must_fit_together() -> None:
    good = parse_vkey(vkey())
    assert (good.name, good.public) == (ORIGIN, key().public_key().public_bytes_raw())
    name, identity, public = vkey().split("+", 2)
    swapped = "0" * 8 if identity != "0" * 8 else "1" * 8
    cosigner = base64_of(b"\x04" + good.public)
    for bad in [
        "", "+", "++", name, f"{name}+{identity}", f"{name}+{swapped}+{public}", f"other+{identity}+{public}",
        f"{name}+{identity.upper()}x+{public}", f"{name}+{identity}+{public[:-4]}", f"{name}+{identity}+{public} ",
        f"+{identity}+{public}", f"{name}+{identity}+{cosigner}", f"{name}\n+{identity}+{public}",
        f"\ud800+{identity}+{public}", vkey(name, key(2)).replace(public, "") + public,
    ]:  # fmt: skip
        with pytest.raises(ProofError):
            parse_vkey(bad)
    with pytest.raises(ProofError):
        format_vkey("two words", key().public_key())


@pytest.mark.requirement("LOG-06")
@given(st.text())
def test_any_text_is_judged_without_another_failure(text: str) -> None:
    for attempt in (lambda: parse(text), lambda: verify_note(text, vkey()), lambda: parse_vkey(text)):
        with pytest.raises(ProofError):
            attempt()


@pytest.mark.requirement("LOG-06")
@given(st.one_of(st.text(), st.none(), st.integers(), st.text(alphabet="AB+/=\n ", max_size=12)))
def test_base64_has_one_spelling(text: object) -> None:
    try:
        raw = from_base64(text, "it")
    except ProofError:
        return
    assert base64_of(raw) == text


@pytest.mark.requirement("LOG-04")
@given(st.text(), st.binary(min_size=32, max_size=32))
def test_any_signed_text_comes_back(text: str, seed: bytes) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    body = text + "\n"
    try:
        signed = sign_note(body, "k", private)
        opened = verify_note(signed, vkey("k", private))
    except ProofError:
        assert any(char < " " and char != "\n" for char in text) or not text.isprintable()
        return
    assert opened == body


@pytest.mark.requirement("LOG-04")
def test_the_text_goes_up_to_the_last_empty_line() -> None:
    for text in ("a\n\nb\n", "\n\n\n", f"a\n\n{signature_line(TEXT)}"):
        assert verify_note(note(text), vkey()) == text


@pytest.mark.requirement("LOG-04")
@pytest.mark.parametrize("char", ["\0", "\t", "\r", "\x0b", "\x1b", "\x1f"])
def test_control_characters_are_refused_even_if_signed(char: str) -> None:
    with pytest.raises(ProofError, match="control"):
        verify_note(note(f"{TEXT}exten{char}sion\n"), vkey())


@pytest.mark.requirement("LOG-04")
def test_the_signature_of_a_key_whose_id_was_made_up_does_not_count() -> None:
    name, _, public = vkey().split("+", 2)
    made_up = f"— {ORIGIN} {base64_of(bytes(4) + key().sign(TEXT.encode()))}\n"
    with pytest.raises(ProofError, match="does not belong"):
        verify_note(note(TEXT, made_up), f"{name}+00000000+{public}")
