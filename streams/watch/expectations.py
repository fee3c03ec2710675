"""What a row of a series should hold: documents by level, hour and weekday, negatives by their usual share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.watch.knowledge import DAY_SECONDS, Slots, SpikeState, Tuning
from streams.watch.tails import Floats, bounded

LEVEL_FLOOR = 0.01
HOUR_PRIOR, WEEK_PRIOR = 4.0, 8.0
"""Documents' worth of believing that an hour, or a weekend, is like any other."""
SHARE_PRIOR, SHARE_DOCUMENTS = 0.25, 4.0
"""The share of negatives of a series of which nothing is known, and the documents that this belief is worth."""
SPREAD_PRIOR, SPREAD_ROWS = 0.4, 2.0
CLUMP_ROWS = 50.0
MOST_SPREAD = 20.0
OVERLAP_PRIOR, OVERLAP_PAIRS = 0.02, 200.0
Hours = int | NDArray[np.intp]


@dataclass(frozen=True)
class Expectation:
    """What is expected of the current row of each slot asked.

    ``documents`` without regard to how busy the last hours were, ``surge`` the factor that says so and
    ``surge_doubt`` its relative variance; ``season`` the profile as it is applied, ``hourly`` and ``weekly`` its
    parts. ``negatives`` and ``others`` divide the documents by ``share``, the usual one moved by the drift;
    ``share_doubt`` is the variance of its log-odds, ``share_spread`` the within-row correlation of negatives,
    ``odds_spread`` what that means for the odds. ``spread`` is 1/r of the volume.
    """

    documents: Floats
    season: Floats
    hourly: Floats
    weekly: Floats
    spread: Floats
    surge: Floats
    surge_doubt: Floats
    usual_share: Floats
    share: Floats
    share_doubt: Floats
    share_spread: Floats
    odds_spread: Floats
    negatives: Floats
    others: Floats


def expect(state: SpikeState, tuning: Tuning, slots: Slots, start: int | NDArray[np.int64]) -> Expectation:
    """What the row beginning at ``start`` (epoch seconds, one for all or one per slot) should hold."""
    hourly, weekly = _profile(state, tuning, slots, start)
    raw = bounded(hourly * weekly, 0.05, 8.0)
    # The profile counts in the measure in which it has predicted better than none.
    season = raw ** (1 / (1 + np.exp(-state.season_odds[slots])))
    documents = np.maximum(state.level[slots] * season, LEVEL_FLOOR)
    spread = bounded((state.dn[slots] + SPREAD_PRIOR) / (state.dd[slots] + SPREAD_ROWS), 0.02, 5.0)
    clump = np.maximum(state.clump_n[slots] / (state.clump_d[slots] + CLUMP_ROWS), 0.0)
    spread = np.minimum(spread + clump / documents, MOST_SPREAD)
    known = 1 / tuning.surge_spread
    doubt = 1 / (known + state.surge_d[slots])
    usual = bounded(
        (state.pn[slots] + SHARE_PRIOR * SHARE_DOCUMENTS) / (state.pd[slots] + SHARE_DOCUMENTS), 0.005, 0.95
    )
    share = 1 / (1 + (1 - usual) / usual * np.exp(-state.drift[slots]))
    overlap = bounded((state.vn[slots] + OVERLAP_PRIOR * OVERLAP_PAIRS) / (state.vd[slots] + OVERLAP_PAIRS), 0.003, 0.4)
    return Expectation(
        documents=documents,
        season=season,
        hourly=hourly,
        weekly=weekly,
        spread=spread,
        surge=(known + state.surge_n[slots]) * doubt,
        surge_doubt=doubt,
        usual_share=usual,
        share=share,
        share_doubt=state.drift_var[slots],
        share_spread=overlap,
        odds_spread=overlap / (share * (1 - share)),
        negatives=documents * share,
        others=documents * (1 - share),
    )


def hour_of(start: int | NDArray[np.int64]) -> Hours:
    """The hour of day, 0-23, UTC."""
    if isinstance(start, int):
        return start // 3600 % 24
    return (start // 3600 % 24).astype(np.intp)


def weekend_of(start: int | NDArray[np.int64]) -> Hours:
    """1 on Saturdays and Sundays, UTC, else 0.

    >>> weekend_of(0), weekend_of(2 * 86_400)  # 1970-01-01 was a Thursday
    (0, 1)
    """
    if isinstance(start, int):
        return int((start // DAY_SECONDS + 3) % 7 >= 5)
    return ((start // DAY_SECONDS + 3) % 7 >= 5).astype(np.intp)


def cells(table: NDArray[np.float32], row: Hours, slots: Slots) -> Floats:
    """The entries of a (rows, slots) table in one row for all slots, or in one for each."""
    if isinstance(slots, slice) and not isinstance(row, int):
        slots = np.arange(table.shape[1], dtype=np.intp)[slots]
    picked: Floats = table[row, slots].astype(np.float64)
    return picked


def _profile(state: SpikeState, tuning: Tuning, slots: Slots, start: int | NDArray[np.int64]) -> tuple[Floats, Floats]:
    """How many documents come at this time of day, and on this kind of day, against the average."""
    hour, into = hour_of(start), (start % 3600 + tuning.row_seconds / 2) / 3600
    # Between the middles of two hours the profile runs straight.
    late = into >= 0.5
    part = into + 0.5 - late
    left, right = (
        _ratio(state.hour_n, state.hour_d, (hour - 1 + late + step) % 24, slots, HOUR_PRIOR) for step in (0, 1)
    )
    weekly = _ratio(state.week_n, state.week_d, weekend_of(start), slots, WEEK_PRIOR)
    return (1 - part) * left + part * right, weekly


def _ratio(
    counted: NDArray[np.float32], expected: NDArray[np.float32], row: Hours, slots: Slots, prior: float
) -> Floats:
    return (cells(counted, row, slots) + prior) / (cells(expected, row, slots) + prior)
