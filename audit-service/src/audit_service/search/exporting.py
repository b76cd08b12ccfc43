"""Exports: all rows that a filter finds as one file, or none: what is cut silently is taken for all there is."""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from audit_service.search.finder import Finder, shown
from audit_service.search.looking import LookUps
from audit_service.search.turns import Turns
from audit_service.search.writing import MOST_ROWS, Format, sheet
from audit_service.summary import Filter
from runtime.errors import Refusal
from wire import codes
from wire.tokens import AccessToken

PAGE_ROWS = 2_000
AT_ONCE = 2
IN_MEMORY_BYTES = 4 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Export:
    """A finished file; `chunks` reads it once and closes it."""

    file: IO[bytes]
    rows: int

    def chunks(self) -> Iterator[bytes]:
        with self.file as file:
            file.seek(0)
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


class Exporter:
    """Makes files, two at a time and one for each who asks; the others wait."""

    def __init__(self, finder: Finder, look_ups: LookUps) -> None:
        self._finder = finder
        self._look_ups = look_ups
        self._turns = Turns(AT_ONCE)

    async def export(self, wanted: Filter, form: Format, token: AccessToken) -> Export:
        """The file, on record before anybody has a byte of it.

        Raises Refusal: EXPORT_TOO_LARGE, ONE_FILE_AT_A_TIME, and as the finder.
        """
        async with self._turns.of(token):
            return await self._export(wanted, form, token)

    async def _export(self, wanted: Filter, form: Format, token: AccessToken) -> Export:
        await self._expect_few(wanted, form, token)
        file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115  # outlives this function
        try:
            rows = await self._write(wanted, form, token, file)
            await self._look_ups.record("record.exported", token, wanted, {"rows": str(rows), "format": form})
        except BaseException as error:
            file.close()
            if isinstance(error, OSError):
                raise Refusal(codes.AUDIT_UNAVAILABLE, f"no room for the file: {error.strerror}") from None
            raise
        return Export(file, rows)

    async def _expect_few(self, wanted: Filter, form: Format, token: AccessToken) -> None:
        """Said at once where the daily figures know it."""
        count = await self._finder.at_least(wanted, token)
        if count > MOST_ROWS[form]:
            raise too_large(form)

    async def _write(self, wanted: Filter, form: Format, token: AccessToken, file: IO[bytes]) -> int:
        into = await asyncio.to_thread(sheet, form, file)
        count, cursor = 0, ""
        while True:
            page = await self._finder.page(wanted, cursor, PAGE_ROWS, token)
            count += len(page.rows)
            if count > MOST_ROWS[form]:
                raise too_large(form)
            await asyncio.to_thread(into.add, shown(page.rows, token))
            cursor = page.next
            if not cursor:
                await asyncio.to_thread(into.end)
                return count


def too_large(form: Format) -> Refusal:
    """The refusal, with the number that is allowed."""
    most = MOST_ROWS[form]
    return Refusal(codes.EXPORT_TOO_LARGE, f"more than {most} rows match; narrow since and before", most=most)
