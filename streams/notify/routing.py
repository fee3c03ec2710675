"""Which sinks hear of a transition. Pure; what needs several incidents (a parent that inhibits) belongs here."""

from __future__ import annotations

from collections.abc import Sequence

from streams.records import Alert


def channels_for(alert: Alert, channels: Sequence[str]) -> Sequence[str]:
    """The names among ``channels`` that get ``alert``.

    Nobody is woken by what is pending, nor told that it came to nothing (``lapsed``): they never heard of it.
    """
    return () if alert.state == "pending" or alert.reason == "lapsed" else channels
