"""Five failed attempts in a quarter of an hour, counted per person and place: so nobody can lock another out.

A place is a network address, or a browser in which this very person has signed in before: that one carries a device
cookie and is counted by itself, so colleagues behind one address do not lock each other out either (OWASP, "Slow Down
Online Guessing Attacks with Device Cookies"). Whoever knows a password and guesses codes from many addresses meets the
limit on the person, which known devices do not share; whoever tries one password on many names, that on the network.
An attempt is counted and committed before anything is looked at: many at once gain nothing.
"""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Delete, case, delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from identity.people.tables import attempt
from runtime.errors import Refusal
from wire import codes

ATTEMPTS = 5
CODES_FROM_ANYWHERE = 20
FROM_ONE_NETWORK = 60
"""Attempts that were not right, over all names, in browsers that nobody knows yet; and ways to a provider elsewhere."""
WINDOW = timedelta(minutes=15)
_IPV6_BITS = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt comes from. `device` is what stands in its device cookie, "" for none."""

    address: str
    device: str = ""
    agent: str = ""


class Devices:
    """Makes and reads device cookies: `nonce.mac`, good for one login name."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def new(self, login: str) -> str:
        nonce = secrets.token_urlsafe(16)
        return f"{nonce}.{self._mac(login, nonce)}"

    def known(self, login: str, place: Place) -> str:
        """The cookie's nonce, "" where it is none for this login."""
        nonce, _, mac = place.device.partition(".")
        right = hmac.compare_digest(mac.encode(), self._mac(login, nonce).encode())
        return nonce if nonce and right else ""

    def _mac(self, login: str, nonce: str) -> str:
        return hmac.digest(self._key, f"device\0{login}\0{nonce}".encode(), "sha256").hex()


class Lockout:
    """Counts attempts over all replicas."""

    def __init__(self, database: AsyncEngine, devices: Devices) -> None:
        self._database = database
        self._devices = devices

    async def attempt(self, what: str, login: str, place: Place, at: datetime) -> None:
        """Count one; raises Refusal(TOO_MANY_ATTEMPTS). `what` is `password` or `code`."""
        device = self._devices.known(login, place)
        limits = {self._key(what, login, place): ATTEMPTS}
        if what == "code" and not device:
            limits[_key_of(what, login)] = CODES_FROM_ANYWHERE
        if what == "password" and not device:
            await self._count({_everybody(place): FROM_ONE_NETWORK}, at)  # first: names made up leave no rows behind
        await self._count(limits, at)

    async def visit(self, place: Place, at: datetime) -> None:
        """Count one who leaves for a provider elsewhere; raises Refusal(TOO_MANY_ATTEMPTS)."""
        await self._count({_key_of("visit", _network(place.address)): FROM_ONE_NETWORK}, at)

    async def _count(self, limits: Mapping[bytes, int], at: datetime) -> None:
        over = False
        async with self._database.begin() as transaction:
            for key, limit in sorted(limits.items()):
                times = (await transaction.execute(_count(key, at))).scalar_one()
                over |= times > limit
        if over:
            raise Refusal(codes.TOO_MANY_ATTEMPTS, retry_after=int(WINDOW.total_seconds()))

    async def succeeded(self, what: str, login: str, place: Place) -> None:
        """Begin anew for this person and place; this attempt does not weigh on the network."""
        async with self._database.begin() as transaction:
            await transaction.execute(delete(attempt).where(attempt.c.key == self._key(what, login, place)))
            if what == "password" and not self._devices.known(login, place):
                mine = (attempt.c.key == _everybody(place)) & (attempt.c.times > 0)
                await transaction.execute(update(attempt).where(mine).values(times=attempt.c.times - 1))

    def _key(self, what: str, login: str, place: Place) -> bytes:
        device = self._devices.known(login, place)
        return _key_of(what, login, f"device {device}" if device else _network(place.address))


def _key_of(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _everybody(place: Place) -> bytes:
    return _key_of("password of anybody", _network(place.address))


def _network(address: str) -> str:
    """The address; of IPv6 the network that one subscriber has to choose from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    bits = _IPV6_BITS if parsed.version == 6 else parsed.max_prefixlen
    return str(ipaddress.ip_network((parsed, bits), strict=False))


def _count(key: bytes, at: datetime):  # type: ignore[no-untyped-def]  # noqa: ANN202  # SQLAlchemy's type has no short name
    """One more; the window begins with the first attempt after the last one ended."""
    ended = attempt.c.since <= at - WINDOW
    statement = insert(attempt).values(key=key, times=1, since=at)
    return statement.on_conflict_do_update(
        index_elements=["key"],
        set_={"times": case((ended, 1), else_=attempt.c.times + 1), "since": case((ended, at), else_=attempt.c.since)},
    ).returning(attempt.c.times)


def forget_attempts(at: datetime) -> Delete:
    """Rows whose window has ended."""
    return delete(attempt).where(attempt.c.since <= at - WINDOW)
