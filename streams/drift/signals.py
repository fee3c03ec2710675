"""What an alarm says to others: which detector, how far, which classes moved, and what should follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from streams.drift.feed import CHECKS
from streams.drift.listener import Listener, Step
from streams.drift.senses import SHARES
from streams.lessons import DriftSignal, Shift

MOST_SHIFTS = 5
CALLS: dict[str, Literal["look", "collect", "train"]] = {
    "domain": "collect",
    "novelty": "collect",
    "mix": "collect",
    "quality": "look",
}
"""What a detector calls for; those of confidence and of errors call for a training."""


def signal_of(
    step: Step, listener: Listener, taxonomies: Mapping[str, tuple[str, ...]], release: str, stream: str, event_ms: int
) -> DriftSignal:
    """The message for an alarm, told before ``listener`` hears more."""
    windows = listener.windows.get(step.detector)
    return DriftSignal(
        release=release,
        stream=stream,
        detector=step.detector,
        calls=CALLS.get(step.detector, "train"),
        documents=step.row,
        window=windows.moved.documents if windows is not None and windows.moved is not None else 0,
        statistic=round(step.look.statistic, 4),
        threshold=round(step.look.threshold, 4),
        own=windows is not None and windows.own,
        event_ms=event_ms,
        shifts=_shifts(step.detector, listener, taxonomies),
    )


def _shifts(detector: str, listener: Listener, taxonomies: Mapping[str, tuple[str, ...]]) -> tuple[Shift, ...]:
    windows = listener.windows.get(detector)
    if windows is None or windows.moved is None:
        return ()
    if detector in SHARES:
        names = listener.senses.classes_of(detector, taxonomies)
    elif detector == "quality":
        names = CHECKS[:-1]  # the length is no share
    else:
        return ()
    units = listener.units(detector)
    now, usual = (windows.moved.now * units)[: len(names)], (windows.moved.usual * units)[: len(names)]
    most = np.argsort(-np.abs(now - usual), kind="stable")[:MOST_SHIFTS]
    return tuple(Shift(names[at], round(float(usual[at]), 4), round(float(now[at]), 4)) for at in most.tolist())
