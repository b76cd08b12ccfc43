"""How often each grant is used: counted here, told to the catalog once a minute. The log is the proof, not this."""

import time

import msgspec
import structlog

from runtime.http import AsyncClient, HTTPError
from runtime.service_auth import ServiceKey
from wire.audit import CallLeaf
from wire.usage import Report, Use

log = structlog.get_logger()
TARGET = "/usage"
REPORT_S = 60.0


class Tally:
    """Counts since the last report, and the report that the catalog has not acknowledged yet."""

    def __init__(self, name: str, catalog: AsyncClient, key: ServiceKey) -> None:
        self._name = name
        self._catalog = catalog
        self._key = key
        self._since_ms = _now_ms()
        self._uses: dict[str, Use] = {}
        self._unsent: Report | None = None

    def count(self, leaf: CallLeaf) -> None:
        """A call that was admitted has ended."""
        use = self._uses.get(leaf.grant)
        if use is None:
            use = self._uses[leaf.grant] = Use()
        use.calls += 1
        use.errors += leaf.code != ""
        use.last_ms = leaf.at_ready

    async def report(self) -> None:
        """Tell the catalog; what it did not acknowledge is told again before anything newer."""
        report = self._unsent = self._unsent or self._cut()
        if report is None:
            return
        body = msgspec.json.encode(report)
        try:
            answer = await self._catalog.post(TARGET, content=body, headers=self._key.headers("POST", TARGET, body))
            answer.raise_for_status()
        except HTTPError as error:
            log.warning("usage.not_reported", since=report.since, grants=len(report.grants), error=repr(error))
        else:
            self._unsent = None

    def _cut(self) -> Report | None:
        """What was counted so far, as a report; None where nothing was."""
        if not self._uses:
            return None
        until_ms = max(_now_ms(), self._since_ms + 1)  # no two reports begin at once, whatever the clock does
        uses, self._uses = self._uses, {}
        since_ms, self._since_ms = self._since_ms, until_ms
        return Report(gateway=self._name, since=since_ms, until=until_ms, grants=uses)


def _now_ms() -> int:
    return int(time.time() * 1000)
