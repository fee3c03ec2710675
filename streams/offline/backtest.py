"""``tocsin backtest``: the alerts a history would have raised, by the functions that run live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from streams.alerting import Rule
from streams.errors import InputError
from streams.offline.history import History
from streams.offline.lines import written
from streams.offline.plots import Traces
from streams.offline.report import Totals, html
from streams.offline.whatif import BUDGETS, Outcome, Spans, WhatIf, with_budget
from streams.records import Alert, AlertFeedback, encode
from streams.settings import Settings
from streams.verdicts import last_verdicts, read_feedback
from streams.watch.priming import once_through
from streams.watch.watcher import ClosedWindow, Watcher

DAY_SECONDS = 86_400
MOST_REPORTED = 20_000
"""Transitions kept for the report; the output holds every one."""
MOST_ROWS = 2_000_000
"""Windows kept for its plots."""


def run(
    settings: Settings,
    inputs: Sequence[str],
    output: Path,
    budget: float | None = None,
    report: Path | None = None,
    feedback: Path | None = None,
) -> int:
    """Replay JSONL files and write a line per alert transition to ``output``. Returns 0.

    ``inputs`` are files as :class:`~streams.offline.history.History` takes them. Their lines may be in any order;
    they are replayed by event time. ``budget`` replaces that of every rule. ``report`` is where an HTML page goes,
    which also tells what other budgets would have rung. ``feedback`` holds the feedback topic's messages, a line
    each: what people dismissed was a false alarm. The summary goes to standard error.

    Raises:
        InputError: a file cannot be read or written, or the budget is not positive.
        ModelError: the release cannot be used.
    """
    rules = _at_budget(settings.rules, budget)
    said = [] if feedback is None else _read(feedback)
    history = History(settings, inputs, "replaying")
    traces = Traces(most_rows=MOST_ROWS if report is not None else 0)
    days = settings.watch.window_seconds / DAY_SECONDS

    def listen(window: ClosedWindow) -> None:
        traces.hear(window, days)

    partitions = settings.kafka.observation_partitions
    watchers = [Watcher(home, settings.watch, rules, {}, listener=listen) for home in range(partitions)]
    what_if = WhatIf(settings.watch, rules, partitions, BUDGETS if report is not None else ())
    spans = Spans(most=MOST_REPORTED)
    transitions = 0
    with written(output) as out:
        for alerts in _replay(watchers, what_if, history, settings.watch.count_unknown_language):
            spans.hear(alerts)
            transitions += len(alerts)
            out.writelines(encode(alert) + b"\n" for alert in alerts)
    incidents = spans.all()
    verdicts = [verdict for alert_id, verdict in last_verdicts(said).items() if alert_id in incidents]
    budgets = sorted({rule.budget for rule in rules})
    totals = Totals(
        documents=history.documents,
        errors=history.errors,
        incidents=len(incidents),
        days=traces.days,
        series_days=traces.series_days,
        budget=" and ".join(f"{one:g}" for one in budgets),
        release=history.scorer.release,
        confirmed=None if feedback is None else verdicts.count("confirm"),
        dismissed=None if feedback is None else verdicts.count("dismiss"),
    )
    screen = Console(stderr=True, highlight=False, soft_wrap=True)
    if report is not None:
        outcomes = what_if.outcomes(list(incidents.values()))
        shown = [incident for incident in incidents.values() if incident.told]
        only = budgets[0] if len(budgets) == 1 else None
        with written(report) as page:
            page.write(html(shown, traces, totals, outcomes, settings.watch.window_seconds, only).encode())
        for outcome in outcomes:
            screen.print(_told(outcome, totals))
    screen.print(
        f"{totals.documents} documents, {totals.errors} errors, {transitions} transitions of {totals.incidents} "
        f"incidents: {totals.words}; release {totals.release}"
    )
    return 0


def _at_budget(rules: Sequence[Rule], budget: float | None) -> tuple[Rule, ...]:
    """``rules`` with another budget, or as they are.

    Raises:
        InputError: the budget is not within (0, 10].
    """
    if budget is None:
        return tuple(rules)
    if not 0 < budget <= 10:
        raise InputError(f"a budget of {budget:g} false alarms per series and day is not within 0 and 10")
    return with_budget(rules, budget)


def _read(path: Path) -> list[AlertFeedback]:
    try:
        return read_feedback(path.read_bytes().splitlines())
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc


def _told(outcome: Outcome, totals: Totals) -> str:
    a_day = outcome.incidents / totals.days if totals.days else 0.0
    return (
        f"budget {outcome.budget:g}: {outcome.incidents} incidents, {a_day:.3g} a day, {outcome.new} of them new, "
        f"{len(outcome.lost)} lost"
    )


def _replay(
    watchers: Sequence[Watcher], what_if: WhatIf, history: History, count_unknown_language: bool
) -> Iterator[list[Alert]]:
    """What the watchers say, message by message; at the end their time runs out."""
    for messages in once_through(history, len(watchers), history.languages, count_unknown_language):
        what_if.apply(messages)
        for watcher, message in zip(watchers, messages, strict=True):
            yield watcher.apply(message)
    for watcher in watchers:
        yield watcher.flush()
