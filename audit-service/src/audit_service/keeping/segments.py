"""All segments of the log: where each is, how large, and until when it is kept."""

from dataclasses import dataclass
from datetime import date

from audit_service import store as log_store
from audit_service.archive import store as archive_store
from audit_service.archive.periods import Periods
from audit_service.archive.store import Archived
from audit_service.keeping.events import told
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from wire import codes
from wire.tokens import AccessToken


@dataclass(frozen=True, slots=True)
class Segment:
    """kept_until  the last day (UTC), None for ever      archived  None while it is only in the database"""

    name: str
    kept_until: date | None
    in_database: bool
    archived: Archived | None

    @property
    def state(self) -> str:
        return self.archived.state if self.archived else "hot"


class Segments:
    """Listing, and asking for one to come back."""

    def __init__(
        self, database: log_store.Database, writer: Writer, periods: Periods, clock: Clock | None = None
    ) -> None:
        self._database = database
        self._writer = writer
        self._periods = periods
        self._clock = clock or SystemClock()

    async def all(self) -> list[Segment]:
        """Oldest first."""
        async with log_store.answering("archive"), self._database.clerk.acquire() as connection:
            archived = await archive_store.archived(connection)
            hot = set(await archive_store.hot(connection))
            mixed = await archive_store.mixed(connection)
        names = sorted(hot | archived.keys())
        return [Segment(name, self._periods.kept_until(name, mixed), name in hot, archived.get(name)) for name in names]

    async def restore(self, segment: str, token: AccessToken) -> None:
        """The archive's job brings it back soon. Raises Refusal: NOT_FOUND, DISPOSED, NOT_IN_THIS_STATE."""
        now = self._clock.now()
        async with log_store.answering("archive"), self._database.clerk.acquire() as tx, tx.transaction():
            if not await archive_store.ask_restore(tx, segment, now):
                raise _not_restored(segment, await archive_store.archived_one(tx, segment))
            await self._writer.write([told("segment.restore_asked", now, token, {"segment": segment})])


def _not_restored(segment: str, kept: Archived | None) -> Refusal:
    if kept is None:
        return Refusal(codes.NOT_FOUND, f"{segment} is not in the archive")
    if kept.state == "disposed":
        return archive_store.disposed(kept)
    return Refusal(codes.NOT_IN_THIS_STATE, "it is in the database", state=kept.state, possible=[])
