"""What a watcher knows of its series, as the page shows it. Reads; changes nothing.

The band is where 95 of 100 calm windows lie: the quantiles that an alert's evidence names, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import betaincinv, nbdtrik

from streams.page.past import Past
from streams.watch.expectations import Expectation, expect
from streams.watch.series import kind_of
from streams.watch.spikes import Verdicts, bars, score
from streams.watch.tails import Floats
from streams.watch.watcher import Watcher

SHOWN_WINDOWS = 48
"""Of the past in a row of the list; the whole past is in the detail."""
AHEAD = 12
"""Windows to come for which the detail shows what is expected."""
LOW, HIGH = 0.025, 0.975

State = Literal["ringing", "recovering", "pending", "quiet", "learning", "unwatched"]
GRAVITY: dict[str, int] = {"ringing": 3, "recovering": 2, "pending": 1}


class Row(Struct, frozen=True):
    """A series in the list.

    ``y``, ``low`` and ``high`` are negative stories and their usual range in the windows from ``start_ms`` on, each
    ``size_ms`` long; ``open_negative`` of ``open_total`` is the window still open, from ``open_ms``. ``share`` is that
    of the hour that ends with it or, where that had no story, ``None``; ``usual_share`` what the series is known for.
    ``score`` rings at ``threshold`` (``None`` where no rule covers the series).
    """

    name: str
    kind: str
    state: State
    size_ms: int
    start_ms: int
    y: list[int]
    low: list[int]
    high: list[int]
    open_ms: int
    open_negative: int
    open_total: int
    open_high: int
    recent_total: int
    share: float | None
    usual_share: float
    score: float
    threshold: float | None


class Window(Struct, frozen=True, array_like=True):
    """One window of the detail: counts, what was expected and its usual range; then the share of negatives in the hour
    that ends with the window, and its usual range.

    A window to come has no counts; an hour without stories has no share.
    """

    start_ms: int
    negative: int | None
    total: int | None
    expected: float
    low: int
    high: int
    share: float | None
    share_low: float
    share_high: float


class Detail(Struct, frozen=True):
    """One series with its whole past, the open window (``open_at`` is its place), and what is expected next."""

    row: Row
    windows: list[Window]
    open_at: int
    documents_a_day: float
    days_known: float


def rows(watcher: Watcher, past: Past | None, most: int) -> list[Row]:
    """The ``most`` series that deserve a look: those that ring, those nearest to ringing, then the busiest."""
    if watcher.open_ms is None or not watcher.table.slots.top:
        return []
    verdicts, threshold = _judged(watcher, slice(0, watcher.table.slots.top))
    gravity = _gravities(watcher)
    near = np.where(np.isfinite(threshold), verdicts.score / np.maximum(threshold, 0.1), 0.0)
    busy = verdicts.total + watcher.table.state.level[: len(near)]
    weight = 10.0 * np.minimum(near, 1.0) + busy / (1.0 + busy)
    for slot, state in gravity.items():
        weight[slot] += 100.0 * GRAVITY[state]
    named = np.array([name is not None for name in watcher.table.slots.names], dtype=bool)
    chosen = np.flatnonzero(named)
    if len(chosen) > most:
        chosen = np.sort(chosen[np.argsort(-weight[chosen], kind="stable")[:most]])
    return [_row(watcher, past, verdicts, threshold, int(slot), int(slot), gravity) for slot in chosen]


def measured(watcher: Watcher, past: Past | None, entities: Collection[str]) -> list[Row]:
    """The rows of every topic and stream, and of the series named in ``entities``."""
    if watcher.open_ms is None or not watcher.table.slots.top:
        return []
    slots = watcher.table.slots
    chosen = [
        slot
        for slot, name in enumerate(slots.names)
        if name is not None and (name in entities or kind_of(name) in ("topic", "stream"))
    ]
    verdicts, threshold = _judged(watcher, np.array(chosen, np.intp))
    gravity = _gravities(watcher)
    return [_row(watcher, past, verdicts, threshold, at, slot, gravity) for at, slot in enumerate(chosen)]


def find(watcher: Watcher, words: str, most: int) -> list[str]:
    """Names of at most ``most`` series that hold ``words``, whatever the case, in the order of the alphabet."""
    wanted = words.casefold()
    return sorted(name for name in watcher.table.slots.names if name is not None and wanted in name.casefold())[:most]


def detail(watcher: Watcher, past: Past | None, name: str) -> Detail | None:
    """Everything about the series ``name``; ``None`` where this watcher has none of that name."""
    slot = watcher.table.slots.find(name)
    if slot is None or watcher.open_ms is None:
        return None
    at = np.array([slot], np.intp)
    verdicts, threshold = _judged(watcher, at)
    row = _row(watcher, past, verdicts, threshold, 0, slot, _gravities(watcher))
    known = past.of(slot) if past is not None else []
    size, opened = watcher.size_ms, watcher.open_ms
    starts = np.array([opened + step * size for step in range(AHEAD + 1)], np.int64)
    hour = max(1, 3_600_000 // size)
    table = watcher.table
    to_come = [_at(expect(table.state, watcher.tuning, at, int(start) // 1000)) for start in starts]
    expected = np.array([each[3] for each in known] + [mean for mean, _ in to_come])
    negatives = np.array([each[1] for each in known] + [table.open_y[slot]] + [mean for mean, _ in to_come[1:]])
    totals = np.array([each[2] for each in known] + [table.open_n[slot]] + [total for _, total in to_come[1:]])
    hourly_y, hourly_n = (np.convolve(each, np.ones(hour))[: len(each)] for each in (negatives, totals))
    low, high = band(expected, float(verdicts.spread[0]))
    basis = verdicts.basis
    share_low, share_high = share_band(float(basis.share[0]), float(basis.share_spread[0]), np.maximum(hourly_n, 1.0))
    counts: list[tuple[int, int | None, int | None]] = [(s, round(y), round(n)) for s, y, n, _ in known]
    counts.append((opened, row.open_negative, row.open_total))
    counts += [(int(start), None, None) for start in starts[1:]]
    windows = [
        Window(
            start_ms=start,
            negative=negative,
            total=total,
            expected=round(float(expected[i]), 2),
            low=int(low[i]),
            high=int(high[i]),
            share=round(float(hourly_y[i] / hourly_n[i]), 3) if total is not None and hourly_n[i] else None,
            share_low=round(float(share_low[i]), 3),
            share_high=round(float(share_high[i]), 3),
        )
        for i, (start, negative, total) in enumerate(counts)
    ]
    per_day = watcher.tuning.rows_per_day
    documents, days = float(table.state.level[slot]) * per_day, float(table.state.seen[slot]) / per_day
    return Detail(row, windows, len(known), round(documents, 1), round(days, 1))


def band(mean: Floats, spread: float | Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The 2.5 and 97.5 % quantiles of negative binomials of ``mean`` and variance ``mean + spread mean^2``.

    >>> [edge.tolist() for edge in band(np.array([0.01, 10.0]), 1e-9)]
    [[0, 4], [0, 17]]
    """
    size = 1 / np.maximum(np.asarray(spread, np.float64), 1e-9)
    p = size / (size + np.maximum(mean, 1e-9))
    low, high = (np.ceil(np.nan_to_num(nbdtrik(edge, size, p)) - 1e-9) for edge in (LOW, HIGH))
    return np.maximum(low, 0).astype(np.int64), np.maximum(high, 0).astype(np.int64)


def share_band(share: float, overlap: float, totals: Floats) -> tuple[Floats, Floats]:
    """Where the share of negatives among ``totals`` stories usually lies: beta quantiles of the same variance.

    ``overlap`` is the correlation of negatives within a window, so the variance is p(1-p)(1/n + overlap).
    """
    weight = 1 / np.minimum(1 / totals + overlap, 0.95) - 1
    edges = (betaincinv(share * weight, (1 - share) * weight, edge) for edge in (LOW, HIGH))
    low, high = (np.asarray(edge, np.float64) for edge in edges)
    return low, high


def _judged(watcher: Watcher, slots: slice | NDArray[np.intp]) -> tuple[Verdicts, Floats]:
    """The verdicts on the open window so far, and what each slot must reach (infinite where no rule covers it)."""
    table, opened = watcher.table, watcher.open_ms
    assert opened is not None, "the caller has looked"
    y, n = table.open_y[slots].copy(), table.open_n[slots].copy()
    elapsed = min(1.0, max((watcher.mark_ms - opened) / watcher.size_ms, 1 / 15))
    verdicts = score(table.state, watcher.tuning, slots, y, n, opened // 1000, elapsed)
    threshold = np.full(len(y), np.inf)
    for number, rule in enumerate(watcher.rules):
        bar = bars(table.state, watcher.tuning, slots, rule.threshold)
        threshold = np.where(table.covered[number, slots], np.minimum(threshold, bar), threshold)
    return verdicts, threshold


def _gravities(watcher: Watcher) -> dict[int, State]:
    """The gravest state of each slot with an incident that stands."""
    found: dict[int, State] = {}
    states: dict[str, State] = {"firing": "ringing", "recovering": "recovering", "pending": "pending"}
    for (_, slot), incident in watcher.incidents.open.items():
        state = states.get(incident.state)
        if state is not None and GRAVITY[state] > GRAVITY.get(found.get(slot, ""), 0):
            found[slot] = state
    return found


def _row(
    watcher: Watcher,
    past: Past | None,
    verdicts: Verdicts,
    threshold: Floats,
    at: int,
    slot: int,
    gravity: dict[int, State],
) -> Row:
    table, opened = watcher.table, watcher.open_ms
    assert opened is not None, "the caller has looked"
    name = table.slots.name(slot)
    known = (past.of(slot) if past is not None else [])[-SHOWN_WINDOWS:]
    spread = float(verdicts.spread[at])
    low, high = band(np.array([*(each[3] for each in known), float(verdicts.mu[at])]), spread)
    negative, total = int(table.open_y[slot]), int(table.open_n[slot])
    lately = known[len(known) - max(0, 3_600_000 // watcher.size_ms - 1) :]
    heard = total + sum(each[2] for each in lately)
    unwatched = not np.isfinite(threshold[at])
    calm: State = "unwatched" if unwatched else "quiet"
    if not unwatched and watcher.rows < watcher.tuning.rows_per_day:
        calm = "learning"
    return Row(
        name=name,
        kind=kind_of(name),
        state=gravity.get(slot, calm),
        size_ms=watcher.size_ms,
        start_ms=known[0][0] if known else opened,
        y=[round(each[1]) for each in known],
        low=low[:-1].tolist(),
        high=high[:-1].tolist(),
        open_ms=opened,
        open_negative=negative,
        open_total=total,
        open_high=int(high[-1]),
        recent_total=round(heard),
        share=round((negative + sum(each[1] for each in lately)) / heard, 3) if heard else None,
        usual_share=round(float(verdicts.baseline_share[at]), 3),
        score=round(float(verdicts.score[at]), 2),
        threshold=None if unwatched else round(float(threshold[at]), 2),
    )


def _at(expected: Expectation) -> tuple[float, float]:
    """Expected negatives and documents of the only slot asked."""
    return float(expected.negatives[0]), float(expected.documents[0])


def by_weight(found: Sequence[Row]) -> list[Row]:
    """``found`` with those first that a page would show first."""

    def weight(row: Row) -> tuple[int, float, int, str]:
        near = row.score / max(row.threshold, 0.1) if row.threshold is not None else 0.0
        return -GRAVITY.get(row.state, 0), -round(near, 1), -row.recent_total, row.name

    return sorted(found, key=weight)
