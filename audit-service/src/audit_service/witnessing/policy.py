"""What follows when nobody outside has seen the log for too long: an alarm, or no more records until somebody has.

How long is read from the database, so that a restart forgets nothing. Without witnesses there is no policy.
Source: design 1 (P7).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import structlog

from audit_service.store import Database
from audit_service.witnessing.store import first_attempt, unwitnessed_since
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from wire import codes

log = structlog.get_logger()
Mode = Literal["alarm", "enforce"]
AGAIN = timedelta(minutes=5)


class Policy:
    """`judge` is called before the first batch is taken and every few seconds, on every replica; `check` with every
    batch.

    witnesses  names of those in the settings
    since      when the oldest checkpoint was signed that nobody has cosigned, or when one of these witnesses was asked
               for the first time if that is later: what a log holds before it has witnesses is not overdue at once
    """

    def __init__(
        self, database: Database, mode: Mode, grace_s: int, witnesses: Sequence[str], clock: Clock | None = None
    ) -> None:
        self.mode = mode
        self.grace = timedelta(seconds=grace_s)
        self.since: datetime | None = None
        self._database = database
        self._witnesses = witnesses
        self._began_at: datetime | None = None
        self._clock = clock or SystemClock()
        self._is_overdue = False
        self._alarmed_at: datetime | None = None

    async def judge(self) -> None:
        """Look how things are. While the database does not answer, what was found last stands."""
        if not self._witnesses:
            return
        now = self._clock.now()
        self._began_at = self._began_at or now
        oldest = await unwitnessed_since(self._database.reader)
        asked = await first_attempt(self._database.reader, self._witnesses) or self._began_at
        self.since = max(oldest, asked) if oldest else None
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
