"""How rare is this much negativity, in this company? The detector over arrays of series. Score first, then learn.

A window rings when its negative documents are improbable *given the others that came with them*. How many
negatives a window should hold follows from the series' level, hour and weekday, from its usual share of negatives
and where that share has wandered to, and from the other documents of the same window: where they come in twice
the usual number, so will the negatives, in the measure in which this series' volume is known to swing. So a
launch, an index day or a popular joke lifts what is expected, and only what is negative beyond it is evidence.
Both numbers are gamma-mixed Poisson counts with one common factor; given the others, the negatives are negative
binomial with mean ``m`` and relative spread ``s``:

    m = B F (r + X) / (r + W F),   s = 1 / (r + X) + drift_var + rho / (p (1 - p))

B, W: expected negatives and others; X: others counted; F: how busy the last hours were; 1/r: spread of the volume;
the last two terms: how well the share's log-odds are known, and how far they scatter. The evidence J is the tail's
-log10 at the strongest of several time scales, never more than the volume alone would bear (a source that falls
silent is no crisis). J is then read against the series' own tail (J*), so that one threshold, taken from the
budget of false alarms, means the same everywhere.

``score`` changes nothing, so it may be asked at every minute mark of a window still open: its partial count is
held against the full window's expectation, which makes early evidence conservative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.watch.expectations import Expectation, expect
from streams.watch.knowledge import DAY_SECONDS, TAIL_START, Slots, SpikeState, Tuning
from streams.watch.tails import Floats, bounded, share_tail, volume_tail

__all__ = ["DAY_SECONDS", "SpikeState", "Tuning", "Verdicts", "bars", "crept", "recent", "rescore", "score"]

TAIL_PRIOR = 30.0
"""Excesses' worth of believing that a series' tail is the model's, and as many that it is that of its kind."""
TAIL_SHAPE = 0.2
"""How much longer than exponential a tail is for each unit that its mean excess is above the model's."""
LN10 = math.log(10)
VOLUME_BONUS = 3.0
"""How much weaker than the evidence the volume alone may be: a thousandfold."""
SURGE_DEVIATIONS = 2.0
"""Squared deviations of the other documents' number beyond which their volume counts as more volatile than known."""
COLD_BAR = 3.0
"""How much more evidence a series must show that has little history: a thousandfold rarer."""
WARM_STORIES, WARM_DAYS = 50, 14


@dataclass(frozen=True)
class Verdicts:
    """What ``score`` says of each slot asked, in their order.

    ``evidence`` is J, ``score`` J* (0 where nothing is unusual); ``volume`` and ``share`` say how rare the number
    and the share of negatives are by themselves, where there is evidence at all. ``scale`` is the number of rows
    over which the evidence is strongest; ``observed``, ``expected`` (before the others are known) and ``total``
    count over it, and the negatives' variance is ``expected + spread expected^2``. ``mu`` is
    the expectation of a single row, ``baseline_share`` the usual share. ``creep`` is the slow channel's
    score up to the row before: a share that has crept up over days (see ``baselines``).
    """

    evidence: Floats
    score: Floats
    volume: Floats
    share: Floats
    scale: NDArray[np.int32]
    observed: Floats
    expected: Floats
    total: Floats
    spread: Floats
    mu: Floats
    baseline_share: Floats
    creep: Floats
    basis: Expectation


class Sums(NamedTuple):
    """Counts over several scales: ``rows`` (scales,) says how many rows, the others are (scales, slots)."""

    rows: NDArray[np.int32]
    y: Floats
    n: Floats
    mu: Floats
    other: Floats


def score(
    state: SpikeState,
    tuning: Tuning,
    slots: Slots,
    y: Floats,
    n: Floats,
    start: int | NDArray[np.int64],
    elapsed: float = 1.0,
    scales: tuple[int, ...] = (),
) -> Verdicts:
    """How rare ``y`` negatives among ``n`` documents are in the current row of each slot. Nothing is learned.

    ``start`` is the row's first epoch second, one for all or one per slot; ``elapsed`` the part of it that is over:
    the others counted so far are compared with that part of what is expected of them, the negatives with the whole.
    ``scales`` are numbers of rows, ascending; all that the tuning knows where none are named.
    """
    basis = expect(state, tuning, slots, start)
    sums = _sums(state, slots, y, n, basis, elapsed, scales or tuning.scales)
    return _judge(state, tuning, slots, basis, sums)


def rescore(state: SpikeState, tuning: Tuning, slots: NDArray[np.intp], age: NDArray[np.intp], start: int) -> Verdicts:
    """Score again closed rows that late documents have corrected, each alone: ``age`` rows before the open one.

    ``start`` is the epoch second of the open row.
    """
    rows = (state.head - age) % len(state.ring_y)
    y, n, mu, other = (
        ring[rows, slots].astype(np.float64) for ring in (state.ring_y, state.ring_n, state.ring_mu, state.ring_other)
    )
    basis = expect(state, tuning, slots, start - age * tuning.row_seconds)
    known = mu > 0
    mu, other = np.where(known, mu, basis.negatives), np.where(known, other, basis.others)
    return _judge(state, tuning, slots, basis, Sums(np.ones(1, np.int32), y[None], n[None], mu[None], other[None]))


def _judge(state: SpikeState, tuning: Tuning, slots: Slots, basis: Expectation, sums: Sums) -> Verdicts:
    others = sums.n - sums.y
    mean, spread = _given_the_others(basis, sums, others)
    tails = np.maximum(volume_tail(sums.y, mean, spread) - tuning.surcharge(sums.rows)[:, None], 0.0)
    best = tails.argmax(axis=0)
    at = np.arange(len(best))
    evidence = tails[best, at]
    rows = sums.rows[best]
    observed, expected, total = sums.y[best, at], sums.mu[best, at], sums.n[best, at]
    usual_spread = (basis.spread + basis.odds_spread) / rows + basis.surge_doubt + basis.share_doubt
    volume, share = np.zeros(len(best)), np.zeros(len(best))
    asked = np.flatnonzero(evidence > TAIL_START)
    if asked.size:
        p, rho = basis.share[asked], basis.share_spread[asked]
        volume[asked] = volume_tail(observed[asked], expected[asked], usual_spread[asked])
        share[asked] = share_tail(observed[asked], total[asked], p, rho)
        evidence[asked] = np.minimum(evidence[asked], volume[asked] + VOLUME_BONUS)
    return Verdicts(
        evidence=evidence,
        score=_against_own_tail(state, slots, evidence),
        volume=volume,
        share=share,
        scale=rows,
        observed=observed,
        expected=expected,
        total=total,
        spread=usual_spread,
        mu=basis.negatives,
        baseline_share=basis.usual_share,
        creep=state.creep[slots],
        basis=basis,
    )


def _given_the_others(basis: Expectation, sums: Sums, others: Floats) -> tuple[Floats, Floats]:
    """Mean and relative spread of the negatives when ``others`` came beside them, by (scale, slot)."""
    rows = sums.rows[:, None].astype(np.float64)
    usual = sums.other * basis.surge
    spread = basis.spread / rows
    # A number of others that the known spread does not explain says that the volume swings more than is known.
    far = (others - usual) ** 2 / (usual + usual * usual * (spread + basis.surge_doubt) + 1)
    spread = spread * np.maximum(1.0, far / SURGE_DEVIATIONS) + basis.surge_doubt
    size = 1 / spread
    mean = sums.mu * basis.surge * (size + others) / (size + usual)
    return mean, 1 / (size + others) + basis.share_doubt + basis.odds_spread / rows


def crept(state: SpikeState, tuning: Tuning, slots: Slots, verdicts: Verdicts) -> Verdicts:
    """What the slow channel says of each slot, up to the row before: counts are those since the share began to rise.

    ``verdicts`` are those of the spikes.
    """
    basis = verdicts.basis
    rows = np.maximum(state.since_rows[slots], 1.0)
    y, n, mu = state.since_y[slots], state.since_n[slots], state.since_mu[slots]
    # What scatters row by row is averaged over the rows, what wanders over the length of its memory.
    spell = np.minimum(1.0, 2 / (1 - tuning.keep(tuning.wander_half_life_hours)) / rows)
    return replace(
        verdicts,
        evidence=verdicts.creep,
        score=verdicts.creep,
        volume=np.zeros(len(y)),
        share=np.zeros(len(y)),
        scale=rows.astype(np.int32),
        observed=y,
        expected=mu,
        total=n,
        spread=basis.odds_spread / rows + tuning.wander * spell,
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


def _sums(
    state: SpikeState,
    slots: Slots,
    y: Floats,
    n: Floats,
    basis: Expectation,
    elapsed: float,
    scales: tuple[int, ...],
) -> Sums:
    """The sums of y, n and what was expected over the rows of each scale, the current one included."""
    sums = np.empty((4, len(scales), len(y)))
    running = np.stack([y, n, basis.negatives, basis.others * elapsed]).astype(np.float64)
    back = 1
    for at, scale in enumerate(scales):
        while back < scale:
            row = (state.head - back) % len(state.ring_y)
            for k, ring in enumerate((state.ring_y, state.ring_n, state.ring_mu, state.ring_other)):
                running[k] += ring[row, slots]
            back += 1
        sums[:, at] = running
    return Sums(np.asarray(scales, np.int32), *sums)


def _against_own_tail(state: SpikeState, slots: Slots, evidence: Floats) -> Floats:
    """J*: evidence re-read by how often and how far this series exceeds TAIL_START, as far as it is known.

    What is not known of it is taken half from the model, half from all series of its kind: where a whole source is
    clumsier than the model, a new series of it does not have to ring first to show it.
    """
    out = np.zeros(len(evidence))
    hit = np.flatnonzero(evidence > TAIL_START)
    if hit.size:
        prior = _tail_prior(state)[:, state.kind[slots][hit]]
        n = state.tail_n[slots][hit] + prior[0]
        mean = np.maximum((state.tail_sum[slots][hit] + prior[1]) / n, 1 / LN10)
        rate = bounded(n / (state.tail_rows[slots][hit] + prior[2]), 10**-TAIL_START, 1.0)
        shape = TAIL_SHAPE * (mean * LN10 - 1) + 1e-6
        out[hit] = -np.log10(rate) + np.log1p(shape * (evidence[hit] - TAIL_START) / mean) / (LN10 * shape)
    return out


def _tail_prior(state: SpikeState) -> Floats:
    """Excesses, their sum and the rows they are of, by kind (3, kinds): what a series of that kind begins with."""
    model = TAIL_PRIOR * np.array([[1.0], [1 / LN10], [10**TAIL_START]])
    pool = state.pools + 2 * model
    prior: Floats = model + TAIL_PRIOR * pool / pool[0]
    return prior
