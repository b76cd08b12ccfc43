"""What follows when nobody outside has seen the log for too long: an alarm, or no more records until somebody has.

How long is read from the database, so that a restart forgets nothing. Without witnesses there is no policy.
Source: design 1 (P7).
"""

from datetime import datetime, timedelta
from typing import Literal

import structlog

from audit_service.store import Database
from audit_service.witnessing.store import unwitnessed_since
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from wire import codes

log = structlog.get_logger()
Mode = Literal["alarm", "enforce"]
AGAIN = timedelta(minutes=5)


class Policy:
    """`judge` is called before the first batch is taken and every few seconds, on every replica; `check` with every
    batch. `since`: when the oldest checkpoint was signed that nobody has cosigned."""

    def __init__(
        self, database: Database, mode: Mode, grace_s: int, *, is_witnessed: bool, clock: Clock | None = None
    ) -> None:
        self.mode = mode
        self.grace = timedelta(seconds=grace_s)
        self.since: datetime | None = None
        self._database = database
        self._is_witnessed = is_witnessed
        self._clock = clock or SystemClock()
        self._is_overdue = False
        self._alarmed_at: datetime | None = None

    async def judge(self) -> None:
        """Look how things are. While the database does not answer, what was found last stands."""
        if not self._is_witnessed:
            return
        self.since, now = await unwitnessed_since(self._database.reader), self._clock.now()
        was_overdue, self._is_overdue = self._is_overdue, self.since is not None and now - self.since > self.grace
        if not self._is_overdue:
            self._alarmed_at = None
            if was_overdue:
                log.info("log.witnessed_again")
        elif self._alarmed_at is None or now - self._alarmed_at >= AGAIN:
            self._alarmed_at = now
            log.critical("log.unwitnessed", alarm=True, since=str(self.since), policy=self.mode)

    def check(self) -> None:
        """Raises Refusal(AUDIT_UNAVAILABLE) where the policy wants no more records."""
        if self._is_overdue and self.mode == "enforce":
            hours = self.grace / timedelta(hours=1)
            raise Refusal(codes.AUDIT_UNAVAILABLE, f"no witness has cosigned for {hours:g} h")
