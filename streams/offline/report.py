"""The HTML report of a backtest: one file, no script, nothing fetched; every text from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from streams.offline.plots import Traces, around, curve, lanes, ms, when, whole
from streams.offline.style import STYLE
from streams.offline.whatif import Incident, Outcome
from streams.records import Driver, Exemplar
from streams.watch.words import spoken

MOST_SERIES, MOST_PER_SERIES = 40, 6
MOST_LOST = 12


@dataclass(frozen=True)
class Totals:
    """What the summary says; ``confirmed`` and ``dismissed`` are ``None`` where nobody judged."""

    documents: int
    errors: int
    incidents: int
    days: float
    series_days: float
    budget: str
    release: str
    confirmed: int | None = None
    dismissed: int | None = None

    @property
    def per_day(self) -> float:
        """Incidents that fired, a day."""
        return self.incidents / self.days if self.days else 0.0

    @property
    def per_series_day(self) -> float:
        """Incidents that fired, per series and day watched."""
        return self.incidents / self.series_days if self.series_days else 0.0

    @property
    def false_per_day(self) -> float | None:
        """False alarms a day, as people judged them."""
        return None if self.dismissed is None or not self.days else self.dismissed / self.days

    @property
    def words(self) -> str:
        """How often it rang, and how much of that was false where that is known."""
        said = f"{self.per_day:.3g} a day, {self.per_series_day:.3g} per series and day (budget {self.budget})"
        if self.dismissed is None or self.false_per_day is None:
            return said
        per_series = self.dismissed / self.series_days if self.series_days else 0.0
        return (
            f"{said}; judged: {self.confirmed} right, {self.dismissed} false, which is {self.false_per_day:.3g} "
            f"false alarms a day and {per_series:.3g} per series and day"
        )


def html(
    incidents: Sequence[Incident],
    traces: Traces,
    totals: Totals,
    outcomes: Sequence[Outcome] = (),
    window_seconds: int = 900,
    budget: float | None = None,
) -> str:
    """The page. ``budget`` is that of the actual run, where all rules share one."""
    by_series: dict[str, list[Incident]] = {}
    for incident in sorted(incidents, key=lambda one: (-one.peak.score, one.series)):
        by_series.setdefault(incident.series, []).append(incident)
    shown = list(by_series.items())[:MOST_SERIES]
    sections = "".join(_section(name, rang, traces, window_seconds * 1000) for name, rang in shown)
    hidden = len(by_series) - len(shown)
    rest = f"<p class=quiet>{hidden} more series rang; the JSON lines hold them all.</p>" if hidden > 0 else ""
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'><title>tocsin backtest</title>"
        f"<style>{STYLE}</style></head><body><main>{_head(totals, len(by_series), traces)}"
        f"{_overview(incidents, traces)}{_what_if(outcomes, totals, budget)}{sections}{rest}"
        "<footer>Times are UTC. Columns are windows of event time; a score is &minus;log<sub>10</sub> of how likely "
        "chance alone does as much.</footer></main></body></html>\n"
    )


def _head(totals: Totals, series: int, traces: Traces) -> str:
    span = "" if traces.first_ms is None else f"{when(traces.first_ms)[:-7]} to {when(traces.last_ms)[:-7]}"
    facts = [
        (f"{totals.incidents:,}", f"incident{'s' if totals.incidents != 1 else ''} in {series:,} series"),
        (f"{totals.per_day:.2g}", "a day"),
        (f"{totals.per_series_day:.2g}", f"per series and day; the budget is {escape(totals.budget)} false ones"),
        (f"{totals.documents:,}", "documents" + (f", {totals.errors:,} lines unread" if totals.errors else "")),
    ]
    if totals.dismissed is not None and totals.false_per_day is not None:
        facts.insert(2, (f"{totals.false_per_day:.2g}", f"false a day: {totals.dismissed} of {_judged(totals)} judged"))
    told = "".join(f"<div><dt>{value}</dt><dd>{label}</dd></div>" for value, label in facts)
    note = (
        ""
        if totals.dismissed is not None
        else "<p class=quiet>Nobody judged these alerts: how many are false is not known.</p>"
    )
    return (
        f"<header><p class=eyebrow>tocsin backtest</p><h1>What would have rung</h1>"
        f"<p class=quiet>{span} &middot; release {escape(totals.release)}</p><dl>{told}</dl>{note}</header>"
    )


def _judged(totals: Totals) -> int:
    return (totals.confirmed or 0) + (totals.dismissed or 0)


def _overview(incidents: Sequence[Incident], traces: Traces) -> str:
    if not incidents or traces.first_ms is None:
        return "<section><p class=quiet>Nothing rang.</p></section>"
    drawn = lanes(incidents, traces.first_ms, max(traces.last_ms, traces.first_ms + 1))
    legend = "The loudest series first; critical in red, warnings in gold, info in blue."
    return f"<section><h2>When it rang</h2>{drawn}<p class=quiet>{legend}</p></section>"


def _what_if(outcomes: Sequence[Outcome], totals: Totals, budget: float | None) -> str:
    if not outcomes:
        return ""
    rows = "".join(
        f"<tr><td>{one.budget:g}</td><td>{one.incidents:,}</td><td>{_part(one.incidents, totals.days)}</td>"
        f"<td>{_part(one.incidents, totals.series_days)}</td><td>{one.new or '&ndash;'}</td><td>{_lost(one)}</td></tr>"
        for one in outcomes
    )
    return (
        "<section><h2>What if the budget were another?</h2>"
        f"{curve(outcomes, totals.days, totals.series_days, budget)}"
        "<div class=wide tabindex=0><table><thead><tr>"
        "<th>budget</th><th>incidents</th><th>a day</th><th>per series and day</th><th>new</th>"
        f"<th>lost of these {totals.incidents:,}</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _part(count: int, whole: float) -> str:
    return f"{count / whole if whole else 0:.2g}"


def _lost(outcome: Outcome) -> str:
    if not outcome.lost:
        return "none"
    named = "".join(
        f"<li>{escape(spoken(one.series))} <span>{when(ms(one.starts_at))}</span></li>"
        for one in outcome.lost[:MOST_LOST]
    )
    more = len(outcome.lost) - MOST_LOST
    rest = f"<li>and {more:,} more</li>" if more > 0 else ""
    return f"<details><summary>{len(outcome.lost):,}</summary><ul>{named}{rest}</ul></details>"


def _section(series: str, incidents: Sequence[Incident], traces: Traces, size_ms: int) -> str:
    trace = traces.series.get(series)
    loudest = list(incidents[:MOST_PER_SERIES])
    told = "".join(
        _incident(one, "" if trace is None else around(trace, one, size_ms))
        for one in sorted(loudest, key=lambda one: one.starts_at)
    )
    more = len(incidents) - len(loudest)
    rest = f"<p class=quiet>{more} quieter incidents of this series are in the JSON lines.</p>" if more > 0 else ""
    strip = "" if trace is None else whole(trace, incidents)
    return f"<section><h2>{escape(spoken(series))} <code>{escape(series)}</code></h2>{strip}{told}{rest}</section>"


def _incident(incident: Incident, plot: str) -> str:
    peak = incident.peak
    last = incident.told[-1]
    end = when(ms(incident.ends_at)) if incident.ends_at else "the end of the input"
    why = {"level_shift": "accepted as the new level", "rule_changed": "its rule was changed"}.get(last.reason, "")
    evidence = peak.evidence
    facts = [
        f"<b>{peak.score:.1f}</b> score, rings at {peak.threshold:.1f}",
        f"<b>{peak.observed:.0f}</b> of {peak.total:.0f} negative, "
        f"usually {evidence.expected_low} to {evidence.expected_high}",
        f"<b>{peak.share:.0%}</b> share, usually {peak.baseline_share:.0%}",
    ]
    facts += [text for text in (why, "flapping" if peak.flapping else "") if text]
    chips = [
        *(_chip("source", one) for one in evidence.sources),
        *(_chip("topic", one) for one in evidence.topics),
        *(f"<i class=term>{escape(term.term)}</i>" for term in evidence.terms),
    ]
    quotes = "".join(_quote(exemplar) for exemplar in peak.exemplars)
    return (
        f"<article><h3><span class='badge {escape(peak.severity)}'>{escape(peak.rule)}</span> "
        f"{when(ms(incident.starts_at))} <span>to {end}</span></h3>{plot}"
        f"<p>{escape(peak.summary)}</p><p class=facts>{''.join(f'<span>{fact}</span>' for fact in facts)}</p>"
        f"<p class=chips>{''.join(chips)}</p><ol class=quotes>{quotes}</ol></article>"
    )


def _chip(kind: str, driver: Driver) -> str:
    share = f"{driver.observed:.0f}, {driver.expected:.1f} expected; explains {driver.power:.0%}"
    return f"<i class={kind} title='{share}'>{escape(driver.name)} <b>{driver.observed:.0f}</b></i>"


def _quote(exemplar: Exemplar) -> str:
    notes = [escape(exemplar.source or exemplar.id), f"negative {exemplar.p_negative:.0%}"]
    notes += [f"{exemplar.copies} copies"] if exemplar.copies else []
    notes += [f"{exemplar.similar} more like it"] if exemplar.similar else []
    return f"<li>{escape(exemplar.title)} <span>{' &middot; '.join(notes)}</span></li>"
