"""Passwords: argon2id (RFC 9106, OWASP's 19 MiB profile), in threads of its own, and never more than a few at once."""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from runtime.errors import Refusal
from wire import codes

T = TypeVar("T")
MEMORY_KIB, PASSES, LANES = 19_456, 2, 1
AT_ONCE = 2
WAITING = 32
"""At 50 ms each this is a second of waiting; whoever comes then is told to try again."""
OF_ONE_NETWORK = AT_ONCE + 4
"""So many places one network gets: whoever takes them all keeps nobody elsewhere out."""
_NETWORK_BITS = {4: 24, 6: 64}


class Passwords:
    """Makes and checks hashes; a check without a hash takes as long as one with it."""

    def __init__(self, memory_kib: int = MEMORY_KIB) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=memory_kib, parallelism=LANES)
        self._threads = ThreadPoolExecutor(AT_ONCE, "password")
        self._decoy = self._hasher.hash("nobody's password")
        self._taken: Counter[str] = Counter()

    async def hashed(self, password: str, address: str) -> str:
        """What is kept of a password. `address` is where it comes from. Raises Refusal(SIGN_IN_BUSY)."""
        return await self._beside(address, lambda: self._hasher.hash(password))

    async def is_right(self, kept: str | None, password: str, address: str) -> bool:
        """Whether it is the password of which `kept` was kept, never so for None. Raises Refusal(SIGN_IN_BUSY)."""
        right = await self._beside(address, lambda: self._matches(kept or self._decoy, password))
        return right and kept is not None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _beside(self, address: str, work: Callable[[], T]) -> T:
        network = _network(address)
        if self._taken.total() >= AT_ONCE + WAITING or self._taken[network] >= OF_ONE_NETWORK:
            raise Refusal(codes.SIGN_IN_BUSY)
        self._taken[network] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._taken[network] -= 1
            self._taken += Counter()  # without those that have none


def _network(address: str) -> str:
    """What is near enough to an address to be in one hand."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, _NETWORK_BITS[parsed.version]), strict=False))
