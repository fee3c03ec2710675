"""The HTML report of a backtest: one file, no script, nothing fetched; every text from outside is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape

import numpy as np

from streams.records import Alert
from streams.watch.lifecycle import HOUR_MS
from streams.watch.watcher import ClosedWindow
from streams.watch.windows import rfc3339

MOST_PLOTS = 40
WIDTH, HEIGHT, MARGIN = 860, 150, 34
BINS = 420
"""Columns of a plot: longer histories are drawn by the largest window of each column."""


@dataclass
class Trace:
    """The windows of one series in which it was heard: start (ms), negatives, total, expected, score."""

    rows: list[tuple[int, float, float, float, float]] = field(default_factory=list)


@dataclass
class Traces:
    """Listens to watchers and keeps what the plots need: windows with documents, per series, the first so many."""

    most_rows: int = 2_000_000
    series: dict[str, Trace] = field(default_factory=dict)
    series_days: float = 0.0
    _rows: int = 0

    def hear(self, window: ClosedWindow, days: float) -> None:
        """Take down one closed window of ``days`` days."""
        self.series_days += days * window.series
        if self._rows >= self.most_rows:
            return
        for slot in np.flatnonzero(window.total).tolist():
            name = window.names[slot]
            if name is None:
                continue
            self._rows += 1
            self.series.setdefault(name, Trace()).rows.append(
                (
                    window.start_ms,
                    float(window.negative[slot]),
                    float(window.total[slot]),
                    float(window.expected[slot]),
                    float(window.score[slot]),
                )
            )


@dataclass(frozen=True)
class Totals:
    """What the summary line says."""

    documents: int
    errors: int
    incidents: int
    series_days: float
    budget: str

    @property
    def per_series_day(self) -> float:
        """Incidents that fired, per series and day watched."""
        return self.incidents / self.series_days if self.series_days else 0.0


def html(alerts: Sequence[Alert], traces: Traces, totals: Totals) -> str:
    """The page."""
    fired: dict[str, list[Alert]] = {}
    for alert in alerts:
        fired.setdefault(alert.alert_id, []).append(alert)
    incidents = [told for told in fired.values() if any(alert.state == "firing" for alert in told)]
    incidents.sort(key=lambda told: (-max(alert.score for alert in told), told[0].series))
    by_series: dict[str, list[list[Alert]]] = {}
    for told in incidents:
        by_series.setdefault(told[0].series, []).append(told)
    sections = [
        _section(series, told, traces.series.get(series, Trace()))
        for series, told in list(by_series.items())[:MOST_PLOTS]
    ]
    more = len(by_series) - len(sections)
    rest = f"<p class=quiet>{more} more series rang; the JSON lines hold them all.</p>" if more > 0 else ""
    nothing = "" if sections else "<p class=quiet>Nothing rang.</p>"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>tocsin backtest</title><style>{STYLE}</style>"
        f"<main><h1>What would have rung</h1>{_summary(totals, len(by_series))}{nothing}{''.join(sections)}{rest}"
        "</main></html>\n"
    )


def _summary(totals: Totals, series: int) -> str:
    facts = [
        (f"{totals.documents:,}", "documents"),
        (f"{totals.incidents:,}", f"incidents in {series:,} series"),
        (f"{totals.per_series_day:.2g}", f"incidents per series and day; budget {escape(totals.budget)} false ones"),
        (f"{totals.errors:,}", "lines that could not be read"),
    ]
    return "<dl>" + "".join(f"<div><dt>{value}</dt><dd>{label}</dd></div>" for value, label in facts) + "</dl>"


def _section(series: str, incidents: list[list[Alert]], trace: Trace) -> str:
    told = "".join(_incident(alerts) for alerts in sorted(incidents, key=lambda alerts: alerts[0].starts_at))
    return f"<section><h2>{escape(series)}</h2>{_plot(trace, incidents)}{told}</section>"


def _incident(alerts: list[Alert]) -> str:
    peak = max(alerts, key=lambda alert: alert.score)
    end = next((alert.ends_at for alert in alerts if alert.ends_at), None)
    quotes = "".join(
        f"<li>{escape(e.title)} <span>{escape(e.source or e.id)}"
        f"{f', {e.copies} copies' if e.copies else ''}, p {e.p_negative:.2f}</span></li>"
        for e in peak.exemplars
    )
    return (
        f"<article><h3>{escape(peak.starts_at)} to {escape(end or 'the end of the input')}</h3>"
        f"<p>{escape(peak.summary)} Score {peak.score:.1f}, threshold {peak.threshold:.1f}.</p>"
        f"<ul>{quotes}</ul></article>"
    )


def _plot(trace: Trace, incidents: list[list[Alert]]) -> str:
    """Negatives per window as columns, what was expected as a line, incidents as bands."""
    if not trace.rows:
        return ""
    first, last = trace.rows[0][0], max(trace.rows[-1][0], trace.rows[0][0] + HOUR_MS)
    step = (last - first) / BINS
    top = np.zeros(BINS + 1)
    expected = np.zeros(BINS + 1)
    for start, negative, _, mu, _ in trace.rows:
        column = int((start - first) / step)
        top[column] = max(top[column], negative)
        expected[column] = max(expected[column], mu)
    highest = max(float(top.max()), float(expected.max()), 1.0)
    wide, high = WIDTH - 2 * MARGIN, HEIGHT - MARGIN

    def x(ms: float) -> float:
        return MARGIN + wide * (ms - first) / (last - first)

    def y(count: float) -> float:
        return 10 + (high - 10) * (1 - count / highest)

    bands = "".join(_band(alerts, x, high, last) for alerts in incidents)
    columns = "".join(
        f"<path d='M{x(first + k * step):.1f} {high}V{y(count):.1f}'/>" for k, count in enumerate(top) if count
    )
    usual = [(k, mu) for k, mu in enumerate(expected) if mu]
    line = " ".join(f"{x(first + k * step):.1f},{y(mu):.1f}" for k, mu in usual)
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='negative stories per window'>"
        f"{bands}<g class=count>{columns}</g><polyline points='{line}'/>"
        f"<text x=0 y=16>{highest:.0f}</text><text x=0 y={high}>0</text>"
        f"<text x={MARGIN} y={HEIGHT - 12}>{rfc3339(first)[:10]}</text>"
        f"<text x={WIDTH - MARGIN} y={HEIGHT - 12} text-anchor=end>{rfc3339(last)[:10]}</text></svg>"
    )


def _band(alerts: Iterable[Alert], x: Callable[[float], float], high: int, last: int) -> str:
    told = list(alerts)
    ends = [_ms(alert.ends_at) for alert in told if alert.ends_at]
    left = x(_ms(told[0].starts_at))
    right = max(x(min(ends[-1] if ends else last, last)), left + 2)
    return f"<rect x='{left:.1f}' y=4 width='{right - left:.1f}' height='{high - 4}'/>"


def _ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


STYLE = """
:root{color-scheme:light dark;--ink:light-dark(#1c2733,#e6e9ec);--soft:light-dark(#6b7785,#93a0ad);
--paper:light-dark(#fbfaf7,#14191f);--card:light-dark(#fff,#1b222a);--bell:#c8452f;--usual:#3f7cac}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:900px;margin:0 auto;padding:2rem 1rem}
h1{font-size:1.7rem;margin:0 0 1rem}h2{font-size:1.1rem;margin:0 0 .4rem;overflow-wrap:anywhere}
h3{font-size:.85rem;color:var(--soft);margin:.8rem 0 0;font-weight:600}
dl{display:flex;flex-wrap:wrap;gap:1rem 2.5rem;margin:0 0 2rem}dt{font-size:1.5rem;font-weight:600}
dd{margin:0;color:var(--soft);font-size:.85rem}
section{background:var(--card);border-radius:10px;padding:1rem 1.2rem;margin:0 0 1.2rem}
p{margin:.2rem 0}ul{margin:.3rem 0;padding-left:1.1rem}li{overflow-wrap:anywhere}
li span,.quiet{color:var(--soft);font-size:.85rem}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}
.count path{stroke:var(--ink);stroke-width:1.6;opacity:.75}polyline{fill:none;stroke:var(--usual);stroke-width:1.6}
rect{fill:var(--bell);opacity:.22}
"""
