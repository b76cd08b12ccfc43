"""Logs: one JSON line per event on standard error; ids and digests, never payloads.

What somebody wrote into a request may come to stand in a line: it is cut, and whatever a terminal or a reader of lines
could take for more than text is escaped (OWASP ASVS 16.4.1).
"""

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_LONGEST = 1024
_LONGEST_TRACE = 8 * 1024
_NOT_TEXT = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""Controls, line ends and directions that JSON leaves as they are; it escapes those below U+0020 itself."""


def configure(service: str, level: str = "INFO") -> None:
    """Set up structlog and route the standard library's warnings and errors through it."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _cut,
            _line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)


def _cut(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Long values are cut, so that nobody can fill the disk through a header. The end of a trace says what happened."""
    trace = event.pop("exception", "")
    cut = {name: value if isinstance(value, int | float) else _short(value) for name, value in event.items()}
    return {**cut, "exception": trace[-_LONGEST_TRACE:]} if trace else cut


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST]
    return value if len(text := repr(value)) <= _LONGEST else text[:_LONGEST]


def _line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    line = json.dumps(event, ensure_ascii=False, default=repr)
    return _NOT_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class _ToStructlog(logging.Handler):
    """Libraries log through the standard library; their lines join ours."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger().bind(logger=record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
