"""What a closed row teaches: level, profile, spread, share, its wandering, and the series' own tail.

Every step is bounded: a row counts at most three standard deviations above what was expected, and no more
than was expected while an incident lasts, so that a crisis does not become the new normal. (Robust clipping as
in Farrington's surveillance algorithms; the share's log-odds follow a Kalman filter of a mean-reverting walk.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streams.watch.expectations import CLUMP_ROWS, LEVEL_FLOOR, Expectation, hour_of, weekend_of
from streams.watch.knowledge import TAIL_START, Slots, SpikeState, Tuning
from streams.watch.spikes import Verdicts
from streams.watch.tails import Floats, bounded

CALM_BELOW = 2.0
"""Evidence above which a row says nothing about the usual spread."""
FREEZE_ABOVE = 4.0
"""Evidence above which a row says nothing about the usual share."""
SURPRISE = 2.5
"""Standard deviations that one row may move the share's wandering by, at most."""
TAIL_BELOW = 4.5
"""Evidence above which a row is more likely news than tail."""
TAIL_MOST = 300.0
MOST_ODDS = 30.0
CREEP_ODDS, MOST_CREEP = 1.5, 0.5
"""The rise of the share's odds that the slow channel is built to hear, and the most one row says for or against it."""
LN10 = math.log(10)


def learn(
    state: SpikeState,
    tuning: Tuning,
    slots: Slots,
    y: Floats,
    n: Floats,
    verdicts: Verdicts,
    start: int | NDArray[np.int64],
    hour_ends: bool | NDArray[np.bool_],
    held: NDArray[np.bool_],
) -> None:
    """Close the row: learn it, and turn the ring.

    ``held`` marks series with an incident: they learn at most what was expected. ``hour_ends`` says where the row
    is the last of its hour.
    """
    basis = verdicts.basis
    documents = basis.documents
    sd = np.sqrt(documents + documents * documents * basis.spread)
    clipped = bounded(n, documents - 3 * sd, documents + 3 * sd + 0.5)
    pace = state.pace[slots]
    fresh = pace == 0
    clipped = np.where(fresh, np.maximum(n, 0.1), clipped)
    clipped = np.where(held, np.minimum(clipped, documents), clipped)
    _learn_season(state, tuning, slots, clipped, n, basis, start, hour_ends)
    rate = np.maximum(1 - tuning.keep(24 * tuning.level_half_life_days), 1.0 / (pace + 1))
    level = state.level[slots]
    state.level[slots] = np.maximum(level + rate * (clipped / np.maximum(basis.season, 0.1) - level), LEVEL_FLOOR)
    _learn_spread(state, tuning, slots, n, basis, (verdicts.evidence < CALM_BELOW) & ~held & ~fresh)
    _learn_surge(state, tuning, slots, n - y, basis)
    _learn_share(state, tuning, slots, y, n, basis, (verdicts.evidence < FREEZE_ABOVE) & ~held)
    _learn_creep(state, tuning, slots, y, n, basis)
    _learn_tail(state, slots, verdicts.evidence, held)
    state.seen[slots] += 1
    state.pace[slots] += 1
    state.stories[slots] += n
    state.ring_y[state.head, slots] = y
    state.ring_n[state.head, slots] = n
    state.ring_mu[state.head, slots] = basis.negatives
    state.ring_other[state.head, slots] = basis.others
    state.head = (state.head + 1) % len(state.ring_y)


def accept_level(state: SpikeState, tuning: Tuning, slot: int, season: float) -> None:
    """Take the last rows of ``slot`` for the new normal: a level that stays is no longer a spike."""
    state.level[slot] = max(float(state.ring_n[:, slot].mean()) / max(season, 0.1), LEVEL_FLOOR)
    state.pace[slot] = min(int(state.pace[slot]), int(tuning.rows_per_day / 2))
    total = float(state.ring_n[:, slot].sum())
    if total > 0:
        share = (float(state.ring_y[:, slot].sum()) + 1) / (total + 4)
        _take_for_usual(state, tuning, slot, share, 20.0)


def accept_share(state: SpikeState, tuning: Tuning, slot: int) -> None:
    """Take the share of ``slot`` since it began to creep for the usual one."""
    total = float(state.since_n[slot])
    _take_for_usual(state, tuning, slot, (float(state.since_y[slot]) + 1) / (total + 4), total)


def _take_for_usual(state: SpikeState, tuning: Tuning, slot: int, share: float, documents: float) -> None:
    state.pn[slot], state.pd[slot] = documents * share, documents
    state.drift[slot], state.drift_var[slot] = 0.0, tuning.wander
    for since in (state.creep, state.since_gain, state.since_y, state.since_n, state.since_mu, state.since_rows):
        since[slot] = 0.0


def learn_late(
    state: SpikeState,
    tuning: Tuning,
    slots: NDArray[np.intp],
    age: int,
    y: Floats,
    n: Floats,
    verdicts: Verdicts,
    start: int,
    held: NDArray[np.bool_],
) -> None:
    """Learn ``n`` documents, ``y`` of them negative, of a row ``age`` before the open one that was learned before.

    They count in the level, the profile and the share, as far as the row stays within what is usual, and not at all
    where there is an incident. How busy the last hours were stays what had come in time: that is what the open row
    is compared with. ``verdicts`` are about the corrected rows, ``start`` is the epoch second of theirs.
    """
    row = (state.head - age) % len(state.ring_n)
    basis = verdicts.basis
    counted = state.ring_n[row, slots] - n
    most = basis.documents + 3 * np.sqrt(basis.documents + basis.documents * basis.documents * basis.spread) + 0.5
    learned = np.where(held, 0.0, bounded(n, 0.0, np.maximum(most - counted, 0.0)))
    rate = np.maximum(1 - tuning.keep(24 * tuning.level_half_life_days), 1.0 / (state.pace[slots] + 1))
    state.level[slots] += rate * learned / np.maximum(basis.season, 0.1)
    weight = learned / (1 + basis.documents * basis.spread)
    hour, weekend = hour_of(start), weekend_of(start)
    if hour == hour_of(start + age * tuning.row_seconds):
        state.now_n[slots] += weight
    else:
        state.hour_n[hour, slots] += weight
        state.week_n[weekend, slots] += weight
    part = np.where(verdicts.evidence < FREEZE_ABOVE, learned / np.maximum(n, 1.0), 0.0)
    state.pn[slots] += part * y
    state.pd[slots] += part * n
    state.stories[slots] += n


def _learn_spread(
    state: SpikeState, tuning: Tuning, slots: Slots, n: Floats, basis: Expectation, calm: NDArray[np.bool_]
) -> None:
    """The volume's variance, (1 + clump) mu + mu^2 / r, by moments; each row weighted by how well it can tell."""
    keep = 1 - tuning.fade(tuning.dispersion_days)
    mu = basis.documents * basis.surge
    swing = mu * basis.spread
    clump = np.maximum(state.clump_n[slots] / (state.clump_d[slots] + CLUMP_ROWS), 0.0)
    sd = np.sqrt(mu * (1 + swing))
    missed = (bounded(n, mu - 3 * sd, mu + 3 * sd + 0.5) - mu) ** 2 - mu
    weight = np.where(calm, 1 / (1 + swing) ** 2, 0.0)
    state.dn[slots] = np.maximum(keep * state.dn[slots] + weight * (missed - clump * mu), 0.0)
    state.dd[slots] = keep * state.dd[slots] + weight * mu * mu
    missed = (np.minimum(n, mu + 8 * sd + 3) - mu) ** 2 - mu
    weight = np.where(calm, 1 / ((1 + swing) ** 2 + 1 / mu), 0.0)
    state.clump_n[slots] = keep * state.clump_n[slots] + weight * (missed / mu - np.maximum(swing - clump, 0.0))
    state.clump_d[slots] = keep * state.clump_d[slots] + weight


def _learn_surge(state: SpikeState, tuning: Tuning, slots: Slots, others: Floats, basis: Expectation) -> None:
    keep, usual = tuning.keep(tuning.surge_half_life_hours), basis.others
    most = usual + 9 * np.sqrt(usual + usual * usual * basis.spread) + 1
    weight = 1 / (1 + usual * basis.spread)
    state.surge_n[slots] = keep * state.surge_n[slots] + weight * np.minimum(others, most)
    state.surge_d[slots] = keep * state.surge_d[slots] + weight * usual


def _learn_share(
    state: SpikeState, tuning: Tuning, slots: Slots, y: Floats, n: Floats, basis: Expectation, calm: NDArray[np.bool_]
) -> None:
    p, rho = basis.share, basis.share_spread
    v0 = n * p * (1 - p)
    effect = 1 + np.maximum(n - 1, 0) * rho
    counted = np.minimum(y, np.ceil(n * p + 3 * np.sqrt(v0 * effect) + 1))
    informed = calm & (n > 0)
    keep = tuning.keep(tuning.wander_half_life_hours)
    prior = keep * keep * state.drift_var[slots] + (1 - keep * keep) * tuning.wander
    noise = effect / np.maximum(v0, 1e-9)
    gain = np.where(informed, prior / (prior + noise), 0.0)
    most = SURPRISE * np.sqrt(prior + noise)
    missed = bounded((counted - n * p) / np.maximum(v0, 1e-9), -most, most)
    state.drift[slots] = keep * state.drift[slots] + gain * missed
    state.drift_var[slots] = (1 - gain) * prior
    fade = np.where(calm, tuning.fade(tuning.share_days), 0.0)
    state.pn[slots] = (1 - fade) * state.pn[slots] + np.where(calm, counted, 0.0)
    state.pd[slots] = (1 - fade) * state.pd[slots] + np.where(calm, n, 0.0)
    telling = n >= 4
    kept = np.where(telling, 1 - tuning.fade(tuning.overlap_days), 1.0)
    weight = np.where(telling, 1 / (effect * effect), 0.0)
    surprise = np.minimum((counted - n * p) ** 2 / np.maximum(v0, 1e-9), 25 * effect) - 1
    state.vn[slots] = np.maximum(kept * state.vn[slots] + weight * surprise * (n - 1), 0.0)
    state.vd[slots] = kept * state.vd[slots] + weight * (n - 1) ** 2


def _learn_creep(state: SpikeState, tuning: Tuning, slots: Slots, y: Floats, n: Floats, basis: Expectation) -> None:
    """A Shiryaev-Roberts e-detector for odds that have risen by half and stay there, as log10 of its value and 1.

    With no change its expectation grows by one a row, so it passes A less than once in A rows: the threshold of a
    budget is the same as for spikes. Each row's likelihood ratio is weakened by how far the share scatters and
    wanders anyway, and bounded, so that it takes many rows and not one spike.
    """
    p = basis.usual_share
    raised = CREEP_ODDS * p / (1 - p + CREEP_ODDS * p)
    gain = y * np.log(raised / p) + (n - y) * np.log((1 - raised) / (1 - p))
    rows = 2 / (1 - tuning.keep(tuning.wander_half_life_hours))
    noise = 1 + np.maximum(n - 1, 0) * basis.share_spread + rows * tuning.wander * n * p * (1 - p)
    step = bounded(gain / noise, -MOST_CREEP, MOST_CREEP) / LN10
    state.creep[slots] = np.log1p(10.0 ** np.minimum(state.creep[slots] + step, 30.0)) / LN10
    # The likeliest beginning of a rise is where the sum of all steps was last at its lowest.
    state.since_gain[slots] = risen = np.maximum(state.since_gain[slots] + step, 0.0)
    for since, counted in ((state.since_y, y), (state.since_n, n), (state.since_mu, n * p), (state.since_rows, 1.0)):
        since[slots] = np.where(risen > 0, since[slots] + counted, 0.0)


def _learn_tail(state: SpikeState, slots: Slots, evidence: Floats, held: NDArray[np.bool_]) -> None:
    """Count what is unusual but no alarm: alarms are what the tail is there to judge."""
    above = (evidence > TAIL_START) & (evidence < TAIL_BELOW) & ~held
    n = state.tail_n[slots] + above
    total = state.tail_sum[slots] + np.where(above, evidence - TAIL_START, 0.0)
    rows = state.tail_rows[slots] + 1
    shrink = np.where(n > TAIL_MOST, TAIL_MOST / np.maximum(n, 1.0), 1.0)
    state.tail_sum[slots], state.tail_n[slots], state.tail_rows[slots] = total * shrink, n * shrink, rows * shrink
    state.pool_tails()


def _learn_season(
    state: SpikeState,
    tuning: Tuning,
    slots: Slots,
    clipped: Floats,
    n: Floats,
    basis: Expectation,
    start: int | NDArray[np.int64],
    hour_ends: bool | NDArray[np.bool_],
) -> None:
    """Let the profile earn its place, and at the end of an hour take in what the hour showed.

    ``season_odds`` sums by how much the profile predicted the row better (log-likelihood) than a flat line would
    have; each row is bounded, so that no single one decides.
    """
    level = np.maximum(state.level[slots], LEVEL_FLOOR)
    full = np.maximum(level * bounded(basis.hourly * basis.weekly, 0.05, 8.0), LEVEL_FLOOR)
    size = 1 / basis.spread
    better = n * np.log(full / level) - (n + size) * np.log((size + full) / (size + level))
    warm = state.seen[slots] > tuning.rows_per_day
    odds = (1 - tuning.row_seconds / 900_000) * state.season_odds[slots] + np.where(
        warm, bounded(better, -3.0, 3.0), 0.0
    )
    state.season_odds[slots] = bounded(odds, -MOST_ODDS, MOST_ODDS)
    weight = 1 / (1 + basis.documents * basis.spread)
    state.now_n[slots] += weight * clipped
    state.now_d[slots] += weight * level
    if not np.any(hour_ends):
        return
    index = np.arange(len(state.level), dtype=np.intp)[slots]
    ended = np.broadcast_to(np.asarray(hour_ends), index.shape)
    index = index[ended]
    hour = np.broadcast_to(np.asarray(hour_of(start), np.intp), ended.shape)[ended]
    weekend = np.broadcast_to(np.asarray(weekend_of(start), np.intp), ended.shape)[ended]
    counted, flat = state.now_n[index], state.now_d[index]
    daily, hourly = 1 - 1 / tuning.season_days, 1 - 1 / (24 * tuning.season_days)
    state.hour_n[hour, index] = daily * state.hour_n[hour, index] + counted
    state.hour_d[hour, index] = daily * state.hour_d[hour, index] + flat * basis.weekly[ended]
    state.week_n[weekend, index] = hourly * state.week_n[weekend, index] + counted
    state.week_d[weekend, index] = hourly * state.week_d[weekend, index] + flat * basis.hourly[ended]
    state.now_n[index] = 0.0
    state.now_d[index] = 0.0
