"""``tocsin backtest``: the alerts a history would have raised, by the functions that run live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from streams.alerting import Rule
from streams.errors import InputError
from streams.offline.history import History
from streams.offline.lines import written
from streams.offline.report import Totals, Traces, html
from streams.records import Alert, encode
from streams.settings import Settings
from streams.watch.priming import once_through
from streams.watch.watcher import ClosedWindow, Watcher

DAY_SECONDS = 86_400
MOST_REPORTED = 20_000
"""Transitions kept for the report; the output holds every one."""


def run(
    settings: Settings,
    inputs: Sequence[str],
    output: Path,
    budget: float | None = None,
    report: Path | None = None,
) -> int:
    """Replay JSONL files and write a line per alert transition to ``output``. Returns 0.

    ``inputs`` are files as :class:`~streams.offline.history.History` takes them. Their lines may be in any order;
    they are replayed by event time. ``budget`` replaces that of every rule;
    ``report`` is where an HTML page goes. The summary goes to standard error.

    Raises:
        InputError: a file cannot be read or written, or the budget is not positive.
        ModelError: the release cannot be used.
    """
    rules = with_budget(settings.rules, budget)
    history = History(settings, inputs, "replaying")
    traces = Traces(most_rows=2_000_000 if report is not None else 0)
    days = settings.watch.window_seconds / DAY_SECONDS

    def listen(window: ClosedWindow) -> None:
        traces.hear(window, days)

    partitions = settings.kafka.observation_partitions
    watchers = [Watcher(home, settings.watch, rules, {}, listener=listen) for home in range(partitions)]
    told: list[Alert] = []
    fired: set[str] = set()
    transitions = 0
    with written(output) as out:
        for alerts in _replay(watchers, history, settings.watch.count_unknown_language):
            for alert in alerts:
                transitions += 1
                out.write(encode(alert) + b"\n")
                if alert.state == "firing":
                    fired.add(alert.alert_id)
                if len(told) < MOST_REPORTED:
                    told.append(alert)
    budgets = " and ".join(sorted({f"{rule.budget:g}" for rule in rules}))
    totals = Totals(history.documents, history.errors, len(fired), traces.series_days, budgets)
    if report is not None:
        with written(report) as page:
            page.write(html(told, traces, totals).encode())
    Console(stderr=True).print(
        f"{totals.documents} documents, {totals.errors} errors, {transitions} transitions of {totals.incidents} "
        f"incidents; {totals.per_series_day:.4g} incidents per series and day (budget {budgets}), "
        f"release {history.scorer.release}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def with_budget(rules: Sequence[Rule], budget: float | None) -> tuple[Rule, ...]:
    """``rules`` with another budget, or as they are.

    Raises:
        InputError: the budget is not within (0, 10].
    """
    if budget is None:
        return tuple(rules)
    if not 0 < budget <= 10:
        raise InputError(f"a budget of {budget:g} false alarms per series and day is not within 0 and 10")
    return tuple(rule.model_copy(update={"budget": budget}) for rule in rules)


def _replay(watchers: Sequence[Watcher], history: History, count_unknown_language: bool) -> Iterator[list[Alert]]:
    """What the watchers say, message by message; at the end their time runs out."""
    for messages in once_through(history, len(watchers), history.languages, count_unknown_language):
        for watcher, message in zip(watchers, messages, strict=True):
            yield watcher.apply(message)
    for watcher in watchers:
        yield watcher.flush()
