"""Everything a page shows, each item with the version at which it last changed.

Pure but for its order: whoever holds version v asks for what has changed since. Touched on one event loop only.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from streams.notify.rollup import Ancestors, speaks_for
from streams.page.model import Alarmed
from streams.page.rows import Row
from streams.page.sentiments import Heard, Mix, Sentiments, Told
from streams.records import Alert, AlertFeedback, AlertState, Background, Verdict
from streams.watch.series import kind_of

MOST_ALERTS = 300
MOST_WORDS = 2_000
"""Alerts of which something was said, remembered in case the alert itself is read later."""
MOST_DOCUMENTS = 40
MOST_STEPS = 12
MOST_DRIFTS = 12


class Step(Struct, frozen=True, array_like=True):
    """A state of an alert, and the end of the window (RFC 3339) that brought it there."""

    state: AlertState
    reason: str
    at: str


class Said(Struct, frozen=True):
    """A person's word on an alert."""

    verdict: Verdict
    by: str
    note: str
    at_ms: int


class Shown(Struct, frozen=True):
    """An alert as the page shows it: its present state, how it came there, what was said, and who speaks for it."""

    alert: Alert
    steps: tuple[Step, ...]
    said: tuple[Said, ...]
    spoken_for_by: str = ""

    @property
    def standing(self) -> bool:
        """Whether it still concerns anybody: neither resolved nor dismissed."""
        return self.alert.state != "resolved" and all(word.verdict != "dismiss" for word in self.said)


class Frame(Struct, frozen=True, omit_defaults=True):
    """What one message to a client carries; ``order`` names every series on the page, where that has
    changed; ``names`` are those of the watch-list, by id, and ``line`` is the
    rate (documents a second) and the lag (records) of the past quarter of an hour; both come once."""

    version: int
    status: dict[str, Any] | None = None
    series: list[Row] = []
    mixes: dict[str, Mix] = {}
    order: list[str] | None = None
    alerts: list[Shown] = []
    gone: list[str] = []
    documents: list[Told] = []
    drifts: list[Alarmed] = []
    names: dict[str, str] = {}
    line: list[tuple[float, int]] = []


class Board:
    """The state of the page. ``ancestors`` are the watch-list's parents, by entity."""

    def __init__(self, ancestors: Ancestors | None = None) -> None:
        self.version = 0
        self.sentiments = Sentiments()
        self._ancestors = ancestors or {}
        self._alerts: OrderedDict[str, Shown] = OrderedDict()
        self._words: OrderedDict[str, dict[Verdict, AlertFeedback]] = OrderedDict()
        self._rows: dict[str, Row] = {}
        self._documents: deque[tuple[int, Told]] = deque(maxlen=MOST_DOCUMENTS)
        self._drifts: list[tuple[int, Alarmed]] = []
        self._changed: dict[tuple[Literal["alert", "gone", "row", "mix"], str], int] = {}
        self._ordered = 0
        self._unsettled = False

    # What comes in

    def take(self, alert: Alert) -> None:
        """An alert transition, or an annotation of one, as it stands in the alerts topic."""
        if alert.state == "pending" or alert.reason == "lapsed":
            return
        known = self._alerts.get(alert.alert_id)
        alert = _without_background(alert)
        if known is None:
            self._alerts[alert.alert_id] = Shown(alert, () if alert.revision else (_step(alert),), self._said(alert))
        elif alert.revision:
            annotated = msgspec.structs.replace(known.alert, annotation=alert.annotation)
            self._alerts[alert.alert_id] = msgspec.structs.replace(known, alert=annotated)
        elif alert.sequence > known.alert.sequence or known.alert.revision:
            told = msgspec.structs.replace(alert, annotation=alert.annotation or known.alert.annotation)
            steps = (*known.steps, _step(alert))[-MOST_STEPS:]
            self._alerts[alert.alert_id] = msgspec.structs.replace(known, alert=told, steps=steps)
        else:
            return
        self._alert_changed(alert.alert_id)
        self._forget_old()

    def hear(self, word: AlertFeedback) -> None:
        """What a person said of an alert."""
        words = self._words.setdefault(word.alert_id, {})
        known = words.get(word.verdict)
        if known is not None and known.at_ms > word.at_ms:
            return
        words[word.verdict] = word
        self._words.move_to_end(word.alert_id)
        while len(self._words) > MOST_WORDS:
            self._words.popitem(last=False)
        shown = self._alerts.get(word.alert_id)
        if shown is not None:
            self._alerts[word.alert_id] = msgspec.structs.replace(shown, said=self._said(shown.alert))
            self._alert_changed(word.alert_id)

    def drift(self, alarm: Alarmed) -> None:
        """An alarm of a drift detector; the latest are kept, by the stream's time."""
        self.version += 1
        self._drifts.append((self.version, alarm))
        if len(self._drifts) > MOST_DRIFTS:
            self._drifts.remove(min(self._drifts, key=lambda one: one[1].event_ms))

    def count(self, found: Heard) -> None:
        """What a slab that was scored here adds."""
        changed = self.sentiments.add(found.mixes.items())
        if not changed and not found.documents:
            return
        self.version += 1
        for series in changed & self._rows.keys():
            self._changed["mix", series] = self.version
        for document in found.documents:
            self._documents.append((self.version, document))

    def show(self, rows: Sequence[Row]) -> None:
        """The series the page shows from now on, the first ones first."""
        names = [row.name for row in rows]
        if names != list(self._rows):
            self.version += 1
            self._ordered = self.version
        fresh = [row for row in rows if self._rows.get(row.name) != row]
        if fresh:
            self.version += 1
            for row in fresh:
                self._changed["row", row.name] = self.version
        for name in self._rows.keys() - set(names):
            self._changed.pop(("row", name), None)
            self._changed.pop(("mix", name), None)
        self._rows = {row.name: row for row in rows}

    # What goes out

    def knows(self, alert_id: str) -> bool:
        """Whether the page shows the alert ``alert_id``."""
        return alert_id in self._alerts

    def mix(self, series: str) -> Mix:
        """Negative, neutral and positive documents of ``series`` in the last day."""
        return self.sentiments.of(series)

    def since(self, version: int) -> Frame:
        """All that has changed after ``version``; everything for -1."""
        self._settle()
        changed = [key for key, at in self._changed.items() if at > version]
        rows = [self._rows[name] for kind, name in changed if kind == "row" and name in self._rows]
        mixed = {name for kind, name in changed if kind == "mix"} | {row.name for row in rows}
        return Frame(
            version=self.version,
            series=rows,
            mixes={name: self.mix(name) for name in mixed if name in self._rows},
            order=list(self._rows) if self._ordered > version else None,
            alerts=[self._alerts[name] for kind, name in changed if kind == "alert" and name in self._alerts],
            gone=[name for kind, name in changed if kind == "gone"] if version >= 0 else [],
            documents=[document for at, document in self._documents if at > version],
            drifts=[alarm for at, alarm in self._drifts if at > version],
        )

    @property
    def standing(self) -> int:
        """Alerts that stand and for which no other speaks."""
        self._settle()
        return sum(shown.standing and not shown.spoken_for_by for shown in self._alerts.values())

    def _said(self, alert: Alert) -> tuple[Said, ...]:
        words: Mapping[Verdict, AlertFeedback] = self._words.get(alert.alert_id, {})
        return tuple(
            Said(word.verdict, word.by, word.note, word.at_ms)
            for word in sorted(words.values(), key=lambda word: word.at_ms)
        )

    def _settle(self) -> None:
        """Find anew, of the alerts that stand, which one another speaks for."""
        if not self._unsettled:
            return
        standing = [shown for shown in self._alerts.values() if shown.standing]
        for shown in standing:
            above = [other.alert for other in standing if speaks_for(other.alert, shown.alert, self._ancestors)]
            speaker = min(above, key=_breadth).alert_id if above else ""
            if speaker != shown.spoken_for_by:
                self._alerts[shown.alert.alert_id] = msgspec.structs.replace(shown, spoken_for_by=speaker)
                self._alert_changed(shown.alert.alert_id)
        self._unsettled = False

    def _alert_changed(self, alert_id: str) -> None:
        self._unsettled = True
        self.version += 1
        self._changed["alert", alert_id] = self.version

    def _forget_old(self) -> None:
        """Drop the oldest alerts beyond :data:`MOST_ALERTS`, those that are over first."""
        while len(self._alerts) > MOST_ALERTS:
            over = next((key for key, shown in self._alerts.items() if not shown.standing), next(iter(self._alerts)))
            del self._alerts[over]
            self._changed.pop(("alert", over), None)
            self.version += 1
            self._changed["gone", over] = self.version
            self._prune_gone()

    def _prune_gone(self) -> None:
        gone = [key for key in self._changed if key[0] == "gone"]
        for key in gone[:-MOST_ALERTS]:
            del self._changed[key]


def _without_background(alert: Alert) -> Alert:
    return msgspec.structs.replace(alert, evidence=msgspec.structs.replace(alert.evidence, background=Background()))


def _step(alert: Alert) -> Step:
    at = alert.ends_at if alert.state == "resolved" and alert.ends_at else alert.window.end
    return Step(alert.state, alert.reason, at)


def _breadth(alert: Alert) -> tuple[int, float, str]:
    """What speaks for most first: a stream, an entity, a topic, then the parts of an entity."""
    kinds: dict[str, int] = {"stream": 0, "entity": 1, "topic": 2}
    return kinds.get(kind_of(alert.series), 3), -alert.score, alert.series
