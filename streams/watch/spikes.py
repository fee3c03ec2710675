"""How rare is this much negativity? The two-key detector over arrays of series. Score first, then learn.

A window rings only when its negative *volume* is improbable under a negative binomial around the series'
own level and hour profile, and its negative *share* is improbable under a beta-binomial given the total.
The joint evidence J is then read against the series' own tail (J*), so that one threshold, taken from the
budget of false alarms, means the same everywhere. All logarithms of probabilities are -log10.

The state is one array per quantity, indexed by slot; ``score`` here and ``baselines.learn`` are the ways in.
``score`` changes nothing, so it may be asked at every minute mark of a window still open: its partial count is held
against the full window's expectation, which makes early evidence conservative, never inflated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]
Slots = slice | NDArray[np.intp]
Cell = int | NDArray[np.intp]

DAY_SECONDS = 86_400
LEVEL_FLOOR = 0.01
TAIL_START = 1.3
"""Evidence above which the series' own tail is learned: one window in twenty under the model."""
TAIL_PRIOR = 30.0
LN10 = math.log(10)
LATE_ROWS = 4
"""Closed windows that late documents may still correct, beyond those the scales need."""
COLD_BAR = 3.0
"""How much more evidence a series must show that has little history: a thousandfold rarer."""
WARM_STORIES, WARM_DAYS = 50, 14


@dataclass(frozen=True)
class Tuning:
    """The detector's constants for one length of window. Half-lives are in days, so they hold for any length.

    Raising ``share_bonus`` trusts volume more; raising ``scales_seconds`` hears slower swells.
    """

    row_seconds: int
    two_keys: bool = True
    share_bonus: float = 3.0
    scales_seconds: tuple[int, ...] = (900, 3600)
    level_half_life: float = 4.0
    season_half_life: float = 3.0
    share_memory: float = 7.0
    dispersion_memory: float = 15.625
    overlap_memory: float = 20.8333

    @cached_property
    def rows_per_day(self) -> float:
        return DAY_SECONDS / self.row_seconds

    @cached_property
    def scales(self) -> tuple[int, ...]:
        """In rows, ascending; the single row is always among them."""
        return tuple(sorted({1, *(max(1, seconds // self.row_seconds) for seconds in self.scales_seconds)}))

    @cached_property
    def ring_rows(self) -> int:
        return max(self.scales) + LATE_ROWS

    def threshold(self, budget: float) -> float:
        """The score that ``budget`` false alarms per series and day ask for, if every row were a draw.

        >>> round(Tuning(900).threshold(0.01), 2)
        3.98
        """
        return max(TAIL_START, -math.log10(budget / self.rows_per_day))


@dataclass
class SpikeState:
    """What the detector knows of each series; every array has one entry (or column) per slot.

    ``level``: robust mean of negatives per row; ``season``: its hour profile, weekdays then weekend;
    ``dn/dd``: dispersion; ``pn/pd``: negative share; ``vn/vd``: its overdispersion; ``tail_*``: excesses over
    :data:`TAIL_START`; ``seen``: rows learned; ``stories``: documents counted; ``ring_*``: the last rows.
    """

    level: Floats
    dn: Floats
    dd: Floats
    pn: Floats
    pd: Floats
    vn: Floats
    vd: Floats
    tail_sum: Floats
    tail_n: Floats
    tail_rows: Floats
    hour_sum: Floats
    hour_rows: Floats
    stories: Floats
    seen: NDArray[np.int32]
    pace: NDArray[np.int32]
    season: NDArray[np.float32]
    season_seen: NDArray[np.uint16]
    ring_y: NDArray[np.float32]
    ring_n: NDArray[np.float32]
    ring_mu: NDArray[np.float32]
    head: int = 0

    @classmethod
    def empty(cls, capacity: int, tuning: Tuning) -> SpikeState:
        """A state of ``capacity`` slots that know nothing."""
        ring = (tuning.ring_rows, capacity)
        scalars: dict[str, Any] = {name: np.zeros(capacity) for name in _SCALARS}
        state = cls(
            **scalars,
            seen=np.zeros(capacity, np.int32),
            pace=np.zeros(capacity, np.int32),
            season=np.ones((capacity, 48), np.float32),
            season_seen=np.zeros((capacity, 48), np.uint16),
            ring_y=np.zeros(ring, np.float32),
            ring_n=np.zeros(ring, np.float32),
            ring_mu=np.zeros(ring, np.float32),
        )
        state.forget(slice(None))
        return state

    def forget(self, slots: Slots) -> None:
        """Return ``slots`` to knowing nothing but the pooled priors."""
        for name in _SCALARS:
            getattr(self, name)[slots] = _PRIORS.get(name, 0.0)
        self.seen[slots] = 0
        self.pace[slots] = 0
        self.season[slots] = 1.0
        self.season_seen[slots] = 0
        for ring in (self.ring_y, self.ring_n, self.ring_mu):
            ring[:, slots] = 0.0

    def grow(self, capacity: int, tuning: Tuning) -> None:
        """Make room for ``capacity`` slots; the new ones know nothing."""
        old, wider = len(self.level), SpikeState.empty(capacity, tuning)
        for name, array in self.arrays().items():
            wide = getattr(wider, name)
            if name in _RINGS:
                wide[:, :old] = array
            else:
                wide[:old] = array
            setattr(self, name, wide)

    def clear_recent(self) -> None:
        """Forget the last rows, but nothing that was learned from them: what comes next does not follow on."""
        for ring in (self.ring_y, self.ring_n, self.ring_mu):
            ring[:] = 0.0
        self.hour_sum[:] = 0.0
        self.hour_rows[:] = 0.0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array by name: what a snapshot writes."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "head"}


_SCALARS = (
    *("level", "dn", "dd", "pn", "pd", "vn", "vd", "tail_sum", "tail_n", "tail_rows"),
    *("hour_sum", "hour_rows", "stories"),
)
_RINGS = ("ring_y", "ring_n", "ring_mu")
_PRIORS = {
    "level": 0.1,
    "pn": 2.5,
    "pd": 10.0,
    "vn": 0.4,
    "vd": 20.0,
    "tail_sum": TAIL_PRIOR / LN10,
    "tail_n": TAIL_PRIOR,
    "tail_rows": TAIL_PRIOR * 10**TAIL_START,
}


@dataclass(frozen=True)
class Verdicts:
    """What ``score`` says of each slot asked, in their order.

    ``evidence`` is J, ``score`` J* (0 where nothing is unusual); ``volume`` and ``share`` are the two keys.
    ``scale`` is the number of rows over which the evidence is strongest; ``observed``, ``expected`` and
    ``total`` count over it. ``mu`` is the expectation of a single row, ``baseline_share`` the usual share.
    """

    evidence: Floats
    score: Floats
    volume: Floats
    share: Floats
    scale: NDArray[np.int32]
    observed: Floats
    expected: Floats
    total: Floats
    mu: Floats
    baseline_share: Floats


class Sums(NamedTuple):
    """Counts over several scales: ``rows`` (scales,) says how many rows, the others are (scales, slots)."""

    rows: NDArray[np.int32]
    y: Floats
    n: Floats
    mu: Floats


def score(state: SpikeState, tuning: Tuning, slots: Slots, y: Floats, n: Floats, cell: Cell) -> Verdicts:
    """How rare ``y`` negatives among ``n`` documents are in the current row of each slot.

    ``cell`` is the row's hour of week (:func:`cell_of`), one for all or one per slot. Nothing is learned.
    """
    mu = np.maximum(state.level[slots] * pick(state.season, slots, cell), LEVEL_FLOOR)
    return _judge(state, tuning, slots, mu, _sums(state, tuning, slots, y, n, mu))


def rescore(state: SpikeState, tuning: Tuning, slots: NDArray[np.intp], age: NDArray[np.intp]) -> Verdicts:
    """Score again closed rows that late documents have corrected, each alone: ``age`` rows before the open one."""
    rows = (state.head - age) % len(state.ring_y)
    y = state.ring_y[rows, slots].astype(np.float64)
    n = state.ring_n[rows, slots].astype(np.float64)
    known = state.ring_mu[rows, slots].astype(np.float64)
    mu = np.maximum(np.where(known > 0, known, state.level[slots]), LEVEL_FLOOR)
    return _judge(state, tuning, slots, mu, Sums(np.ones(1, np.int32), y[None], n[None], mu[None]))


def _judge(state: SpikeState, tuning: Tuning, slots: Slots, mu: Floats, sums: Sums) -> Verdicts:
    size = (1.0 + 0.5 * np.log2(sums.rows))[:, None] / overdispersion(state, slots)
    p = state.pn[slots] / state.pd[slots]
    keys = volumes = volume_tail(sums.y, sums.mu, size)
    evidence = volume = volumes.max(axis=0)
    share = np.zeros(len(mu))
    if tuning.two_keys:
        # Where the first key does not turn the second cannot matter: its tail is the dearer one.
        asked = np.flatnonzero(volume > TAIL_START)
        shares = np.zeros_like(volumes)
        if asked.size:
            rho = bounded(state.vn[slots][asked] / state.vd[slots][asked], 0.005, 0.4)
            shares[:, asked] = share_tail(sums.y[:, asked], sums.n[:, asked], p[asked], rho)
        share = shares.max(axis=0)
        keys = np.minimum(volumes, shares + tuning.share_bonus)
        evidence = np.where(volume > TAIL_START, np.minimum(volume, share + tuning.share_bonus), 0.0)
    best = keys.argmax(axis=0)
    at = np.arange(len(mu))
    return Verdicts(
        evidence=evidence,
        score=_against_own_tail(state, slots, evidence),
        volume=volume,
        share=share,
        scale=sums.rows[best],
        observed=sums.y[best, at],
        expected=sums.mu[best, at],
        total=sums.n[best, at],
        mu=mu,
        baseline_share=p,
    )


def recent(state: SpikeState, tuning: Tuning, slots: Slots) -> Floats:
    """Negatives of the closed rows that the widest scale still sees."""
    total = np.zeros(len(state.level[slots]))
    for back in range(1, max(tuning.scales)):
        total += state.ring_y[(state.head - back) % len(state.ring_y), slots]
    return total


def bars(state: SpikeState, tuning: Tuning, slots: Slots, threshold: float) -> Floats:
    """What each series must reach: the threshold, and more while it is cold.

    Cold: under a day, or under 50 stories and 14 days. The first day of everything is the caller's to keep quiet.
    """
    days = state.seen[slots] / tuning.rows_per_day
    warm = ((state.stories[slots] >= WARM_STORIES) & (days >= 1)) | (days >= WARM_DAYS)
    return np.where(warm, threshold, threshold + COLD_BAR)


def cell_of(start_seconds: int) -> int:
    """The hour of week that a row belongs to: 0-23 on weekdays, 24-47 at weekends, UTC.

    >>> cell_of(0), cell_of(2 * 86_400 + 3600)  # 1970-01-01 was a Thursday
    (0, 25)
    """
    weekend = (start_seconds // DAY_SECONDS + 3) % 7 >= 5
    return start_seconds // 3600 % 24 + 24 * weekend


def overdispersion(state: SpikeState, slots: Slots) -> Floats:
    """1/r of the negative binomial: variance mu + mu^2/r, shrunk to 0.2 while little is known."""
    return bounded((state.dn[slots] + 0.4) / (state.dd[slots] + 2.0), 0.02, 5.0)


def volume_tail(y: Floats, mu: Floats, r: Floats) -> Floats:
    """-log10 P(Y >= y) under a negative binomial of mean ``mu`` and size ``r``; 0 where ``y <= mu``.

    P = I_x(y, r) with x = mu / (r + mu). Where it underflows, 290 + 10 log10(y / mu) keeps the order.
    """
    out = np.zeros(y.shape)
    hit = np.nonzero(y > mu)
    if hit[0].size:
        a, m, size = y[hit], mu[hit], np.broadcast_to(r, y.shape)[hit]
        p = betainc(a, size, m / (size + m))
        tiny = p < 1e-290
        found = -np.log10(np.where(tiny, 1.0, p))
        out[hit] = np.where(tiny, 290.0 + 10.0 * np.log10(a / m), found)
    return out


def share_tail(y: Floats, n: Floats, p: Floats, rho: Floats) -> Floats:
    """-log10 of the tail of ``y`` of ``n`` at share ``p``, within-window correlation ``rho``; 0 where y <= np.

    A beta-binomial by its design effect: counts are divided by 1 + (n - 1) rho and read as a binomial,
    whose tail at a real-valued count is an incomplete beta function. ``p`` and ``rho`` broadcast.
    """
    out = np.zeros(y.shape)
    hit = np.nonzero(y > p * n)
    if hit[0].size:
        total, usual = n[hit], np.broadcast_to(p, y.shape)[hit]
        effect = 1 + (np.maximum(total, 1) - 1) * np.broadcast_to(rho, y.shape)[hit]
        a, b = y[hit] / effect, (total - y[hit]) / effect + 1
        out[hit] = -np.log10(np.maximum(betainc(a, b, usual), 1e-290))
    return out


def _sums(state: SpikeState, tuning: Tuning, slots: Slots, y: Floats, n: Floats, mu: Floats) -> Sums:
    """The sums of y, n and mu over the rows of each scale, the current one included."""
    scales = tuning.scales
    sums = np.empty((3, len(scales), len(mu)))
    running = np.stack([y, n, mu]).astype(np.float64)
    back = 1
    for at, scale in enumerate(scales):
        while back < scale:
            row = (state.head - back) % len(state.ring_y)
            for k, ring in enumerate((state.ring_y, state.ring_n, state.ring_mu)):
                running[k] += ring[row, slots]
            back += 1
        sums[:, at] = running
    return Sums(np.asarray(scales, np.int32), *sums)


def _against_own_tail(state: SpikeState, slots: Slots, evidence: Floats) -> Floats:
    """J*: evidence re-read by how often and how far this series exceeds TAIL_START."""
    out = np.zeros(len(evidence))
    hit = np.flatnonzero(evidence > TAIL_START)
    if hit.size:
        n = state.tail_n[slots][hit]
        mean = np.maximum(state.tail_sum[slots][hit] / n, 1 / LN10)
        rate = bounded(n / state.tail_rows[slots][hit], 10**-TAIL_START, 1.0)
        out[hit] = -np.log10(rate) + (evidence[hit] - TAIL_START) / (LN10 * mean)
    return out


def bounded(values: Floats, low: float | Floats, high: float | Floats) -> Floats:
    """``numpy.clip`` without its overhead, which is felt with few series."""
    return np.minimum(np.maximum(values, low), high)


def pick(table: NDArray[np.float32], slots: Slots, cell: Cell) -> Floats:
    """The entries of an hour-of-week table (slots, 48) for one cell or one per slot, as float64."""
    if isinstance(slots, slice) and not isinstance(cell, int):
        slots = np.arange(len(table), dtype=np.intp)[slots]
    picked: Floats = table[slots, cell].astype(np.float64)
    return picked
