"""Which sinks hear of a transition. Pure; what needs several incidents (a parent that inhibits) belongs here."""

from __future__ import annotations

from collections.abc import Sequence

from streams.records import Alert


def channels_for(alert: Alert, channels: Sequence[str]) -> Sequence[str]:
    """The names among ``channels`` that get ``alert``: all of them, but nobody is woken by what is pending."""
    return () if alert.state == "pending" else channels
