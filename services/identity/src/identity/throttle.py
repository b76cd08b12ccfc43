"""Guessing made slow: who fails too often to be one client, from one address, has to wait. Others do not.

Counted per client and address, so that nobody can keep a client out from elsewhere, and the same for clients that do
not exist. Kept by each process for itself: with R replicas somebody has R times as many tries, which is few enough.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

from starlette.responses import Response

from identity.clients import claimed_client
from identity.server import error_answer
from wire.front import Front

WINDOW_S = 60.0
FAILURES_AT_MOST = 10
PAIRS_AT_MOST = 10_000
"""How many pairs of client and address are remembered; the one that failed longest ago is forgotten first."""
LONGEST_NAME = 128
"""Characters of a claimed client or an address that are remembered; no client has a longer id."""
_Pair = tuple[str, str]


class Throttle:
    """Failures of the last minute.

    seconds  a clock that neither goes back nor jumps, whatever happens to the time of day
    """

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._failures: OrderedDict[_Pair, deque[float]] = OrderedDict()

    def wait_s(self, client: str, address: str) -> int:
        """Whole seconds to wait, 0 for none."""
        times = self._failures.get(_pair(client, address))
        if times is None or len(times) < FAILURES_AT_MOST:
            return 0
        return max(0, math.ceil(times[0] + WINDOW_S - self._seconds()))

    def failed(self, client: str, address: str) -> None:
        """One more failure."""
        pair = _pair(client, address)
        times = self._failures.setdefault(pair, deque(maxlen=FAILURES_AT_MOST))
        times.append(self._seconds())
        self._failures.move_to_end(pair)
        if len(self._failures) > PAIRS_AT_MOST:
            self._failures.popitem(last=False)

    async def guard(
        self, form: Mapping[str, str], authorization: str, front: Front, work: Callable[[], Awaitable[Response]]
    ) -> Response:
        """What `work` answers, 401 for a failure; 429 without asking it where this client has to wait."""
        who = (claimed_client(form, authorization), front.address)
        if wait_s := self.wait_s(*who):
            return error_answer("slow_down", 429, retry_after_s=wait_s)
        response = await work()
        if response.status_code == 401:
            self.failed(*who)
        return response


def _pair(client: str, address: str) -> _Pair:
    return client[:LONGEST_NAME], address[:LONGEST_NAME]
