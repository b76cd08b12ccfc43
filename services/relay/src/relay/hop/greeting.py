"""How both ends of a framed connection prove that they hold the installation's secret, before anything is said.

asker → answerer   PREFACE, Hello (name, date, nonce)
answerer → asker   Welcome (name, date, nonce, proof)
asker → answerer   Proof, and from here on records

The proofs are HMACs over names, dates and the nonces of both; so are the two keys that the records are sealed with.
Nobody can send again what somebody said once: each end's nonce is new, and part of every proof and key.
"""

import hmac
import os
import re
import struct
from typing import Annotated, Final, TypeVar

import msgspec

from runtime.service_auth import WINDOW_S, ServiceKey

PREFACE: Final = b"\0tongdao-frames/1\n"
"""No HTTP request begins like this, so both can be served on one port."""
NONCE_BYTES: Final = 32
MAX_BYTES: Final = 512
"""Of one part of a greeting."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LENGTH = struct.Struct(">H")
Nonce = Annotated[bytes, msgspec.Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
P = TypeVar("P", bound=msgspec.Struct)


class BadGreeting(Exception):
    """The other end is none of us, or its clock is wrong."""


class Hello(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Who greets, when by its clock (Unix seconds), and what it never said before."""

    service: str
    at: int
    nonce: Nonce

    def check(self, now: float) -> None:
        """Raises BadGreeting."""
        if not _NAME.fullmatch(self.service):
            raise BadGreeting("a service without a name")
        if abs(self.at - now) > WINDOW_S:
            raise BadGreeting("the date is outside the window; check the clocks")


class Welcome(Hello, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The same of the answering end, with its proof."""

    proof: str


class Proof(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The asking end's."""

    proof: str


def hello(key: ServiceKey, now: float) -> Hello:
    return Hello(key.service, int(now), os.urandom(NONCE_BYTES))


def welcome(key: ServiceKey, heard: Hello, now: float) -> tuple[Welcome, "Secrets"]:
    """The answer to somebody's Hello, and what both know from here on; raises BadGreeting."""
    heard.check(now)
    own = hello(key, now)
    secrets = Secrets(key, heard, own)
    return Welcome(own.service, own.at, own.nonce, secrets.proof("answerer")), secrets


def accept(key: ServiceKey, own: Hello, heard: Welcome, now: float) -> tuple[Proof, "Secrets"]:
    """Our proof, after the other end's was found to be right; raises BadGreeting."""
    heard.check(now)
    secrets = Secrets(key, own, heard)
    secrets.check("answerer", heard.proof)
    return Proof(secrets.proof("asker")), secrets


class Secrets:
    """What follows from the installation's secret and from what both ends said."""

    def __init__(self, key: ServiceKey, asker: Hello, answerer: Hello) -> None:
        self._key = key
        self._said = " ".join(f"{one.service} {one.at} {one.nonce.hex()}" for one in (asker, answerer))

    def proof(self, end: str) -> str:
        """What only a holder of the secret can say at this `end`, "asker" or "answerer"."""
        return self._key.derived(f"frames/1 proof of the {end}: {self._said}")

    def check(self, end: str, proof: str) -> None:
        """Raises BadGreeting."""
        if not proof.isascii() or not hmac.compare_digest(proof, self.proof(end)):
            raise BadGreeting("it does not hold our secret")

    def key_of(self, end: str) -> bytes:
        """The key of the records that this `end` sends."""
        return bytes.fromhex(self._key.derived(f"frames/1 records of the {end}: {self._said}"))


def packed(part: msgspec.Struct) -> bytes:
    """One part of a greeting as it is sent."""
    encoded = msgspec.msgpack.encode(part)
    return _LENGTH.pack(len(encoded)) + encoded


def taken(heard: bytearray, kind: type[P]) -> P | None:
    """The next part, taken off what was heard; None while it is not whole. Raises BadGreeting."""
    if len(heard) < _LENGTH.size:
        return None
    length = _LENGTH.size + _LENGTH.unpack_from(heard)[0]
    if length > MAX_BYTES:
        raise BadGreeting("it speaks something else")
    if len(heard) < length:
        return None
    encoded = bytes(heard[_LENGTH.size : length])
    del heard[:length]
    try:
        return msgspec.msgpack.decode(encoded, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadGreeting("it speaks something else") from None
