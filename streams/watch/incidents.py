"""Every open incident of one partition, and those that cool down; from verdicts to alerts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.records import Alert
from streams.watch.alerts import Finding, with_evidence, without_evidence
from streams.watch.evidence import Scene
from streams.watch.lifecycle import Incident, Reading, begin, bury, may_begin, step
from streams.watch.rules import CREEP, Channel, CompiledRule
from streams.watch.spikes import Verdicts, bars
from streams.watch.table import SeriesTable
from streams.watch.tails import Floats


@dataclass(frozen=True)
class Moment:
    """Which window is judged (ms), at which mark; ``late``: how many windows before the open one it closed."""

    start_ms: int
    end_ms: int
    mark_ms: int
    closed: bool
    late: int = 0


class Incidents:
    """Incidents by (rule number, slot). ``orphans`` had a rule that is no more; they end at the next message."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self.rules = rules
        self.open: dict[tuple[int, int], Incident] = {}
        self.orphans: list[Incident] = []
        self._levels: set[int] = set()
        self._shares: set[int] = set()

    def hear(
        self,
        table: SeriesTable,
        index: NDArray[np.intp],
        heard: Mapping[Channel, Verdicts],
        moment: Moment,
        scene: Scene,
    ) -> list[Alert]:
        """Move the incidents of the slots ``index`` (ascending) on by what their channel says, and begin new ones.

        Rules of a channel that is not in ``heard`` stay as they are. Alerts come sorted by series, then in the order
        of the rules.
        """
        due: list[tuple[str, int, Alert]] = []
        for number, rule in enumerate(self.rules):
            verdicts = heard.get(rule.channel)
            if verdicts is None:
                continue
            bar = bars(table.state, table.tuning, index, rule.threshold)
            loud = table.covered[number, index] & (verdicts.score >= bar)
            loud &= verdicts.observed >= rule.rule.minimum_negative
            for at in sorted({*np.flatnonzero(loud).tolist(), *self._places(number, index)}):
                slot = int(index[at])
                reading = _reading(verdicts, at, bar, loud, moment)
                finding = Finding.of(verdicts, at, slot, moment.late)
                alert = self._move(number, slot, table.slots.name(slot), reading, finding, scene)
                if alert is not None:
                    due.append((alert.series, number, alert))
        return [alert for _, _, alert in sorted(due, key=lambda entry: entry[:2])]

    def pending(self) -> set[int]:
        """The slots with an incident that waits for its second look."""
        return {slot for (_, slot), incident in self.open.items() if incident.state == "pending"}

    def ringing(self) -> list[int]:
        """The slots with a spike of which people have been told and not yet been told that it is over."""
        return sorted(
            {
                slot
                for (number, slot), incident in self.open.items()
                if incident.ringing and self.rules[number].channel != CREEP
            }
        )

    def slots(self) -> set[int]:
        """The slots that must be kept."""
        return {slot for _, slot in self.open}

    def take_shifted(self) -> tuple[list[int], list[int]]:
        """The slots whose new level, and those whose new share, was accepted since this was last asked."""
        levels, shares = sorted(self._levels), sorted(self._shares - self._levels)
        self._levels, self._shares = set(), set()
        return levels, shares

    def bury_orphans(self, mark_ms: int) -> list[Alert]:
        """Resolve the incidents whose rule was changed or taken away."""
        buried, self.orphans = self.orphans, []
        return [without_evidence(incident, bury(incident, mark_ms, "rule_changed")) for incident in buried]

    def forget_before(self, ms: int) -> None:
        """Drop the resolved incidents that had cooled down by ``ms``, a day after they last began to ring."""
        gone = [key for key, incident in self.open.items() if incident.forgotten_by(ms)]
        for key in gone:
            del self.open[key]

    def _places(self, number: int, index: NDArray[np.intp]) -> list[int]:
        """Where in ``index`` the slots of rule ``number``'s unresolved incidents stand."""
        unresolved = [s for (r, s), i in self.open.items() if r == number and i.state != "resolved"]
        if not unresolved:
            return []
        slots = np.array(unresolved, np.intp)
        at = np.searchsorted(index, slots)
        here = at < len(index)
        at, slots = at[here], slots[here]
        return [int(place) for place in at[index[at] == slots]]

    def _move(
        self, number: int, slot: int, series: str, reading: Reading, finding: Finding, scene: Scene
    ) -> Alert | None:
        rule = self.rules[number]
        incident = self.open.get((number, slot))
        if incident is None or incident.state == "resolved":
            if not may_begin(incident, reading):
                return None
            incident, transition = begin(rule.name, rule.version, series, reading, incident)
            # Heights are those of spikes: a share that creeps up is not measured against them.
            incident.height_before = math.inf if rule.channel == CREEP else scene.heights.today(slot)
            self.open[number, slot] = incident
        else:
            moved = step(incident, reading, rule.policy)
            if moved is None:
                return None
            transition = moved
        if transition.reason == "level_shift":
            (self._shares if rule.channel == CREEP else self._levels).add(slot)
        if transition.state in ("pending", "firing") or transition.reason == "late_documents":
            incident.told = with_evidence(incident, transition, reading, finding, rule, scene)
            return incident.told
        return without_evidence(incident, transition)


def _reading(verdicts: Verdicts, at: int, bar: Floats, loud: NDArray[np.bool_], moment: Moment) -> Reading:
    return Reading(
        start_ms=moment.start_ms,
        end_ms=moment.end_ms,
        mark_ms=moment.mark_ms,
        closed=moment.closed,
        score=float(verdicts.score[at]),
        threshold=float(bar[at]),
        observed=float(verdicts.observed[at]),
        loud=bool(loud[at]),
        late=moment.late > 0,
    )
