"""Streams with and without drift, made of scored documents, and what the detectors make of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streams.drift.labels import ErrorRate
from streams.drift.listener import SETTLING, SIZES, Home
from streams.drift.senses import DETECTORS
from streams.drift.windows import STEP, Windows

Ints = NDArray[np.int64]
Features = Mapping[str, NDArray[np.float32]]

BURST_DOCUMENTS = 400
"""Time constant of the Ornstein-Uhlenbeck processes that topics' weights follow."""
BURST_SIZE = 1.0
"""Standard deviation of the logarithm of a topic's weight."""
SEASON_DOCUMENTS = 10_000
SEASON_SIZE = 0.5


@dataclass(frozen=True)
class Pool:
    """Documents to draw from: their features by detector, of which domain and topic each is, and how much each domain
    weighs at home."""

    features: Features
    domains: Ints
    topics: Ints
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.domains)

    def of(self, domains: Sequence[int]) -> Ints:
        """The rows of these domains."""
        return np.flatnonzero(np.isin(self.domains, domains))

    def draw(self, draw: np.random.Generator, count: int, leaning: NDArray[np.float64] | None = None) -> Ints:
        """``count`` rows as at home; ``leaning`` [groups, domains] multiplies the weights for each part of them."""
        parts = np.ones((1, len(self.weights))) if leaning is None else leaning
        rows: list[Ints] = []
        for at, part in enumerate(parts):
            size = count * (at + 1) // len(parts) - count * at // len(parts)
            each = (self.weights * part)[self.domains] / np.bincount(self.domains, minlength=len(part))[self.domains]
            rows.append(draw.choice(len(self), size, p=each / each.sum()))
        return np.concatenate(rows)


def steady(pool: Pool, draw: np.random.Generator, count: int) -> Ints:
    """Every document drawn by itself."""
    return pool.draw(draw, count)


def bursty(pool: Pool, draw: np.random.Generator, count: int) -> Ints:
    """Topics come and go: the weight of each follows an Ornstein-Uhlenbeck process."""
    kinds, keep = int(pool.topics.max()) + 1, float(np.exp(-STEP / BURST_DOCUMENTS))
    base = pool.weights[pool.domains] / np.bincount(pool.domains, minlength=len(pool.weights))[pool.domains]
    by_topic = [np.flatnonzero(pool.topics == kind) for kind in range(kinds)]
    usual = np.array([base[rows].sum() for rows in by_topic])
    level = draw.normal(0.0, BURST_SIZE, kinds)
    chosen: list[Ints] = []
    for _ in range(-(-count // STEP)):
        level = keep * level + draw.normal(0.0, BURST_SIZE * np.sqrt(1 - keep * keep), kinds)
        weights = usual * np.exp(level)
        for kind, size in Counter(draw.choice(kinds, STEP, p=weights / weights.sum()).tolist()).items():
            rows = by_topic[kind]
            chosen.append(draw.choice(rows, size, p=base[rows] / base[rows].sum()))
    return np.concatenate(chosen)[:count]


def seasonal(pool: Pool, draw: np.random.Generator, count: int) -> Ints:
    """The domains' weights go up and down with a period, each at its own time."""
    groups = max(1, count // 200)
    turn = 2 * np.pi * (np.arange(groups)[:, None] * count / groups / SEASON_DOCUMENTS)
    apart = 2 * np.pi * np.arange(len(pool.weights)) / len(pool.weights)
    return pool.draw(draw, count, 1.0 + SEASON_SIZE * np.sin(turn + apart))


KINDS = {"steady": steady, "bursty": bursty, "seasonal": seasonal}


def listeners(home: Home) -> dict[str, Windows]:
    """The windowed detectors, as a listener has them, without the feed's."""
    return {
        name: Windows(
            SIZES[name],
            len(home.baselines[name].mean),
            replace(home.baselines[name]),
            replace(home.tails[name]),
            SETTLING[name],
            pooled=name == "novelty",
        )
        for name in DETECTORS
    }


def alarms(heard: Mapping[str, Windows], features: Features, rows: Ints) -> Iterator[tuple[int, str]]:
    """After how many documents which detector alarms, when they hear ``rows`` in this order."""
    for at in range(0, len(rows) - STEP + 1, STEP):
        some = rows[at : at + STEP]
        for name, windows in heard.items():
            if windows.hear(features[name][some].sum(0, dtype=np.float64)).alarm:
                yield at + STEP, name


def run_lengths(home: Home, features: Features, rows: Ints) -> dict[str, float]:
    """Documents per alarm of all detectors, alarms of each, and the part of the time in which they were armed."""
    heard = listeners(home)
    found = Counter(name for _, name in alarms(heard, features, rows))
    settling = sum(min(SETTLING[name] * count, len(rows)) for name, count in found.items())
    return {
        "documents": len(rows),
        "alarms": found.total(),
        "run_length": len(rows) / max(1, found.total()),
        "armed": 1.0 - settling / (len(rows) * len(DETECTORS)),
        **{f"alarms of {name}": found[name] for name in DETECTORS},
    }


def delay(
    home: Home, features: Features, usual: Ints, strange: Ints, share: float, draw: np.random.Generator, within: int
) -> tuple[float, bool]:
    """Documents from the moment that ``strange`` ones are a ``share`` until any detector alarms (``inf``: not
    ``within`` so many), and whether one alarmed in the 2,048 before."""
    before = len(usual) - within
    mixed = usual.copy()
    late = np.arange(len(usual)) >= before
    taken = late & (draw.random(len(usual)) < share)
    mixed[taken] = draw.choice(strange, int(taken.sum()))
    early = False
    for at, _ in alarms(listeners(home), features, mixed):
        if at > before:
            return float(at - before), early
        early = early or at > before - 2_048
    return float("inf"), early


def label_delays(before: float, after: float, runs: int, seed: int, labels: int = 2_000) -> list[int]:
    """Labels until a rise of the error from ``before`` to ``after`` is heard, that many having gone before."""
    delays = []
    for run in range(runs):
        draw = np.random.default_rng((seed, run))
        heard = ErrorRate(before)
        for error in (draw.random(labels) < before).astype(float).tolist():
            heard.hear(error)
        count = 1
        while not heard.hear(float(draw.random() < after)).alarm:
            count += 1
        delays.append(count)
    return delays
