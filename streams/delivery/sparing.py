"""Keeps a client library from filling the log while a broker is away: a line each ten seconds says it as well."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

EVERY_SECONDS = 10.0
LIBRARY = "aiokafka"


class Sparing(logging.Filter):
    """Lets a message of the library through once per :data:`EVERY_SECONDS`, with how often it came meanwhile.

    Messages are told apart by where in the library they were written, since their texts carry numbers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[str, int], float] = {}
        self._kept_back: dict[tuple[str, int], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` is written."""
        if not record.name.startswith(LIBRARY):
            return True
        key, now = (record.pathname, record.lineno), self._clock()
        if now - self._said.get(key, float("-inf")) < EVERY_SECONDS:
            self._kept_back[key] = self._kept_back.get(key, 0) + 1
            return False
        more = self._kept_back.pop(key, 0)
        if more:
            record.msg, record.args = f"{record.getMessage()} (and {more} more like it)", ()
        self._said[key] = now
        return True


def spare_the_log() -> None:
    """Put the filter on the process's log."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(known, Sparing) for known in handler.filters):
            handler.addFilter(Sparing())
