"""When a record happened: what it says, else the broker's clock, within bounds that keep windows sane."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from streams.records import Rejection

FIRST_MILLISECONDS = 100_000_000_000
"""An epoch number from here on counts milliseconds (1973 as such, the year 5138 as seconds)."""

NEWEST_MS = 4_102_444_800_000
"""2100-01-01. Without a broker's clock a later time is refused: one such line would close every window."""


def parse_time(value: str | int | float) -> int | None:
    """Milliseconds since the epoch, or ``None`` for what is no time.

    Takes ISO 8601 (without an offset: UTC; a date alone: its midnight) and epoch seconds or milliseconds,
    as a number or as its digits.

    >>> parse_time("2014-05-21T00:00:00Z") == parse_time(1400630400) == parse_time("1400630400000")
    True
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return _epoch(text)
        if len(text) == 8 and text.isdigit():
            return _epoch(text)  # never a date: "20140521" would be 1970, and refused as too old
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    return _milliseconds(value)


def _epoch(text: str) -> int | None:
    try:
        return _milliseconds(float(text)) if len(text) <= 32 else None
    except ValueError:
        return None


def _milliseconds(number: int | float) -> int | None:
    if isinstance(number, float) and not math.isfinite(number):
        return None
    return int(number) if abs(number) >= FIRST_MILLISECONDS else round(number * 1000)


def event_time(
    published_at: str | int | float | None, broker_ms: int | None, oldest_ms: int, grace_ms: int, needed: bool = True
) -> int | Rejection:
    """The event time in ms, or why the record has none that can be believed.

    ``published_at`` wins over ``broker_ms`` (``None`` where there is no broker). Where neither is given the
    answer is 0 if no time is ``needed``.
    """
    if published_at is None or published_at == "":
        if broker_ms is None:
            return Rejection("validate", "NoTime", "published_at is missing") if needed else 0
        moment: int | None = broker_ms
    else:
        moment = parse_time(published_at)
    if moment is None:
        return Rejection("validate", "BadTime", "published_at is neither ISO 8601 nor an epoch time")
    if moment < oldest_ms:
        return Rejection("validate", "TooOld", f"the event time {moment} ms is before intake.oldest")
    if moment > (NEWEST_MS if broker_ms is None else broker_ms + grace_ms):
        return Rejection("validate", "FromTheFuture", f"the event time {moment} ms is later than the broker's allows")
    return moment
