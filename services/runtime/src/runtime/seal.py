"""Sealing what a service keeps: nobody reads it in the database, or puts it where it was not meant.

A sealed text is: one byte 1, one byte length of the key's id, the id, 12 random bytes, ciphertext and tag (16 bytes).
What stands before the ciphertext, and what the text is about, is bound to it (AEAD, RFC 5116).

The keys stand in a file, or in the output of a command that asks a KMS: one a line, `id cipher hex`, empty lines and
`#` ignored. The first seals, all open. To rotate: add a line at the end and restart every process that has the file;
move it to the front and restart again; seal everything anew, or wait until nothing is left that the old key sealed;
take the old line away. For the exchange: `python -m exchange_service.credentials.reseal`, and a day later, when the
answers that are kept for repeated questions have gone. For identity: after two rotations of the signing keys.

Nonces are random: one key is good for 2**32 sealed texts (NIST SP 800-38D section 8.3).
"""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORM = 1
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = {"aes-256-gcm": 32, "sm4-gcm": 16}
"""The ciphers that there are, and how long their keys are (FIPS 197; GB/T 32907-2016 with GB/T 36624-2018)."""
COMMAND_TIMEOUT_S = 30.0
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class BadKeys(ValueError):
    """The key file cannot be used; the message names line and remedy, never a key."""


class CannotOpen(Exception):
    """A sealed text was changed, is about something else, or its key is not here; the message says which."""


class _Key(Protocol):
    """One key with its cipher. `repr` shows nothing: keys end up in no traceback."""

    def encrypt(self, nonce: bytes, plain: bytes, about: bytes) -> bytes: ...

    def decrypt(self, nonce: bytes, sealed: bytes, about: bytes) -> bytes:
        """Raises InvalidTag."""


class _Sm4Gcm:
    """SM4 in Galois/Counter Mode, with the interface of `AESGCM`."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, plain: bytes, about: bytes) -> bytes:
        encryptor = Cipher(self._key, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(about)
        return encryptor.update(plain) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, sealed: bytes, about: bytes) -> bytes:
        decryptor = Cipher(self._key, modes.GCM(nonce, sealed[-TAG_BYTES:])).decryptor()
        decryptor.authenticate_additional_data(about)
        return decryptor.update(sealed[:-TAG_BYTES]) + decryptor.finalize()


class Seal:
    """Seals under the first key of its file and opens under any of them."""

    __slots__ = ("_keys", "newest")

    def __init__(self, keys: str) -> None:
        """`keys` is the content of a key file; raises BadKeys."""
        self._keys = _keys_of(keys)
        self.newest = next(iter(self._keys))
        """Id of the key that seals."""

    @classmethod
    def from_file(cls, path: Path) -> "Seal":
        """Raises BadKeys."""
        try:
            return cls(path.read_text("ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise BadKeys(f"the key file {path} cannot be read: {type(error).__name__}") from None

    @classmethod
    def from_command(cls, command: Sequence[str]) -> "Seal":
        """The keys as a command prints them, such as a KMS client; raises BadKeys."""
        try:
            ended = subprocess.run(  # noqa: S603  # the command is the operator's own, and no shell reads it
                list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BadKeys(f"the key command {command[0]} did not run: {type(error).__name__}") from None
        if ended.returncode:
            raise BadKeys(f"the key command {command[0]} ended with {ended.returncode}; its own words stand above")
        try:
            return cls(ended.stdout.decode("ascii"))
        except UnicodeDecodeError:
            raise BadKeys(f"the key command {command[0]} printed something that is no key file") from None

    def seal(self, plain: bytes, about: bytes) -> bytes:
        """A sealed text that opens only together with `about`: what it is, and of whom."""
        name = self.newest.encode()
        head = bytes((FORM, len(name))) + name + os.urandom(NONCE_BYTES)
        return head + self._keys[self.newest].encrypt(head[-NONCE_BYTES:], plain, _bound(head, about))

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """What was sealed; raises CannotOpen."""
        name, head = _head_of(sealed)
        key = self._keys.get(name)
        if key is None:
            raise CannotOpen(f"it was sealed under the key {name!r}, which is not in the key file")
        try:
            return key.decrypt(head[-NONCE_BYTES:], sealed[len(head) :], _bound(head, about))
        except InvalidTag:
            raise CannotOpen(
                "it was changed, or it is about something else, or the key of this id is not the same"
            ) from None

    def is_newest(self, sealed: bytes) -> bool:
        """Whether the first key sealed it; raises CannotOpen."""
        return _head_of(sealed)[0] == self.newest


def new_key(name: str, cipher: str = "aes-256-gcm") -> str:
    """A line for a key file, with a new random key; raises BadKeys for names and ciphers that there are not."""
    line = f"{name} {cipher} {os.urandom(KEY_BYTES.get(cipher, 0)).hex()}\n"
    _keys_of(line)
    return line


def _keys_of(text: str) -> dict[str, _Key]:
    keys: dict[str, _Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, key = _key_of(line.split(), f"line {number} of the keys")
            if name in keys:
                raise BadKeys(f"line {number} of the keys: the id stands there twice")
            keys[name] = key
    if not keys:
        raise BadKeys("there is no key; write a line `id aes-256-gcm` (or sm4-gcm) and the key in hex")
    return keys


def _key_of(words: list[str], where: str) -> tuple[str, _Key]:
    if len(words) != 3:
        raise BadKeys(f"{where}: three words are wanted, id, cipher and the key in hex")
    name, cipher, digits = words
    if not _ID.fullmatch(name):
        raise BadKeys(f"{where}: an id has 1 to 64 letters, digits, dots, hyphens or underscores")
    if cipher not in KEY_BYTES:
        raise BadKeys(f"{where}: the cipher has to be {' or '.join(KEY_BYTES)}")
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * KEY_BYTES[cipher]}}}", digits):
        raise BadKeys(f"{where}: a key of {cipher} has {2 * KEY_BYTES[cipher]} hex digits")
    secret = bytes.fromhex(digits)
    return name, AESGCM(secret) if cipher == "aes-256-gcm" else _Sm4Gcm(secret)


def _head_of(sealed: bytes) -> tuple[str, bytes]:
    """The key's id, and everything before the ciphertext."""
    end = 2 + (sealed[1] if len(sealed) > 1 else 0) + NONCE_BYTES
    if sealed[:1] != bytes((FORM,)) or len(sealed) < end + TAG_BYTES:
        raise CannotOpen("it is not a sealed text")
    return sealed[2 : end - NONCE_BYTES].decode("ascii", "replace"), sealed[:end]


def _bound(head: bytes, about: bytes) -> bytes:
    """The head knows its own length, so that nothing can move between it and `about`."""
    return head + about
