"""Structured logs: structlog for ours, the standard library's records through the same renderer.

Logs carry ids, counts and enums, never the text of a document; JSON escapes whatever a library adds.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

from streams.settings import LogSettings

QUIET = ("aiokafka", "faust", "mode", "asyncio", "aiohttp.access")
"""Libraries that narrate at info level what our own logs say once."""

SILENT = ("kafka",)
"""kafka-python logs every step of every retry as an error; what comes of it, our own errors say."""


def configure(settings: LogSettings, stream: TextIO = sys.stderr) -> None:
    """Send every log line of the process to ``stream``, once, in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    if as_json:
        renderer: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        renderer = [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if settings.level != "debug" else logging.DEBUG)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL if settings.level != "debug" else logging.DEBUG)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module: ``log = logs.get(__name__)``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
