"""Sealing: what was sealed opens whole, under its own key and about its own matter, or not at all."""

import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from runtime.seal import KEY_BYTES, NONCE_BYTES, BadKeys, CannotOpen, Seal, _Sm4Gcm, new_key

CIPHERS = sorted(KEY_BYTES)
KEYS = {cipher: new_key(cipher, cipher) for cipher in CIPHERS}
SEALS = {cipher: Seal(line) for cipher, line in KEYS.items()}
ABOUT = b"credential/rsj/core/1"


@pytest.mark.requirement("CRD-01")
@pytest.mark.parametrize("cipher", CIPHERS)
@given(plain=st.binary(max_size=300), about=st.binary(max_size=60))
def test_what_was_sealed_opens_and_shows_nothing_before(cipher: str, plain: bytes, about: bytes) -> None:
    sealed = SEALS[cipher].seal(plain, about)
    assert SEALS[cipher].open(sealed, about) == plain
    assert len(plain) < 4 or plain not in sealed
    assert SEALS[cipher].seal(plain, about) != sealed


@pytest.mark.requirement("CRD-01")
@pytest.mark.parametrize("cipher", CIPHERS)
@given(plain=st.binary(max_size=60), data=st.data())
def test_a_changed_bit_anywhere_opens_nothing(cipher: str, plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(SEALS[cipher].seal(plain, ABOUT))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotOpen):
        SEALS[cipher].open(bytes(sealed), ABOUT)


@pytest.mark.requirement("CRD-01")
@pytest.mark.parametrize("cipher", CIPHERS)
@given(first=st.binary(max_size=30), second=st.binary(max_size=30))
def test_it_opens_only_together_with_what_it_is_about(cipher: str, first: bytes, second: bytes) -> None:
    sealed = SEALS[cipher].seal(b"a secret", first)
    if first != second:
        with pytest.raises(CannotOpen, match="something else"):
            SEALS[cipher].open(sealed, second)


@pytest.mark.requirement("CRD-01")
@given(junk=st.binary(max_size=120))
def test_anything_else_is_no_sealed_text(junk: bytes) -> None:
    for cipher in CIPHERS:
        with pytest.raises(CannotOpen):
            SEALS[cipher].open(junk, ABOUT)


@pytest.mark.requirement("CRD-01")
@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_cut_text_opens_nothing(cipher: str) -> None:
    sealed = SEALS[cipher].seal(b"a secret", ABOUT)
    for length in range(len(sealed)):
        with pytest.raises(CannotOpen):
            SEALS[cipher].open(sealed[:length], ABOUT)


@pytest.mark.requirement("CRD-01")
def test_sm4_gcm_is_that_of_rfc_8998() -> None:
    """RFC 8998 appendix A.1."""
    key, nonce = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), bytes.fromhex("00001234567800000000ABCD")
    about = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plain = bytes.fromhex(
        "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD"
        "EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA"
    )
    sealed = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert _Sm4Gcm(key).encrypt(nonce, plain, about) == sealed
    assert _Sm4Gcm(key).decrypt(nonce, sealed, about) == plain
    with pytest.raises(InvalidTag):
        _Sm4Gcm(key).decrypt(nonce, sealed, about[1:])


@pytest.mark.requirement("CRD-01")
def test_another_program_can_open_it() -> None:
    """The form is as the module says: no part of it is only ours."""
    key = bytes.fromhex(KEYS["aes-256-gcm"].split()[2])
    sealed = SEALS["aes-256-gcm"].seal(b"a secret", ABOUT)
    head = 2 + len("aes-256-gcm") + NONCE_BYTES
    assert sealed[:13] == b"\x01\x0baes-256-gcm"
    assert AESGCM(key).decrypt(sealed[head - NONCE_BYTES : head], sealed[head:], sealed[:head] + ABOUT) == b"a secret"


@pytest.mark.requirement("CRD-02")
def test_the_first_key_seals_and_all_open() -> None:
    old, new = new_key("2026", "sm4-gcm"), new_key("2027", "aes-256-gcm")
    before, during, after = Seal(old), Seal(old + new), Seal(f"# the new one in front\n\n{new}{old}")
    first = before.seal(b"a secret", ABOUT)
    assert during.open(first, ABOUT) == after.open(first, ABOUT) == b"a secret"
    assert (during.newest, after.newest) == ("2026", "2027")
    assert (during.is_newest(first), after.is_newest(first)) == (True, False)
    second = after.seal(b"a secret", ABOUT)
    assert during.open(second, ABOUT) == b"a secret"
    with pytest.raises(CannotOpen, match="'2027', which is not in the key file"):
        before.open(second, ABOUT)


@pytest.mark.requirement("CRD-02")
def test_another_key_under_the_same_id_opens_nothing() -> None:
    sealed = Seal(new_key("k")).seal(b"a secret", ABOUT)
    for cipher in CIPHERS:
        with pytest.raises(CannotOpen, match="not the same"):
            Seal(new_key("k", cipher)).open(sealed, ABOUT)


@pytest.mark.requirement("CRD-02")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        pytest.param("", "there is no key", id="empty"),
        pytest.param("# none\n", "there is no key", id="only-remarks"),
        pytest.param("k aes-256-gcm", "three words", id="two-words"),
        pytest.param("k/1 aes-256-gcm " + "0" * 64, "an id has", id="id"),
        pytest.param("k aes-128-cbc " + "0" * 32, "aes-256-gcm or sm4-gcm", id="cipher"),
        pytest.param("k aes-256-gcm " + "0" * 32, "64 hex digits", id="short"),
        pytest.param("k sm4-gcm " + "g" * 32, "32 hex digits", id="no-hex"),
        pytest.param(("k sm4-gcm " + "0" * 32 + "\n") * 2, "twice", id="twice"),
    ],
)
def test_a_wrong_key_file_is_told_in_words_without_the_key(keys: str, said: str) -> None:
    with pytest.raises(BadKeys, match=said) as told:
        Seal(keys)
    assert not any(word in str(told.value) for word in ("0000", "gggg"))


@pytest.mark.requirement("CRD-02")
def test_keys_come_from_a_file_or_a_command(tmp_path: Path) -> None:
    file = tmp_path / "seal.keys"
    file.write_text(KEYS["sm4-gcm"])
    printing = [sys.executable, "-c", f"print(open({str(file)!r}).read())"]
    sealed = Seal.from_file(file).seal(b"a secret", ABOUT)
    assert Seal.from_command(printing).open(sealed, ABOUT) == b"a secret"


@pytest.mark.requirement("CRD-02")
def test_keys_that_cannot_be_had_are_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadKeys, match=r"no\.keys cannot be read: FileNotFoundError"):
        Seal.from_file(tmp_path / "no.keys")
    with pytest.raises(BadKeys, match="ended with 3"):
        Seal.from_command([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(BadKeys, match="did not run: FileNotFoundError"):
        Seal.from_command([str(tmp_path / "no-command")])
    with pytest.raises(BadKeys, match="no key file"):
        Seal.from_command([sys.executable, "-c", "import sys; sys.stdout.buffer.write(b'\\xff')"])


def test_neither_seal_nor_keys_show_themselves() -> None:
    for cipher, line in KEYS.items():
        assert line.split()[2] not in repr(SEALS[cipher]) + repr(SEALS[cipher]._keys)
