"""How improbable a count is: the tails of the two distributions the detector reads, as -log10 of a probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]

LEAST_DEVIATIONS = 1.0
"""Counts less far above the mean than this many standard deviations are nothing rare, and are not worked out."""


def volume_tail(y: Floats, mu: Floats, spread: Floats) -> Floats:
    """-log10 P(Y >= y) under a negative binomial of mean ``mu`` and variance ``mu + spread mu^2``.

    P = I_x(y, 1/spread) with x = mu / (1/spread + mu). 0 below :data:`LEAST_DEVIATIONS` above the mean. Where it
    underflows, 290 + 10 log10(y / mu) keeps the order.
    """
    out = np.zeros(y.shape)
    above = y - mu
    hit = np.nonzero((above > 0) & (above * above >= LEAST_DEVIATIONS * mu * (1 + mu * spread)))
    if hit[0].size:
        a, m, size = y[hit], mu[hit], 1 / np.broadcast_to(spread, y.shape)[hit]
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


def bounded(values: Floats, low: float | Floats, high: float | Floats) -> Floats:
    """``numpy.clip`` without its overhead, which is felt with few series."""
    return np.minimum(np.maximum(values, low), high)
