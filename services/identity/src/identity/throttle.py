"""Guessing made slow: who fails too often to be one client, from one address, has to wait. Others do not.

Counted per client and address, so that nobody can keep a client out from elsewhere, and the same for clients that do
not exist. Kept by each process for itself: with R replicas somebody has R times as many tries, which is few enough.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response

from identity.clients import claimed_client
from identity.server import error_answer
from wire.front import Front

WINDOW_S = 60.0
FAILURES_AT_MOST = 10
PAIRS_AT_MOST = 10_000
"""How many pairs of client and address are remembered; the one that failed longest ago is forgotten first."""
_Pair = tuple[str, str]


class Throttle:
    """Failures of the last minute. Times are seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._failures: OrderedDict[_Pair, deque[float]] = OrderedDict()

    def wait_s(self, client: str, address: str, now: float) -> int:
        """Whole seconds to wait, 0 for none."""
        times = self._failures.get((client, address))
        if times is None or len(times) < FAILURES_AT_MOST:
            return 0
        return max(0, math.ceil(times[0] + WINDOW_S - now))

    def failed(self, client: str, address: str, now: float) -> None:
        """One more failure."""
        times = self._failures.setdefault((client, address), deque(maxlen=FAILURES_AT_MOST))
        times.append(now)
        self._failures.move_to_end((client, address))
        if len(self._failures) > PAIRS_AT_MOST:
            self._failures.popitem(last=False)

    async def guard(
        self, form: Mapping[str, str], authorization: str, front: Front, now: float,
        work: Callable[[], Awaitable[Response]],
    ) -> Response:  # fmt: skip
        """What `work` answers, 401 for a failure; 429 without asking it where this client has to wait."""
        who = (claimed_client(form, authorization), front.address)
        if wait_s := self.wait_s(*who, now):
            return error_answer("slow_down", 429, retry_after_s=wait_s)
        response = await work()
        if response.status_code == 401:
            self.failed(*who, now)
        return response
