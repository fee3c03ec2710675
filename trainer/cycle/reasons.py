"""Whether a cycle is due, and why. Pure: what is known goes in, with the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streams.lessons import DriftSignal
from streams.training import TrainerSettings
from trainer.cycle.store import Cycle

HOUR_MS = 3_600_000
LONGEST_COOLDOWN = 8
"""Cooldowns that a row of fruitless cycles waits at most."""
FRUITFUL = ("promoted", "nominated")

Kind = Literal["drift", "labels", "schedule", "asked"]


@dataclass(frozen=True)
class Known:
    """What a decision rests on: labelled documents to learn from, those that no cycle has seen yet, rows to judge by,
    signals that nobody has answered, the cycles so far, and since when there is a trainer at all."""

    to_learn: int
    fresh: int
    anchors: int
    signals: Sequence[DriftSignal]
    cycles: Sequence[Cycle]
    since_ms: int = 0


@dataclass(frozen=True)
class Reason:
    """Why a cycle begins; ``drifted`` asks its candidate for a gain on recent documents."""

    kind: Kind
    told: str

    @property
    def drifted(self) -> bool:
        return self.kind == "drift"


def cooled_ms(cycles: Sequence[Cycle], cooldown_hours: float) -> int:
    """The time before which no cycle begins: later after each in a row that promoted nothing."""
    done = [cycle for cycle in cycles if cycle.concluded_ms is not None]
    if not done:
        return 0
    fruitless = 0
    for cycle in reversed(done):
        if cycle.outcome in FRUITFUL:
            break
        fruitless += 1
    times = min(2**fruitless, LONGEST_COOLDOWN)
    return (done[-1].concluded_ms or 0) + int(times * cooldown_hours * HOUR_MS)


def lacking(known: Known, settings: TrainerSettings) -> str:
    """What has to come before any cycle can begin; empty where nothing is missing."""
    if known.to_learn < settings.least_labels:
        return f"{known.to_learn} labelled documents to learn from, trainer.least_labels is {settings.least_labels}"
    if known.anchors < settings.least_anchors:
        return f"{known.anchors} labelled rows to judge by, trainer.least_anchors is {settings.least_anchors}"
    return ""


def due(known: Known, settings: TrainerSettings, now_ms: int) -> Reason | None:
    """The reason to begin a cycle now, or ``None``. Drift comes first, for it asks more of the candidate."""
    if lacking(known, settings) or now_ms < cooled_ms(known.cycles, settings.cooldown_hours):
        return None
    calling = [signal for signal in known.signals if signal.calls == "train"]
    if settings.on_drift and calling:
        named = sorted({f"{signal.detector} on {signal.stream}" for signal in calling})
        return Reason("drift", f"drift: {', '.join(named)[:300]}")
    if known.fresh >= settings.new_labels:
        return Reason("labels", f"{known.fresh} new labels")
    concluded = [cycle.concluded_ms for cycle in known.cycles if cycle.concluded_ms is not None]
    since = max([known.since_ms, *concluded])
    if settings.every_hours and known.fresh and now_ms >= since + settings.every_hours * HOUR_MS:
        return Reason("schedule", f"{settings.every_hours:g} hours without a cycle, {known.fresh} new labels")
    return None
