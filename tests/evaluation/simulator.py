"""Benchmark b1: keys drawn from a parametric model, with negative spikes, positive bursts and copy cascades.

Left open by the model's description and chosen here: a start is tried fifty times before the injection is
given up; spikes are placed before bursts, bursts before cascades; documents that miss the close are drawn one
by one with probability 0.05 and never come; a burst's and a cascade's windows are [start, start + length).
"""

from __future__ import annotations

import numpy as np

from tests.evaluation.trials import (
    BURN,
    DAY,
    FIRST_START,
    Floats,
    Injections,
    Room,
    Trial,
    autoregressive,
    drawn_length,
    drawn_p0,
    negatives_of,
    shape,
)

DAYS = 42
MISSED = 0.05
CASCADE_SPLIT = (0.4, 0.3, 0.2, 0.1)


def parametric(
    seed: int,
    keys: int = 500,
    days: int = DAYS,
    burn: int = BURN,
    missed: float = MISSED,
    often: float = 1.0,
    company: float = 0.0,
) -> Trial:
    """Benchmark b1 for ``keys`` keys of ``days`` days; bursts and cascades come ``often`` times as often.

    With ``company`` half of all negative documents bring others with them, so many on average: a source whose
    negatives clump as in no model.
    """
    rng = np.random.default_rng(seed)
    windows = days * DAY
    mu, r, shift = _levels(rng, windows, keys, burn)
    total = rng.poisson(mu * rng.gamma(r, 1 / r, (windows, keys))).astype(float)
    p0 = drawn_p0(rng, keys)
    negative, share = negatives_of(rng, total, p0)
    if company:
        brought = rng.poisson(company * rng.binomial(negative.astype(np.int64), 0.5))
        negative, total = negative + brought, total + brought
    room = Room(windows, keys, burn)
    usual = mu * share
    spikes = _spikes(rng, room, negative, total, usual, r)
    bursts = _bursts(rng, room, negative, total, mu.mean(axis=0), p0, often)
    raw_negative, raw_total = negative.copy(), total.copy()
    cascades = _cascades(rng, room, negative, total, raw_negative, raw_total, 0.5 * often)
    copies = raw_negative - negative
    arrived = rng.binomial(negative.astype(np.int64), 1 - missed).astype(float)
    others = rng.binomial((total - negative).astype(np.int64), 1 - missed).astype(float)
    late = (negative - arrived, (total - negative) - others)
    return Trial(
        name="b1",
        negative=arrived,
        total=arrived + others,
        raw_negative=arrived + copies,
        raw_total=arrived + others + copies,
        spikes=spikes,
        bursts=bursts,
        cascades=cascades,
        shift=shift,
        burn=burn,
        starts=np.full(keys, FIRST_START, np.int64),
        late=late,
    )


def _levels(rng: np.random.Generator, windows: int, keys: int, burn: int) -> tuple[Floats, Floats, np.ndarray]:
    level = np.exp(rng.uniform(np.log(0.1), np.log(60), keys))
    tau = (np.arange(windows) % DAY / DAY)[:, None]
    a, a2, ph = rng.uniform(0.3, 0.9, keys), rng.uniform(0, 0.3, keys), rng.uniform(0, 1, keys)
    season = 1 + a * np.sin(2 * np.pi * (tau - ph)) + a2 * np.sin(4 * np.pi * (tau - ph))
    season = np.maximum(season, 0.05)
    weekend = np.arange(windows) // DAY % 7 >= 5
    season[weekend] *= rng.uniform(0.4, 1, keys)
    sd = rng.uniform(0.05, 0.3, keys)
    mu = level * season * np.exp(sd * autoregressive(rng, windows, keys, 0.95) - sd * sd / 2)
    shift = np.full(keys, -1, np.int64)
    for key in rng.permutation(keys)[: round(0.1 * keys)]:
        shift[key] = rng.integers(burn, windows - DAY)
        mu[shift[key] :, key] *= rng.uniform(1.5, 2.5)
    return mu, rng.uniform(3, 30, keys), shift


def _spikes(
    rng: np.random.Generator, room: Room, negative: Floats, total: Floats, usual: Floats, r: Floats
) -> Injections:
    rows = []
    for key in range(total.shape[1]):
        for _ in range(rng.poisson(0.7)):
            length = drawn_length(rng)
            size = max(np.exp(rng.uniform(np.log(1.5), np.log(15))) * usual[:, key].mean(), rng.uniform(1, 6))
            start = room.find(rng, key, length)
            if start is None:
                continue
            add, span = size * shape(length), slice(start, start + length)
            extra = rng.poisson(add)
            negative[span, key] += extra
            total[span, key] += extra + rng.poisson(0.25 * add)
            b = usual[span, key]
            strength = add.sum() / np.sqrt((b + b * b * (1 / r[key] + 0.05)).sum() + 0.5)
            rows.append((key, start, length, float(strength)))
    return Injections.of(rows)


def _bursts(
    rng: np.random.Generator, room: Room, negative: Floats, total: Floats, level: Floats, p0: Floats, rate: float
) -> Injections:
    rows = []
    for key in range(total.shape[1]):
        for _ in range(rng.poisson(rate)):
            length = drawn_length(rng)
            size = max(np.exp(rng.uniform(np.log(2), np.log(12))) * level[key], 4.0)
            start = room.find(rng, key, length)
            if start is None:
                continue
            extra = rng.poisson(size * np.exp(-np.arange(length) / max(length / 2, 1)))
            total[start : start + length, key] += extra
            negative[start : start + length, key] += rng.binomial(extra, 0.3 * p0[key])
            rows.append((key, start, length, float(size)))
    return Injections.of(rows)


def _cascades(
    rng: np.random.Generator,
    room: Room,
    negative: Floats,
    total: Floats,
    raw_negative: Floats,
    raw_total: Floats,
    rate: float,
) -> Injections:
    rows = []
    for key in range(total.shape[1]):
        for _ in range(rng.poisson(rate)):
            copies = int(np.exp(rng.uniform(np.log(5), np.log(60))))
            start = room.find(rng, key, len(CASCADE_SPLIT))
            if start is None:
                continue
            split = np.round(np.asarray(CASCADE_SPLIT) * copies)
            split[-1] = copies - split[:-1].sum()
            for counts in (raw_negative, raw_total):
                counts[start : start + len(split), key] += split
                counts[start, key] += 1
            negative[start, key] += 1
            total[start, key] += 1
            rows.append((key, start, len(split), float(copies)))
    return Injections.of(rows)
