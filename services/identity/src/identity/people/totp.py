"""The second factor: six digits that change every 30 seconds (RFC 6238), and codes for the day the device is lost.

The secret that an invitation offers is made from the invitation, so that nothing is kept of a link that is only looked
at. In the database secrets are sealed, each bound to its person.
"""

import hmac
import secrets
from base64 import b32encode
from datetime import datetime
from uuid import UUID

import pyotp

from runtime.seal import Seal

STEP_S = 30
DRIFT_STEPS = 1
RECOVERY_CODES = 10
ISSUER = "Tongdao"


class Secrets:
    """Makes and seals secrets of second factors. `key` is 32 bytes or more."""

    def __init__(self, key: bytes, seal: Seal) -> None:
        self._key = key
        self._seal = seal

    def offered(self, invitation: str) -> str:
        """The secret that this invitation offers, base32: always the same one, guessed by nobody without the key."""
        return b32encode(hmac.digest(self._key, b"totp\0" + invitation.encode(), "sha256")[:20]).decode()

    def sealed(self, person: UUID, secret: str) -> bytes:
        return self._seal.seal(secret.encode(), _about(person))

    def opened(self, person: UUID, sealed: bytes) -> str:
        """Raises runtime.seal.CannotOpen where it is somebody else's or was changed."""
        return self._seal.open(sealed, _about(person)).decode()


def _about(person: UUID) -> bytes:
    return f"identity/totp/{person}".encode()


def step_of(secret: str, code: str, at: datetime, after: int) -> int | None:
    """The time step that `code` belongs to, None if it is wrong or not later than step `after`."""
    now = int(at.timestamp()) // STEP_S
    found = None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        right = hmac.compare_digest(pyotp.TOTP(secret).generate_otp(step).encode(), code.encode())
        if right and step > after:
            found = step
    return found


def address_of(secret: str, login: str) -> str:
    """What goes into the square code that an authenticator reads (otpauth://)."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=ISSUER)


def recovery_codes() -> list[str]:
    """Codes of 80 bits in groups of four: shown once, each good once."""
    return [spelled(b32encode(secrets.token_bytes(10)).decode()) for _ in range(RECOVERY_CODES)]


def spelled(code: str) -> str:
    """A recovery code as it was shown, however it was typed."""
    plain = "".join(c for c in code.upper() if c.isalnum())
    return "-".join(plain[i : i + 4] for i in range(0, len(plain), 4))
