"""Keys of a client in files of their own, away from any home: JWK, JWK set with one key, or PEM."""

import json
import os
from pathlib import Path
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from tongdao_cli.home import CannotStart
from tongdao_cli.keys import new_key

CURVE = "P-256"


class Keyring(Protocol):
    """Private keys of clients: those of a home (`keys.Secrets`), or one in a file."""

    def key_of(self, client: str) -> dict[str, Any]:
        """The JWK of a client; raises CannotStart."""

    def next_key(self, client: str) -> dict[str, Any]:
        """The JWK that will follow it, made when first asked for."""

    def take_next(self, client: str) -> None:
        """From now on the next key is the client's own."""

    def file_of(self, client: str) -> Path:
        """Where the client's own lies."""


class KeyFile:
    """One private key, whoever asks. kid  its name in the register, "" for what the file says or its thumbprint"""

    def __init__(self, file: Path, kid: str = "") -> None:
        self._file = file
        self._next = file.with_name(f".{file.name}.next")
        self._kid = kid

    def key_of(self, _client: str) -> dict[str, Any]:
        key = read(self._file, self._kid)
        if "d" not in key:
            raise CannotStart(f"{self._file} holds a public key; the private one is needed to sign with")
        return key

    def next_key(self, client: str) -> dict[str, Any]:
        self.key_of(client)
        if not self._next.exists():
            in_pem = not self._file.read_text().lstrip().startswith("{")
            key = new_key()
            _write(self._next, ECKey.import_key(key).as_pem(private=True).decode() if in_pem else json.dumps(key))
        return read(self._next)

    def take_next(self, _client: str) -> None:
        self._next.replace(self._file)
        self._kid = ""  # the file says it, or it is the thumbprint

    def file_of(self, _client: str) -> Path:
        return self._file


def read(file: Path, kid: str = "") -> dict[str, Any]:
    """The one EC P-256 key in the file as a JWK, private where the file's is; raises CannotStart.

    kid  its name, "" for what the file says, or else its thumbprint (RFC 7638)
    """
    try:
        text = file.read_text()
        key = ECKey.import_key(_one(text) if text.lstrip().startswith("{") else text)
    except OSError as error:
        raise CannotStart(f"cannot read {file} ({error.strerror})") from None
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise CannotStart(f"cannot read an EC key from {file} ({type(error).__name__}); {FORMS}") from None
    if key.curve_name != CURVE:
        raise CannotStart(f"{file} holds a key of {key.curve_name}; {FORMS}")
    return {**key.as_dict(private=key.is_private), "kid": kid or key.kid or key.thumbprint()}


FORMS = f"a key of {CURVE} is wanted, as a JWK, a JWK set with one key, or PEM"


def _one(text: str) -> dict[str, Any]:
    """The JWK, also out of a set of one; raises ValueError."""
    document: dict[str, Any] = json.loads(text)
    if "keys" not in document:
        return document
    (key,) = document["keys"]
    return dict(key)


def _write(file: Path, content: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CannotStart(f"cannot write {file} ({error.strerror})") from None
    with os.fdopen(descriptor, "w") as out:
        out.write(content)
