"""Refusals of callers that nobody knows: counted per source and minute, so that a flood cannot fill the log."""

import time

import structlog

from gateway.record import Recorder
from runtime.errors import Refusal
from runtime.ids import uuid7
from wire.audit import EventLeaf

log = structlog.get_logger()
MOST_SOURCES = 10_000
OTHERS = "others"


class Strangers:
    """Counts since the last minute's record."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, source: str, code: str) -> None:
        """One more refusal of `source`; beyond MOST_SOURCES they are counted together."""
        key = (source, code)
        if key not in self._counts and len(self._counts) >= MOST_SOURCES:
            key = (OTHERS, code)
        self._counts[key] = self._counts.get(key, 0) + 1

    async def record(self) -> None:
        """Write one event per source and code; what cannot be written is counted on."""
        counts, self._counts = self._counts, {}
        put = [(key, number, self._recorder.put(_event(*key, number))) for key, number in counts.items()]
        for key, number, written in put:
            try:
                await written
            except Refusal:
                self._counts[key] = self._counts.get(key, 0) + number
                log.warning("strangers.not_recorded", source=key[0], count=number)


def _event(source: str, code: str, number: int) -> EventLeaf:
    now_ms = int(time.time() * 1000)
    return EventLeaf(
        actor="", at=now_ms, call=str(uuid7(now_ms)), department="", epoch=0, event="strangers.refused",
        facts={"code": code, "count": str(number), "source": source}, gateway="", sequence=0,
    )  # fmt: skip
