"""What others do, written afresh and causal, as scores over (window, key): the higher, the rarer.

Each keeps its own idea and none of its product's extras; names say what was re-created. All look at negatives
(the share, and the two keys together, stand in `plain`), learn everything they see, and score before they learn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.evaluation.plain import share_scores, two_keys, volume_scores
from tests.evaluation.trials import DAY, Floats, Trial

WEEK = 7 * DAY


def rolling_z(trial: Trial) -> Floats:
    """Deviations above the mean of the last seven days."""
    mean, variance = _rolling(trial.negative, WEEK)
    return np.asarray((trial.negative - mean) / np.sqrt(np.maximum(variance, 0.25)))


def ears_c2(trial: Trial) -> Floats:
    """The same time of the last seven days, the two newest days left out, in standard deviations."""
    return _same_time(trial.negative, 2)


def ears_c3(trial: Trial) -> Floats:
    """The sum of C2's excesses over one deviation at this time of today and the two days before."""
    c2 = np.maximum(_same_time(trial.negative, 2) - 1, 0)
    total = c2.copy()
    for days in (1, 2):
        total[days * DAY :] += c2[: -days * DAY]
    return total


def grafana_adaptive(trial: Trial) -> Floats:
    """A day's smoothed mean plus bands of its smoothed deviation, both kept for a day, sparse keys dropped."""
    y = trial.negative
    mean, variance = _rolling(y, DAY)
    smooth_mean, _ = _rolling(mean, DAY // 4)
    smooth_sd, _ = _rolling(np.sqrt(variance), DAY)
    out = (y - smooth_mean) / np.maximum(smooth_sd, 0.5)
    return np.asarray(np.where(smooth_mean > 0.1, out, 0.0))


def half_space_trees(trial: Trial, keys: int = 20) -> Floats:
    """river's HalfSpaceTrees on the counts of the first ``keys`` keys, the others silent: it is slow."""
    from river import anomaly, preprocessing

    out = np.zeros_like(trial.negative)
    for key in range(min(keys, trial.keys)):
        model = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1, window_size=DAY)
        for t, value in enumerate(trial.negative[:, key].tolist()):
            x = {"y": value}
            out[t, key] = model.score_one(x)
            model.learn_one(x)
    return out


def gaussian_scorer(trial: Trial, keys: int = 20) -> Floats:
    """river's GaussianScorer on the counts of the first ``keys`` keys, the others silent."""
    from river import anomaly

    out = np.zeros_like(trial.negative)
    for key in range(min(keys, trial.keys)):
        model = anomaly.GaussianScorer(window_size=WEEK, grace_period=DAY)
        for t, value in enumerate(trial.negative[:, key].tolist()):
            out[t, key] = float(model.score_one(None, value)) if value > 0 else 0.0
            model.learn_one(None, value)
    return out


def exponential_smoothing(trial: Trial, keys: int = 20) -> Floats:
    """statsmodels' Holt-Winters, fitted once on the burn-in and run forward; residuals in deviations."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    out = np.zeros_like(trial.negative)
    for key in range(min(keys, trial.keys)):
        y = trial.negative[:, key]
        fitted = ExponentialSmoothing(y[: trial.burn], seasonal="add", seasonal_periods=DAY).fit()
        alpha, gamma = fitted.params["smoothing_level"], fitted.params["smoothing_seasonal"]
        season, level = np.asarray(fitted.season[-DAY:]).copy(), float(fitted.level[-1])
        sd = max(float(np.std(fitted.resid)), 0.5)
        for t in range(trial.burn, trial.windows):
            at = (t - trial.burn) % DAY
            miss = y[t] - level - season[at]
            out[t, key] = miss / sd
            level, season[at] = level + alpha * miss, season[at] + gamma * (1 - alpha) * miss
    return out


COMPARATORS: dict[str, Callable[[Trial], Floats]] = {
    "rolling z, 7 days": rolling_z,
    "EARS C2": ears_c2,
    "EARS C3": ears_c3,
    "Grafana-style adaptive": grafana_adaptive,
    "negative binomial only": volume_scores,
    "share only": share_scores,
    "two keys": two_keys,
}
LIBRARIES: dict[str, Callable[[Trial], Floats]] = {
    "river GaussianScorer": gaussian_scorer,
    "river HalfSpaceTrees": half_space_trees,
    "statsmodels Holt-Winters": exponential_smoothing,
}
"""By their libraries, on few keys: some tens of microseconds for a number."""


def _rolling(x: Floats, width: int) -> tuple[Floats, Floats]:
    """Mean and variance of the ``width`` windows before each one (fewer at the start; zeros for the first)."""
    sums = np.vstack([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)])
    squares = np.vstack([np.zeros((1, x.shape[1])), np.cumsum(x * x, axis=0)])
    at = np.arange(len(x))
    first = np.maximum(at - width, 0)
    count = np.maximum(at - first, 1)[:, None]
    mean = (sums[at] - sums[first]) / count
    return mean, np.maximum((squares[at] - squares[first]) / count - mean**2, 0)


def _same_time(x: Floats, skipped: int) -> Floats:
    """Deviations above the mean of seven earlier days at the same time, ``skipped`` newest days left out."""
    out = np.zeros_like(x)
    days = range(skipped + 1, skipped + 8)
    first = days[-1] * DAY
    earlier = np.stack([x[first - day * DAY : len(x) - day * DAY] for day in days])
    sd = np.sqrt(np.maximum(earlier.var(axis=0), 0.25))
    out[first:] = (x[first:] - earlier.mean(axis=0)) / sd
    return out
