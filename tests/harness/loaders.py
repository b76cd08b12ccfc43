"""What loads a gateway while a bench does something else."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Self

from harness.members import Member
from runtime.http import sync_client

RENEW_S = 120.0
"""A token is good for five minutes."""


class Loaders:
    """Threads that work from the start of a block to its end: each goes on until `over` is set."""

    def __init__(self, works: Iterable[Callable[[], object]]) -> None:
        self.over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in works]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()

    @property
    def are_at_work(self) -> bool:
        """Whether none of them died."""
        return all(thread.is_alive() for thread in self._threads)


class SteadyLoad(Loaders):
    """Calls of these systems, so many a second in all, spread over the gateways; `statuses` counts the answers."""

    def __init__(self, gateways: Sequence[str], members: Sequence[Member], interface: str, per_s: float) -> None:
        self.statuses: Counter[int] = Counter()
        self._path = f"/x/{interface}"
        self._pause_s = len(members) / per_s
        places = (gateways[n % len(gateways)] for n in range(len(members)))
        super().__init__(partial(self._call, *pair) for pair in zip(places, members, strict=True))

    def _call(self, gateway: str, member: Member) -> None:
        token, renewed, due = member.token(), time.monotonic(), time.monotonic()
        with sync_client(gateway, timeout_s=30) as client:
            while not self.over.is_set():
                if time.monotonic() - renewed > RENEW_S:
                    token, renewed = member.token(), time.monotonic()
                answer = client.get(self._path, headers={"Authorization": f"Bearer {token}"})
                self.statuses[answer.status_code] += 1
                due += self._pause_s
                self.over.wait(max(0.0, due - time.monotonic()))
