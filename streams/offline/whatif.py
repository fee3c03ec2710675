"""What would have rung at other budgets: the same messages, heard by watchers of their own for each budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from streams.alerting import Rule
from streams.records import Alert, Observations
from streams.settings import WatchSettings
from streams.watch.watcher import Watcher

BUDGETS = (0.1, 0.01, 0.001, 0.0001)
FOREVER = "9999"


@dataclass
class Span:
    """One incident that rang, without its evidence."""

    series: str
    rule: str
    starts_at: str
    ends_at: str | None = None

    def meets(self, other: Span) -> bool:
        """Whether both are about one series, by rules of one name, and at one time."""
        same = (self.series, self.rule) == (other.series, other.rule)
        return same and self.starts_at < (other.ends_at or FOREVER) and other.starts_at < (self.ends_at or FOREVER)


@dataclass
class Incident(Span):
    """One incident that rang, with its transitions in order."""

    told: list[Alert] = field(default_factory=list)

    @property
    def peak(self) -> Alert:
        """The transition with the highest score, and of equals the first."""
        return max(self.told, key=lambda alert: alert.score)


@dataclass
class Spans:
    """Gathers transitions to incidents; one that never fired is none. ``most`` transitions are kept with them."""

    most: int = 0
    _known: dict[str, Incident] = field(default_factory=dict)
    _fired: set[str] = field(default_factory=set)
    _kept: int = 0

    def hear(self, alerts: Iterable[Alert]) -> None:
        """Take down ``alerts``, in the order they were told."""
        for alert in alerts:
            known = self._known.get(alert.alert_id)
            if known is None:
                known = self._known[alert.alert_id] = Incident(alert.series, alert.rule, alert.starts_at)
            known.ends_at = alert.ends_at or known.ends_at
            if self._kept < self.most:
                self._kept += 1
                known.told.append(alert)
            if alert.state == "firing":
                self._fired.add(alert.alert_id)
            elif alert.state == "resolved" and alert.alert_id not in self._fired:
                del self._known[alert.alert_id]

    def all(self) -> dict[str, Incident]:
        """Those that rang, by id; ordered by start, series and rule."""
        found = [(key, one) for key, one in self._known.items() if key in self._fired]
        return dict(sorted(found, key=lambda pair: (pair[1].starts_at, pair[1].series, pair[1].rule)))


@dataclass(frozen=True)
class Outcome:
    """One budget and what would have rung; ``lost`` are incidents of the actual run that nothing here meets."""

    budget: float
    incidents: int
    lost: tuple[Span, ...]
    new: int


class WhatIf:
    """Watchers for each of ``budgets``, fed beside the actual ones."""

    def __init__(self, watch: WatchSettings, rules: Sequence[Rule], partitions: int, budgets: Sequence[float]) -> None:
        self._runs = [
            (
                budget,
                [Watcher(home, watch, with_budget(rules, budget), {}) for home in range(partitions)],
                Spans(),
            )
            for budget in budgets
        ]

    def apply(self, messages: Sequence[Observations]) -> None:
        """One message for each partition."""
        for _, watchers, spans in self._runs:
            for watcher, message in zip(watchers, messages, strict=True):
                spans.hear(watcher.apply(message))

    def outcomes(self, actual: Sequence[Span]) -> list[Outcome]:
        """Let time run out, and compare with what rang ``actual``ly."""
        found = []
        for budget, watchers, spans in self._runs:
            for watcher in watchers:
                spans.hear(watcher.flush())
            rang = list(spans.all().values())
            lost, new = _unmet(actual, rang), _unmet(rang, actual)
            found.append(Outcome(budget, len(rang), tuple(lost), len(new)))
        return found


def _unmet(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    by_series: dict[str, list[Span]] = {}
    for other in others:
        by_series.setdefault(other.series, []).append(other)
    return [one for one in some if not any(one.meets(other) for other in by_series.get(one.series, ()))]


def with_budget(rules: Sequence[Rule], budget: float) -> tuple[Rule, ...]:
    """``rules`` with another budget each."""
    return tuple(rule.model_copy(update={"budget": budget}) for rule in rules)
