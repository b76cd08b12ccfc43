"""Secrets of a home: made when first asked for, never replaced, readable by their owner alone."""

import json
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, KeySet, OKPKey

from statute.calendar import SHANGHAI
from tlog.checkpoint import format_vkey
from tongdao_cli.home import CannotStart, Home

ORIGIN = "yunjiang.example/log1"
"""Name of the log of a home that was given none; its key tells homes apart."""
OPERATOR = "platform-operator"
SCHEMAS = ("identity", "catalog", "audit", "exchange", "gateway")


class Secrets:
    """The files below DIR/secrets."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._folder = home.secrets
        self.service = self._folder / "service.secret"
        self.identity_signing = self._folder / "identity-signing.jwks.json"
        self.operator = self._folder / "operator.jwk.json"
        self.operator_public = self._folder / "operator.public.jwks.json"
        self.audit_signing = self._folder / "audit-signing.pem"
        self.subject = self._folder / "subject.key"
        self.consent_signing = self._folder / "consent-signing.jwks.json"
        self.seal = self._folder / "seal.keys"
        self.identity_seal = self._folder / "identity-seal.keys"
        self.mask = self._folder / "mask.key"

    def make(self) -> None:
        """Make what is missing."""
        self._once(self.service, secrets.token_hex(32))
        self._once(self.identity_signing, json.dumps({"keys": [new_key()]}))
        self._once(self.operator, json.dumps(new_key()))
        self._once(self.operator_public, json.dumps({"keys": [public(read_key(self.operator))]}))
        self._once(self.audit_signing, OKPKey.generate_key("Ed25519").as_pem(private=True).decode())
        self._once(self.subject, secrets.token_hex(32))
        self._once(self.mask, secrets.token_hex(32))
        for seal in (self.seal, self.identity_seal):
            self._once(seal, f"{datetime.now(SHANGHAI):%Y-%m-%d} aes-256-gcm {secrets.token_hex(32)}\n")
        self._once(self.consent_signing, json.dumps({"keys": [new_key()]}))
        for schema in SCHEMAS:
            self._once(self._folder / f"role-{schema}.password", secrets.token_urlsafe(24))

    def password(self, schema: str) -> str:
        """Password of the log-in role of one service."""
        return (self._folder / f"role-{schema}.password").read_text()

    def system_file(self, system: str) -> Path:
        """Where the private key of an information system of this home lies."""
        return self._folder / "systems" / f"{system}.jwk.json"

    def system(self, system: str) -> dict[str, Any]:
        """Private key of a demo system, made when first asked for."""
        file = self.system_file(system)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        self._once(file, json.dumps(new_key()))
        return read_key(file)

    def key_of(self, client: str) -> dict[str, Any]:
        """Private key of a client that has one here; raises CannotStart naming those that have."""
        file = self.file_of(client)
        if Path(client).name != client or not file.exists():
            known = sorted(path.name.removesuffix(".jwk.json") for path in file.parent.glob("*.jwk.json"))
            raise CannotStart(f"no key of {client} in {file.parent}; there are: {', '.join(known) or 'none'}")
        return read_key(file)

    def file_of(self, client: str) -> Path:
        """Where the private key of a client of this home lies, if it has one."""
        return self.operator if client == OPERATOR else self.system_file(client)

    def next_key(self, client: str) -> dict[str, Any]:
        """The private key that will follow the client's own: made when first asked for, so that one that was registered
        is not lost by a command that was interrupted."""
        self.key_of(client)
        self._once(self._next(client), json.dumps(new_key()))
        return read_key(self._next(client))

    def take_next(self, client: str) -> None:
        """From now on the next key is the client's own."""
        self._next(client).replace(self.file_of(client))

    def _next(self, client: str) -> Path:
        file = self.file_of(client)
        return file.with_name(f".{file.name}.next")

    @property
    def origin(self) -> str:
        """Name of this home's log, see `tongdao up --origin`."""
        return str(self._home.state().get("origin", ORIGIN))

    def vkey(self, origin: str = "") -> str:
        """The log's public key, from this home's own signing key and not from anything that was received.

        origin  of another shard; `{year}` stands for this year
        """
        if not self.audit_signing.exists():
            raise CannotStart(f"{self.audit_signing} does not exist; start it once with `tongdao up`")
        name = (origin or self.origin).replace("{year}", f"{datetime.now(SHANGHAI):%Y}")
        return format_vkey(name, OKPKey.import_key(self.audit_signing.read_bytes()).public_key)  # type: ignore[arg-type]

    def _once(self, file: Path, content: str) -> None:
        if file.exists():
            return
        beside = file.with_name(f".{file.name}.new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(content)
        beside.replace(file)


def public(key: dict[str, Any]) -> dict[str, Any]:
    """The public half of a JWK, with its key id."""
    return KeySet.import_key_set({"keys": [key]}).as_dict(private=False)["keys"][0]


def read_key(file: Path) -> dict[str, Any]:
    """A JWK from a file."""
    key: dict[str, Any] = json.loads(file.read_text())
    return key


def new_key() -> dict[str, Any]:
    """A private EC P-256 key, named by its thumbprint."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    return dict(key.as_dict(private=True))
