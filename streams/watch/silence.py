"""A stream that falls silent is an alert of its own; nothing is learned from a time in which nothing arrived.

Silence is measured against the stream's own pauses, in windows without a document: it is pending when a pause is
:data:`FACTOR` times as long as the longest of the last four weeks (and an hour at least), firing a window later,
and over with the next document. Nights and weekends are among those pauses, so the first week says nothing. The
series ``stream:<name>`` holds every document of a stream and lives in one partition, so its watcher knows all there
is to know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct, field

from streams.alerting import NO_DATA
from streams.records import Alert, AlertState, Window
from streams.watch.lifecycle import DAY_MS, HOUR_MS, Incident, Reason, alert_id_of, transition_id_of
from streams.watch.series import kind_of
from streams.watch.tails import Floats
from streams.watch.windows import rfc3339
from streams.watch.words import spell, spoken

FACTOR = 3.0
SHORTEST_MS = HOUR_MS
DAYS = 28
KNOWN_MS = 7 * DAY_MS
FEWEST_WINDOWS = 50
"""Windows with documents before a stream is known well enough."""
VERSION = "1"
EVERYTHING = ""
"""The pulse of all series of the partition together; it rings nothing, but it says when not to learn."""


class Pulse(Struct):
    """How a stream usually beats: its longest pause (windows) on each of the last :data:`DAYS` days, and its rate."""

    first_ms: int
    heard: int = 0
    quiet: int = 0
    rate: float = 0.0
    day: int = 0
    longest: list[int] = field(default_factory=lambda: [0] * DAYS)

    def beat(self, count: float, end_ms: int, size_ms: int) -> int:
        """Take one window in; the length of the pause that it ended, in windows (0: none)."""
        self._turn_to(end_ms // DAY_MS)
        if not count:
            self.quiet += 1
            return 0
        ended, self.quiet = self.quiet, 0
        self.heard += 1
        self.rate += (count - self.rate) * max(1.0 / self.heard, size_ms / KNOWN_MS)
        return ended

    def learn(self, pause: int) -> None:
        """Take ``pause`` for an ordinary one."""
        self.longest[self.day % DAYS] = max(self.longest[self.day % DAYS], pause)

    def limit(self, size_ms: int) -> int:
        """The pause, in windows, that is longer than ordinary."""
        return max(math.ceil(SHORTEST_MS / size_ms), math.ceil(FACTOR * max(self.longest)))

    def knows_itself(self, now_ms: int) -> bool:
        """Whether it has been watched for long enough."""
        return self.heard >= FEWEST_WINDOWS and now_ms - self.first_ms >= KNOWN_MS

    def silent(self, now_ms: int, size_ms: int) -> bool:
        """Whether the present pause is longer than ordinary."""
        return self.quiet >= self.limit(size_ms) and self.knows_itself(now_ms)

    def _turn_to(self, day: int) -> None:
        for turned in range(max(self.day + 1, day - DAYS + 1), day + 1):
            self.longest[turned % DAYS] = 0
        self.day = max(self.day, day)


class Silences:
    """The pulse of each stream of one partition and what rings of it; ``hushed`` while nothing at all arrives."""

    def __init__(self, size_ms: int) -> None:
        self.size_ms = size_ms
        self.pulses: dict[str, Pulse] = {}
        self.open: dict[str, Incident] = {}
        self._scanned = -1
        self._slots: dict[str, int] = {}

    def close(self, names: Sequence[str | None], totals: Floats, end_ms: int, release: str) -> list[Alert]:
        """Take in the window that ends at ``end_ms``, with its documents by slot; the alerts due, by series."""
        if self._scanned != len(names) or end_ms % DAY_MS == 0:
            self._slots = {name: slot for slot, name in enumerate(names) if name and kind_of(name) == "stream"}
            self._scanned = len(names)
        counts = {name: float(totals[slot]) for name, slot in self._slots.items()}
        counts[EVERYTHING] = float(totals.sum())
        for name, count in counts.items():
            if count and name not in self.pulses:
                self.pulses[name] = Pulse(end_ms - self.size_ms)
        alerts: list[Alert] = []
        for name, pulse in sorted(self.pulses.items()):
            ended = pulse.beat(counts.get(name, 0.0), end_ms, self.size_ms)
            incident = self.open.get(name)
            if ended and not (incident is not None and incident.state == "firing"):
                pulse.learn(ended)
            if name != EVERYTHING:
                alerts += self._move(name, pulse, incident, end_ms, release)
        return alerts

    def forget_the_present(self) -> None:
        """What comes next does not follow on: no pause goes on, nothing rings."""
        self.open.clear()
        for pulse in self.pulses.values():
            pulse.quiet = 0

    def hushed(self, end_ms: int) -> bool:
        """Whether nothing has arrived in this partition for longer than ordinary."""
        pulse = self.pulses.get(EVERYTHING)
        return pulse is not None and pulse.silent(end_ms, self.size_ms)

    def _move(self, series: str, pulse: Pulse, incident: Incident | None, end_ms: int, release: str) -> list[Alert]:
        if incident is None:
            if not pulse.silent(end_ms, self.size_ms):
                return []
            start_ms = end_ms - pulse.quiet * self.size_ms
            alert_id = alert_id_of(NO_DATA, VERSION, series, self.size_ms, start_ms)
            incident = Incident(
                alert_id, NO_DATA, VERSION, series, start_ms, "pending", 0, end_ms, end_ms, 0.0, 0.0, rang=0
            )
            self.open[series] = incident
            return [self._alert(incident, pulse, "pending", "", end_ms, release)]
        if pulse.quiet and incident.state == "pending":
            incident.rang = 1
            return [self._alert(incident, pulse, "firing", "", end_ms, release)]
        if pulse.quiet:
            return []
        reason: Reason = "lapsed" if incident.state == "pending" else "returned"
        incident.loud_end_ms = end_ms
        del self.open[series]
        return [self._alert(incident, pulse, "resolved", reason, end_ms, release)]

    def _alert(
        self, incident: Incident, pulse: Pulse, state: AlertState, reason: Reason, end_ms: int, release: str
    ) -> Alert:
        if incident.told is not None:
            incident.sequence += 1
        incident.state = state
        silent = (end_ms - incident.start_ms) // self.size_ms
        limit = pulse.limit(self.size_ms)
        lasted = spell((end_ms - incident.start_ms) // 60_000)
        usual = spell(max(pulse.longest) * self.size_ms // 60_000) if max(pulse.longest) else "under a window"
        if state == "resolved":
            summary = f"{spoken(incident.series)} is back after {lasted}."
        else:
            summary = (
                f"{spoken(incident.series)} has been silent for {lasted}: {pulse.rate * silent:.0f} documents were "
                f"expected, and the longest pause of the last {DAYS} days was {usual}."
            )
        alert = Alert(
            alert_id=incident.alert_id,
            transition_id=transition_id_of(incident.alert_id, incident.sequence, state),
            sequence=incident.sequence,
            rule=NO_DATA,
            rule_version=VERSION,
            series=incident.series,
            state=state,
            severity="warning",
            starts_at=rfc3339(incident.start_ms),
            ends_at=rfc3339(end_ms) if state == "resolved" else None,
            window=Window(rfc3339(incident.start_ms), rfc3339(end_ms), (end_ms - incident.start_ms) // 1000),
            observed=0.0,
            expected=round(pulse.rate * silent, 4),
            total=0.0,
            share=0.0,
            baseline_share=0.0,
            # As if documents came one by one: -log10 of the chance that so many expected ones all stay away.
            score=round(pulse.rate * silent / math.log(10), 4),
            threshold=round(pulse.rate * limit / math.log(10), 4),
            exemplars=(),
            release=release,
            reason=reason,
            rang=incident.rang,
            summary=summary,
        )
        incident.told = alert
        return alert
