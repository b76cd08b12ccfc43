"""Logs: one JSON line per event on standard error; ids and digests, never payloads."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_LONGEST = 1024


def configure(service: str, level: str = "INFO") -> None:
    """Set up structlog and route the standard library's warnings and errors through it."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _cut,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)


def _cut(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Long strings are cut, so that nobody can fill the disk through a header."""
    return {k: v[:_LONGEST] if isinstance(v, str) and len(v) > _LONGEST else v for k, v in event.items()}


class _ToStructlog(logging.Handler):
    """Libraries log through the standard library; their lines join ours."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger().bind(logger=record.name)
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
