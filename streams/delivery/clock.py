"""How late it is on a source partition: the highest event time, moved on by the wall clock while nothing comes.

Pure. The clock of a partition travels with its committed offset (as the commit's metadata), so that a
successor knows the time without reading a record again.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class SourceClock(Struct, frozen=True, array_like=True):
    """``event_ms``: highest event time read so far; ``broker_ms``: the broker's time of the latest record."""

    event_ms: int | None = None
    broker_ms: int | None = None

    def heard(self, event_ms: int | None, broker_ms: int | None) -> SourceClock:
        """The clock after further records; it never goes back.

        >>> SourceClock(1000, 50).heard(900, 60)
        SourceClock(event_ms=1000, broker_ms=60)
        """
        return SourceClock(_later(self.event_ms, event_ms), _later(self.broker_ms, broker_ms))

    def idle(self, now_ms: int) -> int | None:
        """Event time on a partition without lag: what has passed since its last record is added to it.

        ``None`` while the partition has never had a record: it holds nobody's watermark back.

        >>> SourceClock(1_000, 5_000).idle(now_ms=8_000)
        4000
        """
        if self.event_ms is None or self.broker_ms is None:
            return self.event_ms
        return self.event_ms + max(0, now_ms - self.broker_ms)

    def note(self) -> str:
        """The clock as a commit's metadata."""
        return msgspec.json.encode(self).decode()


def from_note(note: str | None) -> SourceClock:
    """The clock that :meth:`SourceClock.note` wrote; an unset one from anything else."""
    try:
        return msgspec.json.decode(note or "", type=SourceClock)
    except msgspec.MsgspecError:
        return SourceClock()


def _later(one: Any, other: Any) -> Any:
    return other if one is None or (other is not None and other > one) else one
