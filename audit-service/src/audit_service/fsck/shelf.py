"""Leaves that are not in the database: fetched from the archive, or known to be gone."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from audit_service.archive.archiving import opened
from audit_service.archive.objects import Away, Missing, Objects
from audit_service.archive.proving import Damaged
from audit_service.archive.store import Archived
from audit_service.fsck.findings import Findings
from audit_service.store import Kept

if TYPE_CHECKING:
    from audit_service.archive.parquet import Reading

_MOST_OPEN = 3
_AWAY = ("archived", "restored", "disposed")


class Shelf:
    """Reads segments of `archive` from `objects`; without them it says which ones could not be looked at."""

    def __init__(self, archive: dict[str, Archived], objects: Objects | None, findings: Findings) -> None:
        self._archive = archive
        self._objects = objects
        self._findings = findings
        self._open: OrderedDict[str, Reading | None] = OrderedDict()

    def is_away(self, segment: str) -> bool:
        """Whether leaves of the segment may be missing in the database."""
        return segment in self._archive and self._archive[segment].state in _AWAY

    def holds(self, segment: str, number: int) -> bool:
        """Whether a leaf is in the range that the segment is said to have."""
        kept = self._archive[segment]
        return kept.first_index <= number <= kept.last_index

    def is_disposed(self, segment: str) -> bool:
        return segment in self._archive and self._archive[segment].state == "disposed"

    def is_hot(self, segment: str) -> bool:
        """Whether all of it, rows to search by included, is in the database."""
        return not self.is_away(segment)

    async def leaves(self, segment: str, wanted: Iterable[int]) -> list[Kept] | None:
        """Those of the leaves that are in the file; None where there is none to read.

        A file that is not what was stored is a finding.
        """
        if segment not in self._open:
            self._open[segment] = await self._reading(self._archive[segment])
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        reading = self._open[segment]
        return await asyncio.to_thread(reading.leaves, list(wanted)) if reading else None

    async def _reading(self, kept: Archived) -> "Reading | None":
        what = f"segment {kept.segment}"
        if kept.state == "disposed":
            self._findings.note(f"{what}: was disposed of; only its hashes are checked")
            return None
        if self._objects is None:
            self._findings.leave(f"{what}: is in the archive, which was not named; only its hashes are checked")
            return None
        try:
            return await opened(self._objects, kept.segment, kept.object, kept.sha256)
        except (Missing, Damaged) as error:
            self._findings.report(what, f"in the archive: {error}")
        except Away as error:
            self._findings.leave(f"{what}: the archive does not answer ({error}); only its hashes are checked")
        return None
