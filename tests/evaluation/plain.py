"""A plain detector by the book: negatives by level, hour and weekend, their share, and both together.

What a careful team would write first, and what the project's own detector has to beat: a negative binomial tail of
the count, a beta-binomial tail of the share, each over one and four windows, and the weaker of the two keys. Scores are
-log10 of a probability; every window is scored before it is learned.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainc

from tests.evaluation.trials import DAY, WINDOW_SECONDS, Floats, Trial

SCALES = (1, 4)
HALF_LIFE_DAYS, SPREAD_WINDOWS, SHARE_WINDOWS, OVERLAP_WINDOWS = 4, 1500, 672, 2000
SHARE_BONUS = 3.0
"""By how much the share's tail may fall short of the volume's."""


def volume_scores(trial: Trial) -> Floats:
    """The tail of the number of negatives, [window, key]."""
    y, keys = trial.negative, np.arange(trial.keys)
    level, dn, dd = np.maximum(y[0], 0.1), np.zeros(trial.keys), np.zeros(trial.keys)
    season, seen = np.ones((2, 24, trial.keys)), np.zeros((2, 24, trial.keys))
    hour_sum, hour_rows = np.zeros(trial.keys), np.zeros(trial.keys)
    expected, out = np.zeros_like(y), np.zeros_like(y)
    slowest, keep = 1 - 2 ** (-1 / (HALF_LIFE_DAYS * DAY)), 1 - 1 / SPREAD_WINDOWS
    for t in range(trial.windows):
        clock = trial.starts + t * WINDOW_SECONDS
        hour, weekend = clock // 3600 % 24, ((clock // 86_400 + 3) % 7 >= 5).astype(int)
        known, other = seen[weekend, hour, keys] > 0, seen[1 - weekend, hour, keys] > 0
        factor = np.where(known, season[weekend, hour, keys], np.where(other, season[1 - weekend, hour, keys], 1.0))
        mu = expected[t] = np.maximum(level * factor, 0.01)
        spread = np.clip((dn + 0.4) / (dd + 2), 0.02, 5)
        for rows in SCALES:
            first = max(0, t - rows + 1)
            count, mean = y[first : t + 1].sum(axis=0), expected[first : t + 1].sum(axis=0)
            size = (1 + 0.5 * np.log2(rows)) / spread
            tail = betainc(np.maximum(count, 1e-9), size, mean / (size + mean))
            rare = np.where(tail < 1e-290, 290 + 10 * np.log10(np.maximum(count, 1) / mean), -np.log10(tail + 1e-300))
            out[t] = np.maximum(out[t], np.where(count > mean, rare, 0.0))
        sd = np.sqrt(mu + mu * mu * spread)
        clipped = np.clip(y[t], mu - 3 * sd, mu + 3 * sd + 0.5)
        dn, dd = np.maximum(keep * dn + (clipped - mu) ** 2 - mu, 0), keep * dd + mu * mu
        step = max(slowest, 1 / (t + 1))
        level = np.maximum(level + step * (clipped / np.maximum(factor, 0.1) - level), 0.01)
        hour_sum, hour_rows = hour_sum + clipped, hour_rows + 1
        ends = np.flatnonzero((clock + WINDOW_SECONDS) // 3600 % 24 != hour)
        at = (weekend[ends], hour[ends], ends)
        ratio = np.clip((hour_sum[ends] / hour_rows[ends] + 0.02) / (level[ends] + 0.02), 0.05, 8)
        weight = hour_rows[ends] * level[ends]
        share = np.maximum(1 - 2 ** (-1 / 3), 1 / (seen[at] + 1)) * weight / (weight + 2)
        season[at] += share * (ratio - season[at])
        seen[at] += 1
        hour_sum[ends] = hour_rows[ends] = 0.0
    return out


def share_scores(trial: Trial) -> Floats:
    """The tail of the share of negatives, [window, key]."""
    y, n, out = trial.negative, trial.total, np.zeros_like(trial.negative)
    pn, pd = np.full(trial.keys, 2.5), np.full(trial.keys, 10.0)
    vn, vd = np.full(trial.keys, 0.4), np.full(trial.keys, 20.0)
    forget, keep = 1 / SHARE_WINDOWS, 1 - 1 / OVERLAP_WINDOWS
    for t in range(trial.windows):
        p, rho = pn / pd, np.clip(vn / vd, 0.005, 0.4)
        for rows in SCALES:
            first = max(0, t - rows + 1)
            count, total = y[first : t + 1].sum(axis=0), n[first : t + 1].sum(axis=0)
            effect = 1 + (np.maximum(total, 1) - 1) * rho
            tail = betainc(np.maximum(count / effect, 1e-9), (total - count) / effect + 1, p)
            out[t] = np.maximum(out[t], np.where(count > p * total, -np.log10(np.maximum(tail, 1e-290)), 0.0))
        variance = n[t] * p * (1 - p)
        most = np.ceil(p * n[t] + 3 * np.sqrt(variance * (1 + np.maximum(n[t] - 1, 0) * rho)) + 1)
        seen = np.minimum(y[t], most)
        pn, pd = pn + forget * (20 * seen - pn), pd + forget * (20 * n[t] - pd)
        many = n[t] >= 4
        vn = np.where(many, np.maximum(keep * vn + (seen - p * n[t]) ** 2 - variance, 0), vn)
        vd = np.where(many, keep * vd + variance * (n[t] - 1), vd)
    return out


def two_keys(trial: Trial) -> Floats:
    """The weaker of the two, the share given a start of :data:`SHARE_BONUS`."""
    return np.minimum(volume_scores(trial), share_scores(trial) + SHARE_BONUS)
