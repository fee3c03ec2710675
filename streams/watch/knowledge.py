"""What the detector remembers of each series: one array per quantity, indexed by slot.

Everything is a decayed sum with a prior beside it, so that a series of which nothing is known behaves like the
average one and a busy one like itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.watch.tails import Floats

Slots = slice | NDArray[np.intp]

DAY_SECONDS = 86_400
HOUR_SECONDS = 3600
TAIL_START = 1.3
"""Evidence above which a series' own tail is learned: one window in twenty under the model."""
TOGETHER = 0.35
"""log10 of how many windows a false alarm is loud for, on average: they share their scales and come together."""
MOST_KINDS = 8
"""Kinds of series whose tails are pooled apart; series of kind 0 are pooled with nobody."""
POOL_UNIT = 1024.0
"""Tails are summed in whole parts of 1/1024: so a pool does not depend on the order in which series were met."""
LATE_ROWS = 4
"""Closed windows that late documents may still correct, beyond those the scales need."""


@dataclass(frozen=True)
class Tuning:
    """The detector's constants for one length of window. Memories are in days or hours, so they hold for any length.

    Raising ``scales_seconds`` hears slower swells; raising ``haste`` asks for more evidence where it comes within less
    than an hour, by that many powers of ten for each halving; raising ``surge_memory`` trusts that a busy hour stays
    busy; raising ``wander`` lets the share of negatives drift further before it counts as news. ``*_days`` and
    ``*_hours`` are mean ages of what is remembered (half-lives where so named).
    """

    row_seconds: int
    scales_seconds: tuple[int, ...] = (900, 1800, 3600, 7200)
    level_half_life_days: float = 6.0
    season_days: float = 14.0
    dispersion_days: float = 15.6
    share_days: float = 10.0
    overlap_days: float = 20.8
    haste: float = 0.3
    surge_half_life_hours: float = 3.375
    surge_spread: float = 1 / 80
    wander_half_life_hours: float = 8.6
    wander: float = 0.04

    @cached_property
    def rows_per_day(self) -> float:
        return DAY_SECONDS / self.row_seconds

    @cached_property
    def scales(self) -> tuple[int, ...]:
        """In rows, ascending; the single row is always among them."""
        return tuple(sorted({1, *(max(1, seconds // self.row_seconds) for seconds in self.scales_seconds)}))

    def surcharge(self, rows: NDArray[np.int32]) -> Floats:
        """How much more evidence ``rows`` rows must bring than an hour or more would have to.

        >>> Tuning(900).surcharge(np.array([1, 2, 4, 8])).tolist()
        [0.6, 0.3, 0.0, 0.0]
        """
        return self.haste * np.maximum(np.log2(HOUR_SECONDS / (rows * self.row_seconds)), 0.0)

    @cached_property
    def ring_rows(self) -> int:
        return max(self.scales) + LATE_ROWS

    def threshold(self, budget: float) -> float:
        """The score that ``budget`` false alarms per series and day ask for.

        >>> round(Tuning(900).threshold(0.01), 2)
        3.63
        """
        return max(TAIL_START, -math.log10(budget / self.rows_per_day) - TOGETHER)

    def creep_threshold(self, budget: float) -> float:
        """The slow channel's score that passes no more often than ``budget`` per series and day."""
        return -math.log10(budget / self.rows_per_day)

    def fade(self, days: float) -> float:
        """What one row forgets of a memory of ``days``."""
        return 1 / (days * self.rows_per_day)

    def keep(self, half_life_hours: float) -> float:
        """What is left after one row of what fades by half in ``half_life_hours``."""
        return float(2.0 ** (-self.row_seconds / HOUR_SECONDS / half_life_hours))


@dataclass
class SpikeState:
    """What the detector knows of each series; arrays are (slots,), or (something, slots).

    ``level``: robust mean of documents per row; ``hour_*``, ``week_*``: counted over expected documents by hour of
    day and by weekday or weekend, ``now_*`` for the hour so far; ``season_odds``: log-odds that the profile predicts
    better than none; ``dn/dd``: spread of the volume, ``clump_*``: how documents clump where few are expected;
    ``surge_*``: counted and expected other documents of the last hours; ``pn/pd``: negatives among documents;
    ``drift``, ``drift_var``: where the share's log-odds wandered to; ``vn/vd``: spread of the share; ``creep``:
    evidence of a lasting rise of it, ``since_*`` what speaks for it, was counted and was expected since it seems to
    have begun, over how many rows; ``tail_*``: excesses of evidence; ``seen``: rows learned; ``stories``: documents
    counted; ``ring_*``: the last rows, what was counted and what was expected of negatives and of others; ``kind``:
    with whose tails its own is pooled (0: nobody's).
    """

    level: Floats
    season_odds: Floats
    dn: Floats
    dd: Floats
    clump_n: Floats
    clump_d: Floats
    surge_n: Floats
    surge_d: Floats
    pn: Floats
    pd: Floats
    drift: Floats
    drift_var: Floats
    vn: Floats
    vd: Floats
    creep: Floats
    since_gain: Floats
    since_y: Floats
    since_n: Floats
    since_mu: Floats
    since_rows: Floats
    tail_sum: Floats
    tail_n: Floats
    tail_rows: Floats
    stories: Floats
    now_n: Floats
    now_d: Floats
    seen: NDArray[np.int32]
    pace: NDArray[np.int32]
    hour_n: NDArray[np.float32]
    hour_d: NDArray[np.float32]
    week_n: NDArray[np.float32]
    week_d: NDArray[np.float32]
    ring_y: NDArray[np.float32]
    ring_n: NDArray[np.float32]
    ring_mu: NDArray[np.float32]
    ring_other: NDArray[np.float32]
    kind: NDArray[np.int8]
    head: int = 0

    def __post_init__(self) -> None:
        self.pool_tails()

    @classmethod
    def empty(cls, capacity: int, tuning: Tuning) -> SpikeState:
        """A state of ``capacity`` slots that know nothing."""
        ring = (tuning.ring_rows, capacity)
        scalars: dict[str, Any] = {name: np.zeros(capacity) for name in _SCALARS}
        state = cls(
            **scalars,
            seen=np.zeros(capacity, np.int32),
            pace=np.zeros(capacity, np.int32),
            hour_n=np.zeros((24, capacity), np.float32),
            hour_d=np.zeros((24, capacity), np.float32),
            week_n=np.zeros((2, capacity), np.float32),
            week_d=np.zeros((2, capacity), np.float32),
            ring_y=np.zeros(ring, np.float32),
            ring_n=np.zeros(ring, np.float32),
            ring_mu=np.zeros(ring, np.float32),
            ring_other=np.zeros(ring, np.float32),
            kind=np.zeros(capacity, np.int8),
        )
        state.forget(slice(None))
        return state

    def forget(self, slots: Slots) -> None:
        """Return ``slots`` to knowing nothing but the priors."""
        for name, array in self.arrays().items():
            array[..., slots] = _PRIORS.get(name, 0)
        self.pool_tails()

    def pool_tails(self) -> None:
        """Sum up ``tail_n``, ``tail_sum`` and ``tail_rows`` of each kind: ``pools`` (3, :data:`MOST_KINDS`).

        Whoever changes a tail calls this, so that the pools are always those of the arrays.
        """
        tails = (self.tail_n, self.tail_sum, self.tail_rows)
        sums = [np.bincount(self.kind, np.rint(tail * POOL_UNIT), MOST_KINDS) / POOL_UNIT for tail in tails]
        self.pools: Floats = np.stack(sums)
        self.pools[:, 0] = 0.0

    def grow(self, capacity: int, tuning: Tuning) -> None:
        """Make room for ``capacity`` slots; the new ones know nothing."""
        old, wider = len(self.level), SpikeState.empty(capacity, tuning)
        for name, array in self.arrays().items():
            wide = getattr(wider, name)
            wide[..., :old] = array
            setattr(self, name, wide)

    def clear_recent(self) -> None:
        """Forget the last rows, but nothing that was learned from them: what comes next does not follow on."""
        for name in ("ring_y", "ring_n", "ring_mu", "ring_other", "now_n", "now_d", "surge_n", "surge_d"):
            getattr(self, name)[:] = 0.0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array by name, slots last: what a snapshot writes."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "head"}


_SCALARS = (
    *("level", "season_odds", "dn", "dd", "clump_n", "clump_d", "surge_n", "surge_d", "pn", "pd"),
    *("drift", "drift_var", "vn", "vd", "creep", "since_gain", "since_y", "since_n"),
    *("since_mu", "since_rows"),
    *("tail_sum", "tail_n", "tail_rows", "stories", "now_n", "now_d"),
)
_PRIORS = {"level": 0.1, "drift_var": 0.04}
