"""What a closed row teaches: level, dispersion, hour profile, negative share and the series' own tail.

Every step is bounded: a row counts at most three standard deviations above what was expected, and no more
than was expected while an incident lasts. (Constants and update rules: see ``spikes``; robust clipping as
in Farrington's surveillance algorithms.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.watch.spikes import (
    LEVEL_FLOOR,
    LN10,
    TAIL_START,
    Cell,
    Floats,
    Slots,
    SpikeState,
    Tuning,
    Verdicts,
    bounded,
    overdispersion,
    pick,
)


def learn(
    state: SpikeState,
    tuning: Tuning,
    slots: Slots,
    y: Floats,
    n: Floats,
    verdicts: Verdicts,
    cell: Cell,
    hour_ends: bool | NDArray[np.bool_],
    held: NDArray[np.bool_],
) -> None:
    """Close the row: learn it into the level, the profile, the share and the tail, and turn the ring.

    ``held`` marks series with an incident: they learn at most what was expected, so that a crisis does not
    become the new normal while it lasts. ``hour_ends`` says where the row is the last of its hour.
    """
    mu, p = verdicts.mu, verdicts.baseline_share
    season = np.maximum(pick(state.season, slots, cell), 0.1)
    sd = np.sqrt(mu + mu * mu * overdispersion(state, slots))
    clipped = bounded(y, mu - 3 * sd, mu + 3 * sd + 0.5)
    pace = state.pace[slots]
    fresh = pace == 0
    clipped = np.where(fresh, np.maximum(y, 0.1), clipped)
    clipped = np.where(held, np.minimum(clipped, mu), clipped)
    rate = np.maximum(1 - 2.0 ** (-1 / (tuning.level_half_life * tuning.rows_per_day)), 1.0 / (pace + 1))
    level = state.level[slots]
    state.level[slots] = np.maximum(level + rate * (clipped / season - level), LEVEL_FLOOR)
    _learn_dispersion(state, tuning, slots, clipped, mu, fresh)
    if tuning.two_keys:
        _learn_share(state, tuning, slots, y, n, p, held)
    _learn_tail(state, slots, verdicts.evidence)
    state.hour_sum[slots] += clipped
    state.hour_rows[slots] += 1
    if np.any(hour_ends):
        _learn_season(state, tuning, slots, cell, hour_ends)
    state.seen[slots] += 1
    state.pace[slots] += 1
    state.stories[slots] += n
    state.ring_y[state.head, slots] = y
    state.ring_n[state.head, slots] = n
    state.ring_mu[state.head, slots] = mu
    state.head = (state.head + 1) % len(state.ring_y)


def accept_level(state: SpikeState, tuning: Tuning, slot: int, cell: int) -> None:
    """Take the last rows of ``slot`` for the new normal: a level that stays is no longer a spike."""
    season = max(float(state.season[slot, cell]), 0.1)
    state.level[slot] = max(float(state.ring_y[:, slot].mean()) / season, LEVEL_FLOOR)
    state.pace[slot] = min(int(state.pace[slot]), int(tuning.rows_per_day / 2))
    total = float(state.ring_n[:, slot].sum())
    if total > 0:
        share = (float(state.ring_y[:, slot].sum()) + 1) / (total + 4)
        state.pn[slot], state.pd[slot] = 10 * share, 10.0


def _learn_dispersion(
    state: SpikeState, tuning: Tuning, slots: Slots, clipped: Floats, mu: Floats, fresh: NDArray[np.bool_]
) -> None:
    keep = 1 - 1 / (tuning.dispersion_memory * tuning.rows_per_day)
    surprise = np.where(fresh, 0.0, (clipped - mu) ** 2 - mu)
    state.dn[slots] = np.maximum(keep * state.dn[slots] + surprise, 0.0)
    state.dd[slots] = keep * state.dd[slots] + np.where(fresh, 0.0, mu * mu)


def _learn_share(
    state: SpikeState, tuning: Tuning, slots: Slots, y: Floats, n: Floats, p: Floats, held: NDArray[np.bool_]
) -> None:
    fade = 1 / (tuning.share_memory * tuning.rows_per_day)
    spread = bounded(state.vn[slots] / state.vd[slots], 0.005, 0.4)
    v0 = n * p * (1 - p)
    limit = np.ceil(p * n + 3 * np.sqrt(v0 * (1 + np.maximum(n - 1, 0) * spread)) + 1)
    counted = np.minimum(y, np.where(held, p * n, limit))
    state.pn[slots] = (1 - fade) * state.pn[slots] + 20 * fade * counted
    state.pd[slots] = (1 - fade) * state.pd[slots] + 20 * fade * n
    enough = n >= 4
    keep = 1 - 1 / (tuning.overlap_memory * tuning.rows_per_day)
    vn, vd = state.vn[slots], state.vd[slots]
    state.vn[slots] = np.where(enough, np.maximum(keep * vn + (counted - p * n) ** 2 - v0, 0.0), vn)
    state.vd[slots] = np.where(enough, keep * vd + v0 * (n - 1), vd)


def _learn_tail(state: SpikeState, slots: Slots, evidence: Floats) -> None:
    above = evidence > TAIL_START
    mean = np.maximum(state.tail_sum[slots] / state.tail_n[slots], 1 / LN10)
    total = state.tail_sum[slots] + np.where(above, np.minimum(evidence - TAIL_START, 6 * mean), 0.0)
    n = state.tail_n[slots] + above
    rows = state.tail_rows[slots] + 1
    shrink = np.where(n > 300, 300 / n, 1.0)
    state.tail_sum[slots], state.tail_n[slots], state.tail_rows[slots] = total * shrink, n * shrink, rows * shrink


def _learn_season(
    state: SpikeState, tuning: Tuning, slots: Slots, cell: Cell, hour_ends: bool | NDArray[np.bool_]
) -> None:
    """Move the hour's profile toward what the hour showed, by how much information it held.

    Until the other half of the week has seen this hour, it follows.
    """
    index = np.arange(len(state.level), dtype=np.intp)[slots]
    ended = np.broadcast_to(np.asarray(hour_ends), index.shape)
    index, cells = index[ended], np.broadcast_to(np.asarray(cell, np.intp), index.shape)[ended]
    rows, level = state.hour_rows[index], state.level[index]
    ratio = bounded((state.hour_sum[index] / rows + 0.02) / (level + 0.02), 0.05, 8.0)
    seen = state.season_seen[index, cells]
    held = rows * level
    hours_to_days = 2.0 ** (-1 / tuning.season_half_life)
    step = np.maximum(1 - hours_to_days, 1.0 / (seen + 1)) * held / (held + 2)
    profile = state.season[index, cells]
    state.season[index, cells] = profile + step * (ratio - profile)
    state.season_seen[index, cells] = np.minimum(seen + 1, 60_000)
    other = np.where(cells < 24, cells + 24, cells - 24)
    unseen = state.season_seen[index, other] == 0
    state.season[index[unseen], other[unseen]] = state.season[index[unseen], cells[unseen]]
    state.hour_sum[index] = 0.0
    state.hour_rows[index] = 0.0
