"""The watcher: microseconds a series-window, the sweep of all series at a window's end, and a document's share.

    python tests/bench/watch.py [--series 100000] [--rounds 20]

Processor time of one core; medians over the rounds. A series-window is one series scored on a window and taught
by it. Counts are drawn as news are: most series are silent in most windows, a few are busy. Writes JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from streams.alerting import Rule
from streams.records import (
    Observation,
    Observations,
    ObservedDocument,
    Origin,
    ScoredDocument,
    ScoredEntity,
    SentimentProbs,
)
from streams.settings import WatchSettings
from streams.watch.baselines import learn
from streams.watch.knowledge import SpikeState, Tuning
from streams.watch.observations import gather
from streams.watch.spikes import score
from streams.watch.watcher import Watcher

START = 1_704_067_200
WINDOW = 900
SLAB = 512
ITEMS_PER_DOCUMENT = 4
WARM_UP = 100
"""Rows before measuring: over a day, so that incidents may begin."""


def rates(series: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Documents per window of each series, log-uniform from 0.01 to 60: most are seldom heard of."""
    return np.exp(rng.uniform(np.log(0.01), np.log(60), series) - rng.exponential(1.5, series))


def sweep(series: int, rounds: int) -> float:
    """Median seconds in which the detector scores and learns one window of ``series`` series."""
    rng, tuning, state = np.random.default_rng(1), Tuning(WINDOW), SpikeState.empty(series, Tuning(WINDOW))
    rate, everyone, held = rates(series, rng), slice(None), np.zeros(series, dtype=bool)
    taken = []
    for row in range(WARM_UP + rounds):
        n = rng.poisson(rate).astype(float)
        y = rng.binomial(n.astype(int), 0.25).astype(float)
        begun = time.process_time()
        verdicts = score(state, tuning, everyone, y, n, START + row * WINDOW)
        learn(state, tuning, everyone, y, n, verdicts, START + row * WINDOW, row % 4 == 3, held)
        taken.append(time.process_time() - begun)
    return statistics.median(taken[WARM_UP:])


def slab(first: int, times: NDArray[np.int64], series: NDArray[np.int64], negative: NDArray[np.bool_]) -> Observations:
    """A slab of documents, each counted in ``ITEMS_PER_DOCUMENT`` series."""
    documents = tuple(
        ObservedDocument(first + at, ms, f"d{first + at}", "A headline of ordinary length", "wire", first + at + 1)
        for at, ms in enumerate(times.tolist())
    )
    items = tuple(
        Observation(f"entity:e{name}", at, 0.9 if bad else 0.1, bad)
        for at, (names, bad) in enumerate(zip(series.tolist(), negative.tolist(), strict=True))
        for name in names
    )
    return Observations("news", 0, first, first + len(documents) - 1, int(times.max()), "r", documents, items)


def stream(watcher: Watcher, series: int, slabs: int, per_window: int) -> tuple[float, float]:
    """Median microseconds a document costs in ``apply``, windows' ends left out, and median seconds of an end."""
    rng = np.random.default_rng(2)
    weights = rates(series, rng)
    weights /= weights.sum()
    plain, ends = [], []
    for at in range(slabs):
        span = SLAB * WINDOW * 1000 // per_window
        times = START * 1000 + at * span + np.sort(rng.integers(0, span, SLAB))
        message = slab(
            at * SLAB, times, rng.choice(series, (SLAB, ITEMS_PER_DOCUMENT), p=weights), rng.random(SLAB) < 0.2
        )
        before = watcher.rows
        begun = time.process_time()
        watcher.apply(message)
        took = time.process_time() - begun
        (plain if watcher.rows == before else ends).append(took)
    usual = statistics.median(plain)
    return usual / SLAB * 1e6, statistics.median(ends) - usual


def gathering(rounds: int) -> float:
    """Median microseconds a document costs on its way into observations, in the score stage."""
    probs = SentimentProbs(0.1, 0.8, 0.1)
    documents = [
        ScoredDocument(
            id=f"d{at}",
            origin=Origin("news", 0, at),
            stream="news",
            event_ms=START * 1000 + at,
            title="A headline of ordinary length",
            text="",
            source="wire",
            url="",
            lang="en",
            flags=(),
            sentiment="neutral",
            sentiment_probs=probs,
            topic="Earnings",
            topics={},
            entities=(ScoredEntity("e", f"e{at % 500}", None, None, "neutral", probs),),
            signature=f"{at:016x}",
            release="r",
        )
        for at in range(SLAB)
    ]
    slab = {"topic": "news", "partition": 0, "first": 0, "last": SLAB - 1, "event_ms": None, "release": "r"}

    def work() -> None:
        gather(documents, partitions=4, languages=("en",), **slab)  # type: ignore[arg-type]

    return round(timed(work, rounds) / SLAB * 1e6, 1)


def timed(work: Callable[[], object], rounds: int) -> float:
    """Median seconds of ``work``."""
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    small = min(10_000, asked.series)
    watcher = Watcher(0, WatchSettings(), [Rule(name="negative-spike")], {"news": 1})
    document, end = stream(watcher, small, slabs=60 * 8, per_window=SLAB * 4)
    swept = {series: sweep(series, asked.rounds) for series in sorted({small, asked.series})}
    snapshot = watcher.snapshot()
    figures = {
        "us_per_series_window": {str(series): round(took / series * 1e6, 3) for series, took in swept.items()},
        "sweep_ms": {str(series): round(took * 1e3, 1) for series, took in swept.items()},
        "apply_us_per_document": round(document, 1),
        "gather_us_per_document": gathering(asked.rounds),
        "items_per_document": ITEMS_PER_DOCUMENT,
        "window_end_ms": {str(watcher.series_count): round(end * 1e3, 1)},
        "state_bytes_per_series": sum(
            array.nbytes for array in SpikeState.empty(1000, Tuning(WINDOW)).arrays().values()
        )
        // 1000,
        "snapshot_ms": round(timed(watcher.snapshot, 5) * 1e3, 1),
        "snapshot_bytes_per_series": len(snapshot) // max(watcher.series_count, 1),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
