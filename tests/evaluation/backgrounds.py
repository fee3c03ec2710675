"""Benchmark b2: the labelled tweet counts of five companies as real backgrounds, with negative spikes put into them.

The labelled windows are surges of total volume at a constant share of negatives: they must not ring. The
backgrounds are Numenta's realTweets (counts per five minutes, MIT licence), read from a folder that need not exist.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.evaluation.trials import (
    BURN,
    DAY,
    WINDOW_SECONDS,
    Floats,
    Injections,
    Ints,
    Room,
    Trial,
    drawn_length,
    drawn_p0,
    negatives_of,
    shape,
)

SHARED = Path(os.environ.get("TOCSIN_SHARED", Path(__file__).resolve().parents[3] / "shared"))
FOLDER = SHARED / "data" / "nab_realtweets"


@dataclass(frozen=True)
class Background:
    """Counts per five minutes, their epoch seconds, and the labelled windows as row ranges (first, last)."""

    name: str
    starts: Ints
    counts: Floats
    windows: list[tuple[int, int]]


def read_backgrounds(folder: Path = FOLDER) -> list[Background]:
    """Every series of ``folder`` in order of name."""
    labels = json.loads((folder / "windows.json").read_text())
    found = []
    for path in sorted(folder.glob("*.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            rows = list(csv.reader(file))[1:]
        starts = np.array([_seconds(row[0]) for row in rows], np.int64)
        counts = np.array([float(row[1]) for row in rows])
        name = path.name.split(".", 1)[0]
        spans = [tuple(np.searchsorted(starts, [_seconds(a), _seconds(b)])) for a, b in labels[name]]
        found.append(Background(name, starts, counts, [(int(a), int(b)) for a, b in spans]))
    return found


def real(seed: int, keys: int = 200, folder: Path = FOLDER) -> Trial:
    """Benchmark b2: equally many keys on each background."""
    rng = np.random.default_rng(seed)
    backgrounds = read_backgrounds(folder)
    quarter = WINDOW_SECONDS // 300
    windows = min(len(b.counts) for b in backgrounds) // quarter
    series = np.stack([b.counts[: windows * quarter].reshape(-1, quarter).sum(axis=1) for b in backgrounds], axis=1)
    labelled = np.zeros((windows, len(backgrounds)), dtype=bool)
    for at, background in enumerate(backgrounds):
        for first, last in background.windows:
            labelled[first // quarter : last // quarter + 1, at] = True
    of = np.arange(keys) % len(backgrounds)
    taken = np.exp(rng.uniform(np.log(0.05), 0, keys))
    total = rng.binomial(series[:, of].astype(np.int64), taken).astype(float)
    negative, _ = negatives_of(rng, total, drawn_p0(rng, keys))
    room = Room(windows, keys, BURN)
    room.taken |= labelled[:, of]
    spikes = _spikes(rng, room, negative, total)
    nothing = Injections.of([])
    return Trial(
        name="b2",
        negative=negative,
        total=total,
        raw_negative=negative,
        raw_total=total,
        spikes=spikes,
        bursts=nothing,
        cascades=nothing,
        shift=np.full(keys, -1, np.int64),
        burn=BURN,
        starts=np.array([backgrounds[at].starts[0] for at in of], np.int64),
    )


def _spikes(rng: np.random.Generator, room: Room, negative: Floats, total: Floats) -> Injections:
    """Spikes as large as the key's last two days make them; strength against the last seven days' deviation."""
    rows = []
    quiet = negative.copy()
    for key in range(total.shape[1]):
        for _ in range(rng.poisson(2.0)):
            length = drawn_length(rng)
            m, least = np.exp(rng.uniform(np.log(1.5), np.log(15))), rng.uniform(1, 6)
            start = room.find(rng, key, length)
            if start is None:
                continue
            level = max(quiet[start - 2 * DAY : start, key].mean(), 0.02)
            add, span = max(m * level, least) * shape(length), slice(start, start + length)
            extra = rng.poisson(add)
            negative[span, key] += extra
            total[span, key] += extra + rng.poisson(0.25 * add)
            deviation = max(quiet[start - 7 * DAY : start, key].std(), 0.3)
            rows.append((key, start, length, float(2 * add.sum() / (deviation * np.sqrt(length)))))
    return Injections.of(rows)


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
