"""Every series of one observations partition, in arrays by slot: the open window and what is known of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.alerting import KINDS
from streams.watch.knowledge import DAY_SECONDS, SpikeState, Tuning
from streams.watch.rules import CompiledRule, covering
from streams.watch.series import kind_of
from streams.watch.slots import Slots

FIRST_CAPACITY = 64
DAY_MS = DAY_SECONDS * 1000
LONGEST_SILENCE_DAYS, DAYS_PER_STORY = 56, 2
"""A series is forgotten after two days of silence for each story it ever had, at most after 56."""


class SeriesTable:
    """Slots with their detector state, the counts of the open window, and the rules that cover them."""

    def __init__(self, most: int, tuning: Tuning, rules: Sequence[CompiledRule]) -> None:
        self.tuning = tuning
        self.rules = rules
        self.slots = Slots(most)
        self.state = SpikeState.empty(FIRST_CAPACITY, tuning)
        self.open_y = np.zeros(FIRST_CAPACITY)
        self.open_n = np.zeros(FIRST_CAPACITY)
        self.heard_ms = np.zeros(FIRST_CAPACITY, np.int64)
        self.covered = np.zeros((len(rules), FIRST_CAPACITY), dtype=bool)

    def slot(self, series: str) -> int | None:
        """The slot of ``series``, taken now if it is new; ``None`` where no more are watched."""
        slot = self.slots.find(series)
        return self._new_slot(series) if slot is None else slot

    def _new_slot(self, series: str) -> int | None:
        slot = self.slots.take(series)
        if slot is not None:
            self.make_room(slot + 1)
            self.cover(slot, series)
        return slot

    def cover(self, slot: int, series: str) -> None:
        """Note which rules cover ``series``, which lives in ``slot``, and whose tails are pooled with its own."""
        self.covered[:, slot] = covering(self.rules, series)
        self.state.kind[slot] = 1 + KINDS.index(kind_of(series))

    def count(self, slots: Sequence[int], negative: Sequence[bool], event_ms: Sequence[int]) -> None:
        """Count one story per entry into the open window."""
        index = np.asarray(slots, np.intp)
        np.add.at(self.open_n, index, 1.0)
        np.add.at(self.open_y, index, np.asarray(negative, np.float64))
        np.maximum.at(self.heard_ms, index, np.asarray(event_ms, np.int64))

    def correct(self, slot: int, age: int, negative: bool) -> None:
        """Count one late story into the closed window ``age`` windows before the open one."""
        row = (self.state.head - age) % self.tuning.ring_rows
        self.state.ring_n[row, slot] += 1
        self.state.ring_y[row, slot] += negative

    def next_window(self) -> None:
        """Begin the next window with nothing in it."""
        self.open_y[:] = 0.0
        self.open_n[:] = 0.0

    def forget_silent(self, now_ms: int, keep: Collection[int]) -> None:
        """Free the slots of series that fell silent, except those in ``keep``."""
        top = self.slots.top
        patience = np.clip(DAYS_PER_STORY * self.state.stories[:top], DAYS_PER_STORY, LONGEST_SILENCE_DAYS) * DAY_MS
        silent = np.flatnonzero(self.heard_ms[:top] < now_ms - patience)
        gone = [slot for slot in silent.tolist() if self.slots.names[slot] is not None and slot not in keep]
        if gone:
            self.slots.free(gone)
            index = np.asarray(gone, np.intp)
            self.state.forget(index)
            self.heard_ms[index] = 0
            self.covered[:, index] = False

    def make_room(self, slots: int) -> None:
        """Let the arrays hold at least ``slots`` slots; they double."""
        capacity = len(self.open_y)
        if slots <= capacity:
            return
        while capacity < slots:
            capacity *= 2
        self.state.grow(capacity, self.tuning)
        self.open_y = _widened(self.open_y, capacity)
        self.open_n = _widened(self.open_n, capacity)
        self.heard_ms = _widened(self.heard_ms, capacity)
        covered = np.zeros((len(self.rules), capacity), dtype=bool)
        covered[:, : self.covered.shape[1]] = self.covered
        self.covered = covered


def _widened(array: NDArray[Any], capacity: int) -> NDArray[Any]:
    wide: NDArray[Any] = np.zeros(capacity, array.dtype)
    wide[: len(array)] = array
    return wide
