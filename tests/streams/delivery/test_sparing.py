"""A log that an absent broker does not fill."""

from __future__ import annotations

import logging

from streams.delivery.sparing import EVERY_SECONDS, Sparing


def _record(name: str = "aiokafka.conn", line: int = 1) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "conn.py", line, "cannot reach %s", ("node 1",), None)


def test_a_message_is_said_once_and_then_with_its_count() -> None:
    now = [0.0]
    sparing = Sparing(lambda: now[0])
    assert [sparing.filter(_record()) for _ in range(1000)] == [True] + [False] * 999
    now[0] += EVERY_SECONDS
    last = _record()
    assert sparing.filter(last)
    assert last.getMessage() == "cannot reach node 1 (and 999 more like it)"


def test_another_message_is_not_kept_back() -> None:
    sparing = Sparing(lambda: 0.0)
    assert sparing.filter(_record(line=1))
    assert sparing.filter(_record(line=2))


def test_our_own_log_is_never_kept_back() -> None:
    sparing = Sparing(lambda: 0.0)
    assert all(sparing.filter(_record(name="streams.worker")) for _ in range(10))
