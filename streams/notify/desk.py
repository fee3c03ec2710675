"""The desk: what is said to whom. It knows every incident that stands, who was told of it, and what people said.

Pure: alerts and people's words go in, decisions come out; the outbox keeps what the desk knows, in the same
transaction as the offsets of what it has read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from streams.notify.rollup import Ancestors, speaks_for
from streams.notify.routing import Route, channels_for
from streams.records import Alert, AlertFeedback, Verdict
from streams.watch.lifecycle import digest
from streams.watch.windows import rfc3339

MOST_DRIVERS = 10


@dataclass
class Known:
    """An incident that stands: its present state and the channels that were told of it."""

    alert: Alert
    told: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Decision:
    """One transition as it is told, to which channels; and incidents whose last transition is told after all."""

    alert: Alert
    channels: tuple[str, ...] = ()
    released: tuple[tuple[str, str], ...] = ()


class Desk:
    """Decides. ``ancestors`` are the watch-list's parents, by entity; ``slow`` names the rules that hear creep."""

    def __init__(
        self, routes: Sequence[Route], prefix: str, ancestors: Ancestors | None = None, slow: Collection[str] = ()
    ) -> None:
        self._routes = routes
        self._prefix = prefix
        self._ancestors = ancestors or {}
        self._slow = frozenset(slow)
        self._standing: dict[str, Known] = {}
        self._said: dict[str, dict[Verdict, AlertFeedback]] = {}

    def recall(self, standing: Iterable[Known], said: Iterable[AlertFeedback]) -> None:
        """Take up again what the outbox kept."""
        self._standing = {known.alert.alert_id: known for known in standing}
        for word in said:
            self._said.setdefault(word.alert_id, {})[word.verdict] = word

    def take(self, alert: Alert) -> Decision:
        """Decide on one transition, and remember it."""
        if alert.state == "pending" or alert.reason == "lapsed":
            return Decision(alert)
        said = self._said.get(alert.alert_id, {})
        known = self._standing.get(alert.alert_id)
        if alert.revision:
            return self._revise(alert, known, hushed=bool(said.keys() & {"acknowledge", "dismiss"}))
        if known is not None and known.alert.annotation is not None:
            alert = msgspec.structs.replace(alert, annotation=known.alert.annotation)
        if alert.state == "resolved":
            self._standing.pop(alert.alert_id, None)
            self._said.pop(alert.alert_id, None)
            # Of an incident from before the outbox everybody may have heard.
            told = self._wanted(alert) if known is None else [c for c in self._wanted(alert) if c in known.told]
            if "acknowledge" in said:
                alert = msgspec.structs.replace(alert, acknowledged_by=said["acknowledge"].by)
            return Decision(alert, () if "dismiss" in said else tuple(told), self._released(alert))
        if known is None:
            known = self._standing[alert.alert_id] = Known(alert)
        if alert.sequence >= known.alert.sequence:
            known.alert = alert
        if "dismiss" in said:
            return Decision(alert)
        if "acknowledge" in said and known.told:
            return Decision(msgspec.structs.replace(alert, acknowledged_by=said["acknowledge"].by))
        channels = [channel for channel in self._wanted(alert) if not self._silenced(alert, channel)]
        known.told.update(channels)
        return Decision(msgspec.structs.replace(alert, drivers=self._drivers(alert)), tuple(channels))

    def hear(self, word: AlertFeedback) -> Decision | None:
        """What a person said of an alert; what there is to tell of it, if anything."""
        said = self._said.setdefault(word.alert_id, {})
        news = said.get(word.verdict) != word
        said[word.verdict] = word
        known = self._standing.get(word.alert_id)
        if known is None or not news or word.verdict == "confirm":
            return None
        alert = known.alert
        told = tuple(sorted(known.told))
        if word.verdict == "acknowledge":
            shown = msgspec.structs.replace(
                alert,
                transition_id=digest(alert.alert_id, "acknowledged", str(word.at_ms)),
                reason="acknowledged",
                acknowledged_by=word.by,
            )
            return Decision(shown, told)
        shown = msgspec.structs.replace(
            alert,
            transition_id=digest(alert.alert_id, "dismissed", str(word.at_ms)),
            state="resolved",
            ends_at=rfc3339(word.at_ms),
            reason="dismissed",
            acknowledged_by=word.by,
        )
        del self._standing[word.alert_id]
        return Decision(shown, told, self._released(alert))

    def _revise(self, alert: Alert, known: Known | None, *, hushed: bool) -> Decision:
        """An annotation comes late: it is told of the present state, and to those who were told of the alert."""
        if known is None:
            return Decision(alert)
        known.alert = msgspec.structs.replace(known.alert, annotation=alert.annotation)
        shown = msgspec.structs.replace(
            known.alert, transition_id=alert.transition_id, revision=alert.revision, reason=alert.reason
        )
        return Decision(shown, () if hushed else tuple(sorted(known.told)))

    def _wanted(self, alert: Alert) -> list[str]:
        return channels_for(alert, self._routes, self._prefix)

    def _speaks_for(self, parent: Alert, child: Alert) -> bool:
        return speaks_for(parent, child, self._ancestors, self._slow)

    def _silenced(self, alert: Alert, channel: str) -> bool:
        return any(
            self._speaks_for(known.alert, alert) and channel in self._wanted(known.alert)
            for known in self._standing.values()
        )

    def _drivers(self, alert: Alert) -> tuple[str, ...]:
        children = [
            known.alert
            for known in self._standing.values()
            if known.alert.series != alert.series and self._speaks_for(alert, known.alert)
        ]
        children.sort(key=lambda child: (-child.score, child.series))
        return tuple(dict.fromkeys(child.series for child in children))[:MOST_DRIVERS]

    def _released(self, over: Alert) -> tuple[tuple[str, str], ...]:
        """The incidents that ``over``, which is over, spoke for and nobody speaks for now."""
        found = []
        for known in self._standing.values():
            said: Mapping[Verdict, AlertFeedback] = self._said.get(known.alert.alert_id, {})
            if said.keys() & {"acknowledge", "dismiss"} or not self._speaks_for(over, known.alert):
                continue
            for channel in self._wanted(known.alert):
                if channel not in known.told and not self._silenced(known.alert, channel):
                    known.told.add(channel)
                    found.append((known.alert.alert_id, channel))
        return tuple(found)
