"""The watcher of one observations partition: a deterministic function of its message sequence.

Messages wait until the watermark passes; then time goes forward mark by mark. At a minute mark the series
that were heard of are scored on the window still open; at the end of a window every series is scored and
then learns. What rings depends on the set of documents (with disorder within the grace), not on how they
were cut into slabs, nor on the order of the slabs of different sources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streams.alerting import Rule
from streams.records import Alert, Observations
from streams.settings import WatchSettings
from streams.watch.baselines import accept_level, accept_share, learn, learn_late
from streams.watch.evidence import Scene, Witnesses
from streams.watch.folding import Stories
from streams.watch.heights import Heights
from streams.watch.incidents import Incidents, Moment
from streams.watch.knowledge import Tuning
from streams.watch.memory import Memory
from streams.watch.rules import CREEP, Channel, compiled
from streams.watch.silence import Silences
from streams.watch.spikes import Verdicts, crept, recent, rescore, score
from streams.watch.table import DAY_MS, FIRST_CAPACITY, SeriesTable
from streams.watch.tails import Floats
from streams.watch.windows import MINUTE_MS, Item, Sources, Waiting, window_start

MOST_WAITING = 500_000
"""Items ahead of the watermark; beyond, time is forced on and what comes behind it counts as late."""
SILENCE_MS = 28 * DAY_MS
"""After so long without any document, empty windows teach nothing more and are stepped over."""


@dataclass(frozen=True)
class ClosedWindow:
    """What a listener hears of each window: counts and scores by slot; ``series`` says how many have a name."""

    start_ms: int
    series: int
    names: Sequence[str | None]
    negative: Floats
    total: Floats
    expected: Floats
    score: Floats


Listener = Callable[[ClosedWindow], None]
Corrections = dict[tuple[int, int], tuple[int, int]]
"""Late negatives and late documents by (slot, windows before the open one)."""


class Watcher:
    """Counts, scores and rings for the series of one observations partition.

    For the first day of event time nothing rings, unless history primed it. ``late`` counts stories that
    corrected a closed window, ``too_late`` those behind every window still correctable, ``refused`` items of
    series beyond ``max_series``, ``forced`` the times that :data:`MOST_WAITING` pushed time on. ``listener``
    hears of every window that closes; it is no part of a snapshot.
    """

    def __init__(
        self,
        partition: int,
        watch: WatchSettings,
        rules: Sequence[Rule],
        source_partitions: Mapping[str, int],
        *,
        listener: Listener | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.partition = partition
        self.watch = watch
        self.source_partitions = dict(source_partitions)
        self.size_ms = watch.window_seconds * 1000
        self.tuning = Tuning(watch.window_seconds)
        self.rules = compiled(rules, self.tuning)
        self.table = SeriesTable(watch.max_series, self.tuning, self.rules)
        self.sources = Sources(self.source_partitions, watch.grace_seconds * 1000)
        self.waiting = Waiting()
        self.stories = Stories()
        self.witnesses = Witnesses(self.tuning.ring_rows)
        self.memory = Memory()
        self.heights = Heights(FIRST_CAPACITY)
        self.silences = Silences(self.size_ms)
        self.hushed = False
        self.incidents = Incidents(self.rules)
        self.open_ms: int | None = None
        self.mark_ms = 0
        self.last_ms = 0
        self.rows = 0
        self.late = self.too_late = self.refused = self.forced = 0
        self.release = ""
        self._fewest = min((rule.minimum_negative for rule in rules if rule.hears != CREEP), default=0)
        self._channels = sorted({rule.channel for rule in self.rules if rule.channel != CREEP})
        self._hears_creep = any(rule.channel == CREEP for rule in self.rules)
        self._live: Sources | None = None
        self.listener = listener
        self._most_waiting = most_waiting

    def apply(self, observations: Observations) -> list[Alert]:
        """Take one message in and return the transitions that became due, in order.

        Documents at or below the source partition's mark were applied before and are skipped: a slab may
        come twice, or cut anew.
        """
        source = (observations.topic, observations.partition)
        mark = self.sources.marks.get(source, -1)
        topic, partition, release = observations.topic, observations.partition, observations.release
        documents = observations.documents
        fresh: list[Item] = []
        for item in observations.items:
            doc = documents[item.document]
            if doc.offset > mark:
                fresh.append(
                    Item(
                        doc.event_ms,
                        topic,
                        partition,
                        doc.offset,
                        item.series,
                        item.p_negative,
                        item.negative,
                        release,
                        doc,
                    )
                )
        self.waiting.add(fresh)
        self.sources.hear(source, observations.last, observations.event_ms)
        alerts = self.incidents.bury_orphans(self.mark_ms)
        watermark = self.sources.watermark()
        if watermark is not None:
            alerts += self._advance(watermark)
        while self.waiting.count > self._most_waiting:
            self.forced += 1
            alerts += self._advance(self.waiting.first_minute_end() or 0)
        return alerts

    def flush(self) -> list[Alert]:
        """End of input: close every window up to the one that holds the latest event time."""
        ends = [ms for ms in (self.sources.highest(), self.waiting.latest_minute()) if ms is not None]
        if not ends:
            return self.incidents.bury_orphans(self.mark_ms)
        return self.incidents.bury_orphans(self.mark_ms) + self._advance(
            window_start(max(ends), self.size_ms) + self.size_ms
        )

    def begin_history(self) -> None:
        """What is applied from now on is history, in order of event time: it teaches, and its alerts are void."""
        self._live = self.sources
        self.sources = Sources({}, 0)

    def end_history(self) -> None:
        """Back to the stream: its sources are as they were before the history.

        Time stands still until the first document of the stream, so the gap between the two teaches nothing.
        """
        self.flush()
        assert self._live is not None, "begin_history comes first"
        self.sources, self._live = self._live, None
        self.incidents = Incidents(self.rules)
        self.witnesses = Witnesses(self.tuning.ring_rows)
        self.silences.forget_the_present()
        self.table.state.clear_recent()
        self.open_ms = None
        self.late = self.too_late = self.forced = 0

    def snapshot(self) -> bytes:
        """Everything the watcher is, as bytes; see ``streams.watch.snapshots``."""
        from streams.watch.snapshots import written

        return written(self)

    @classmethod
    def restore(
        cls,
        data: bytes,
        partition: int,
        watch: WatchSettings,
        rules: Sequence[Rule],
        source_partitions: Mapping[str, int],
    ) -> Self:
        """The watcher that wrote ``data``, under the present rules.

        Raises:
            SnapshotError: the bytes are damaged, or of another format, partition or window size.
        """
        from streams.watch.snapshots import read_into

        watcher = cls(partition, watch, rules, source_partitions)
        read_into(watcher, data)
        return watcher

    @property
    def series_count(self) -> int:
        """Series watched now."""
        return len(self.table.slots)

    @property
    def watermark_ms(self) -> int | None:
        """Event time up to which everything is counted; ``None`` before the first document is due."""
        return self.mark_ms if self.open_ms is not None else None

    def _advance(self, watermark: int) -> list[Alert]:
        alerts: list[Alert] = []
        while (stop := self._next_stop(watermark)) is not None and stop <= watermark:
            alerts += self._pass(stop)
        return alerts

    def _next_stop(self, watermark: int) -> int | None:
        first = self.waiting.first_minute_end()
        if self.open_ms is None:
            earliest = self.waiting.earliest()
            if first is None or earliest is None or first > watermark:
                return None
            self.open_ms = self.mark_ms = window_start(earliest, self.size_ms)
        self._step_over_silence(watermark if first is None else min(watermark, first - MINUTE_MS))
        stop = self.open_ms + self.size_ms
        if first is not None:
            stop = min(stop, max(first, self.mark_ms + MINUTE_MS))
        if self.incidents.pending():
            stop = min(stop, self.mark_ms + MINUTE_MS)
        return stop

    def _step_over_silence(self, bound_ms: int) -> None:
        assert self.open_ms is not None
        if self.open_ms - self.last_ms > SILENCE_MS and not self.incidents.open:
            self.open_ms = self.mark_ms = max(self.open_ms, window_start(bound_ms, self.size_ms))

    def _pass(self, stop: int) -> list[Alert]:
        """Go forward to ``stop``: a minute mark, or the end of the open window."""
        assert self.open_ms is not None
        touched, corrected = self._count(self.waiting.release_before(stop))
        self.mark_ms = stop
        alerts = self._reconsider(corrected) if corrected else []
        if stop == self.open_ms + self.size_ms:
            return alerts + self._close_window()
        index = self._promising(touched)
        if index.size:
            table = self.table
            y, n, elapsed = table.open_y[index], table.open_n[index], (stop - self.open_ms) / self.size_ms
            heard: dict[Channel, Verdicts] = {
                scales: score(table.state, self.tuning, index, y, n, self.open_ms // 1000, elapsed, scales)
                for scales in self._channels
            }
            alerts += self._ring(index, heard, self.open_ms)
        return alerts

    def _promising(self, touched: set[int]) -> NDArray[np.intp]:
        """The slots worth a look in mid-window: more negative than before, and enough to satisfy some rule."""
        table = self.table
        index = np.array(sorted(touched), np.intp)
        if index.size:
            counted = table.open_y[index] + recent(table.state, self.tuning, index)
            index = index[counted >= self._fewest]
        waiting = self.incidents.pending()
        return np.array(sorted({*index.tolist(), *waiting}), np.intp) if waiting else index

    def _count(self, items: list[Item]) -> tuple[set[int], Corrections]:
        """Count ``items``; returns the slots with new negative stories, and what came to closed windows."""
        slots: list[int] = []
        negative: list[bool] = []
        times: list[int] = []
        corrected: Corrections = {}
        opened = self.open_ms
        assert opened is not None
        slot_of, is_new, due = self.table.slot, self.stories.is_new, self.memory.due.get
        ringing = set(self.incidents.ringing()) if items else ()
        for item in items:
            event_ms = item.event_ms
            slot = slot_of(item.series)
            if slot is None:
                self.refused += 1
                continue
            age = 0 if event_ms >= opened else -((event_ms - opened) // self.size_ms)
            if age >= self.tuning.ring_rows:
                self.too_late += 1
            elif not is_new(slot, item.document.signature, event_ms):
                self.witnesses.hear_copy(slot, age)
            else:
                if item.negative:
                    self.witnesses.hear(slot, item, age)
                if age:
                    self.late += 1
                    self.table.correct(slot, age, item.negative)
                    y, n = corrected.get((slot, age), (0, 0))
                    corrected[slot, age] = (y + item.negative, n + 1)
                else:
                    key = 2 * slot + item.negative
                    if event_ms >= due(key, 0) and slot not in ringing:
                        self.memory.hear(key, item)
                    slots.append(slot)
                    negative.append(item.negative)
                    times.append(event_ms)
        if items:
            self.release = items[-1].release
            self.last_ms = max(self.last_ms, items[-1].event_ms)
        if slots:
            self.table.count(slots, negative, times)
        return {slot for slot, bad in zip(slots, negative, strict=True) if bad}, corrected

    def _close_window(self) -> list[Alert]:
        """Score every series on the whole window, ring, then learn, and open the next one."""
        assert self.open_ms is not None
        start, end = self.open_ms, self.open_ms + self.size_ms
        table, top = self.table, self.table.slots.top
        everyone = slice(0, top)
        y, n = table.open_y[:top].copy(), table.open_n[:top].copy()
        verdicts = score(table.state, self.tuning, everyone, y, n, start // 1000)
        heard: dict[Channel, Verdicts] = {(): verdicts}
        for scales in self._channels:
            if scales:
                heard[scales] = score(table.state, self.tuning, everyone, y, n, start // 1000, scales=scales)
        if self._hears_creep:
            heard[CREEP] = crept(table.state, self.tuning, everyone, verdicts)
        alerts = self._ring(np.arange(top, dtype=np.intp), heard, start, closed=True)
        held = np.zeros(top, dtype=bool)
        held[self.incidents.ringing()] = True
        hour_ends = start // 3_600_000 != end // 3_600_000
        alerts += self.silences.close(table.slots.names, n, end, self.release)
        if not self._hush(end):
            learn(table.state, self.tuning, everyone, y, n, verdicts, start // 1000, hour_ends, held)
        levels, shares = self.incidents.take_shifted()
        for slot in levels:
            accept_level(table.state, self.tuning, slot, float(verdicts.basis.season[slot]))
        for slot in shares:
            accept_share(table.state, self.tuning, slot)
        if self.listener is not None:
            self.listener(ClosedWindow(start, len(table.slots), table.slots.names, y, n, verdicts.mu, verdicts.score))
        table.next_window()
        self.heights.note(end, verdicts.score)
        self.witnesses.turn()
        self.stories.forget_before(end)
        self.rows += 1
        self.open_ms = end
        self._forget(end)
        return alerts

    def _hush(self, end_ms: int) -> bool:
        """Whether so little arrives that nothing can be learned; the rows before are then no longer recent."""
        began, self.hushed = not self.hushed, self.silences.hushed(end_ms)
        if self.hushed and began:
            self.table.state.clear_recent()
        return self.hushed

    def _reconsider(self, corrected: Corrections) -> list[Alert]:
        """Score again the closed windows that late documents corrected: they may raise, never retract. Then learn."""
        assert self.open_ms is not None
        state, alerts = self.table.state, []
        for age in sorted({age for _, age in corrected}, reverse=True):
            index = np.array(sorted(slot for slot, old in corrected if old == age), np.intp)
            ages, start_ms = np.full(len(index), age, np.intp), self.open_ms - age * self.size_ms
            verdicts = rescore(state, self.tuning, index, ages, self.open_ms // 1000)
            # Corrected rows are judged one by one: a rule that looks at longer times alone has heard nothing.
            heard: dict[Channel, Verdicts] = {
                scales: verdicts for scales in self._channels if not scales or 1 in scales
            }
            alerts += self._ring(index, heard, start_ms, late=age)
            y, n = np.array([corrected[slot, age] for slot in index.tolist()], np.float64).T
            held = np.isin(index, self.incidents.ringing())
            learn_late(state, self.tuning, index, age, y, n, verdicts, start_ms // 1000, held)
        return alerts

    def _ring(
        self,
        index: NDArray[np.intp],
        heard: Mapping[Channel, Verdicts],
        start_ms: int,
        *,
        closed: bool = False,
        late: int = 0,
    ) -> list[Alert]:
        if self.rows < self.tuning.rows_per_day:
            return []
        moment = Moment(start_ms, start_ms + self.size_ms, self.mark_ms, closed, late)
        scene = Scene(self.witnesses, self.stories, self.memory, self.heights, self.watch.exemplars, self.release)
        return self.incidents.hear(self.table, index, heard, moment, scene)

    def _forget(self, end_ms: int) -> None:
        self.incidents.forget_before(end_ms - self.tuning.ring_rows * self.size_ms)
        if end_ms % DAY_MS == 0:
            self.table.forget_silent(end_ms, self.incidents.slots())
            free = [slot for slot, name in enumerate(self.table.slots.names) if name is None]
            self.memory.forget(free)
            self.heights.forget(free)
