"""The drawings of a backtest's report, as SVG. Colours are classes, so that the page's light and dark hold here too."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

import numpy as np

from streams.offline.whatif import Incident, Outcome
from streams.watch.lifecycle import DAY_MS, HOUR_MS
from streams.watch.watcher import ClosedWindow
from streams.watch.words import spoken

WIDTH, LEFT, RIGHT = 940, 44, 12
COLUMNS = 460
"""Columns of the plot of a whole history: the largest window of each is drawn."""
BEFORE_MS, AFTER_MS = 18 * HOUR_MS, 8 * HOUR_MS
MOST_LANES = 18
ROW = tuple[int, float, float, float, float]
"""Start (ms), negative stories, all stories, expected negatives, score."""


@dataclass
class Trace:
    """The windows of one series in which it was heard, in order."""

    rows: list[ROW] = field(default_factory=list)


@dataclass
class Traces:
    """Listens to watchers and keeps what the plots need: windows with documents, per series, the first so many."""

    most_rows: int = 2_000_000
    series: dict[str, Trace] = field(default_factory=dict)
    series_days: float = 0.0
    first_ms: int | None = None
    last_ms: int = 0
    _rows: int = 0

    def hear(self, window: ClosedWindow, days: float) -> None:
        """Take down one closed window of ``days`` days."""
        self.series_days += days * window.series
        self.first_ms = window.start_ms if self.first_ms is None else min(self.first_ms, window.start_ms)
        self.last_ms = max(self.last_ms, window.start_ms + round(days * DAY_MS))
        if self._rows >= self.most_rows:
            return
        columns = (window.negative, window.total, window.expected, window.score)
        for slot in np.flatnonzero(window.total).tolist():
            name = window.names[slot]
            if name is not None:
                self._rows += 1
                negative, total, expected, score = (float(column[slot]) for column in columns)
                self.series.setdefault(name, Trace()).rows.append((window.start_ms, negative, total, expected, score))

    @property
    def days(self) -> float:
        """Days from the first window to the end of the last."""
        return (self.last_ms - self.first_ms) / DAY_MS if self.first_ms is not None else 0.0


Scale = Callable[[float], float]


def lanes(incidents: Sequence[Incident], first: int, last: int) -> str:
    """Every incident as a bar in time, a lane for each of the loudest series."""
    loudest: dict[str, float] = {}
    for incident in incidents:
        series = incident.told[0].series
        loudest[series] = max(loudest.get(series, 0.0), incident.peak.score)
    names = sorted(loudest, key=lambda name: (-loudest[name], name))[:MOST_LANES]
    step, left = 22, 250
    height = step * len(names) + 30
    x = _linear(first, last, left, WIDTH - RIGHT)
    body = [_days(first, last, x, height - 24)]
    for lane, name in enumerate(names):
        y = 8 + lane * step
        body.append(
            f"<text x={left - 10} y={y + 11} text-anchor=end class=lane>{escape(_cut(spoken(name), 34))}</text>"
        )
        body.append(f"<path class=rule d='M{left} {y + 7.5}H{WIDTH - RIGHT}'/>")
        for incident in incidents:
            if incident.told[0].series == name:
                begin, end = ms(incident.starts_at), ms(incident.ends_at) if incident.ends_at else last
                wide = max(x(end) - x(begin), 4)
                body.append(
                    f"<rect class='bar {escape(incident.told[0].severity)}' x={x(begin):.1f} y={y + 1} "
                    f"width={wide:.1f} height=13 rx=3><title>{escape(incident.peak.summary)}</title></rect>"
                )
    return _svg(height, "incidents over time", body)


def curve(outcomes: Sequence[Outcome], days: float, series_days: float, actual: float | None) -> str:
    """Incidents a day at each budget, beside the false alarms that the budget allows."""
    rows = [(one.budget, one.incidents / days) for one in outcomes if days > 0]
    if not rows:
        return ""
    allowed = [(budget, budget * series_days / days) for budget, _ in rows]
    values = [value for _, value in [*rows, *allowed] if value > 0] or [1.0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 0.05)
    budgets = [math.log10(budget) for budget, _ in rows]
    height, top, bottom = 230, 14, 34
    x = _linear(min(budgets) - 0.25, max(budgets) + 0.25, LEFT + 10, WIDTH - 150)
    y = _linear(low, max(high, low + 1), height - bottom, top)

    def line(points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{x(math.log10(b)):.1f},{y(math.log10(max(v, 10.0**low))):.1f}" for b, v in points)

    body = []
    for power in range(low, max(high, low + 1) + 1):
        body.append(f"<path class=rule d='M{LEFT + 10} {y(power):.1f}H{WIDTH - 150}'/>")
        body.append(f"<text x={LEFT + 4} y={y(power) + 4:.1f} text-anchor=end>{10.0**power:g}</text>")
    body.append(f"<polyline class=allowed points='{line(allowed)}'/><polyline class=rang points='{line(rows)}'/>")
    for budget, value in rows:
        at, here = x(math.log10(budget)), " here" if actual is not None and math.isclose(budget, actual) else ""
        body.append(f"<text x={at:.1f} y={height - 14} text-anchor=middle>{budget:g}</text>")
        up = y(math.log10(max(value, 10.0**low)))
        body.append(f"<circle class='dot{here}' cx={at:.1f} cy={up:.1f} r=5><title>{value:.3g} a day</title></circle>")
    for label, points, name in (("rang", rows, "rang"), ("false at most", allowed, "allowed")):
        end = y(math.log10(max(points[0][1], 10.0**low)))
        body.append(f"<text x={WIDTH - 142} y={end + 4:.1f} class='{name} name'>{label}, a day</text>")
    return _svg(height, "incidents a day by budget", body)


def whole(trace: Trace, incidents: Sequence[Incident]) -> str:
    """The whole history of a series in one narrow strip: the most negative window of each column, and the incidents."""
    if not trace.rows:
        return ""
    first, last = trace.rows[0][0], max(trace.rows[-1][0], trace.rows[0][0] + HOUR_MS)
    tops = np.zeros(COLUMNS + 1)
    for start, negative, *_ in trace.rows:
        column = int((start - first) / (last - first) * COLUMNS)
        tops[column] = max(tops[column], negative)
    height = 74
    x = _linear(first, last, LEFT, WIDTH - RIGHT)
    y = _linear(0, max(float(tops.max()), 1.0), height - 20, 6)
    per_column = (last - first) / COLUMNS
    columns = "".join(
        f"M{x(first + k * per_column):.1f} {y(0):.1f}V{y(count):.1f}" for k, count in enumerate(tops) if count
    )
    body = [_bands(incidents, x, 4, height - 20, last), f"<path class=columns d='{columns}'/>"]
    body += [_days(first, last, x, height - 18), _ends(y, max(float(tops.max()), 1.0))]
    return _svg(height, "negative stories in the whole history", body)


def around(trace: Trace, incident: Incident, size_ms: int) -> str:
    """An incident and the hours about it: counts against the expected, share against the usual, and the score."""
    begin = ms(incident.starts_at)
    end = ms(incident.ends_at) if incident.ends_at else max(ms(alert.window.end) for alert in incident.told)
    first, last = begin - BEFORE_MS, end + AFTER_MS
    rows = [row for row in trace.rows if first - size_ms < row[0] < last]
    if not rows:
        return ""
    x = _linear(first, last, LEFT, WIDTH - RIGHT)
    body = [_bands([incident], x, 4, 238, last)]
    body += _counts(rows, x, size_ms)
    body += _shares(rows, x, size_ms, incident)
    body += _scores(rows, x, size_ms, incident)
    for alert in incident.told:
        at = ms(alert.window.end)
        if alert.state in ("firing", "resolved") and first <= at <= last and alert.reason != "stronger":
            body.append(f"<path class=moment d='M{x(at):.1f} 4V238'><title>{escape(alert.state)}</title></path>")
    body.append(_hours(first, last, x, 240))
    return _svg(262, "the incident and the hours about it", body)


def _counts(rows: Sequence[ROW], x: Scale, size_ms: int) -> list[str]:
    highest = max(1.0, *(row[1] for row in rows), *(row[3] for row in rows))
    y = _linear(0, highest, 122, 10)
    wide = max(x(rows[0][0] + size_ms) - x(rows[0][0]) - 0.8, 0.8)
    columns = [
        f"<rect class=negative x={x(start):.1f} y={y(negative):.1f} width={wide:.1f} height={122 - y(negative):.1f}>"
        f"<title>{when(start)}: {negative:.0f} of {total:.0f} negative, {expected:.1f} expected</title></rect>"
        for start, negative, total, expected, _ in rows
        if negative
    ]
    usual = " ".join(f"{x(start + size_ms / 2):.1f},{y(expected):.1f}" for start, _, _, expected, _ in rows)
    label = "<text class=panel x=50 y=18>negative stories in a window, and expected</text>"
    return [*columns, f"<polyline class=usual points='{usual}'/>", _ends(y, highest), label]


def _shares(rows: Sequence[ROW], x: Scale, size_ms: int, incident: Incident) -> list[str]:
    y = _linear(0, 1, 182, 136)
    usual = y(min(1.0, max(0.0, incident.peak.baseline_share)))
    dots = [
        f"<circle class=share cx={x(start + size_ms / 2):.1f} cy={y(negative / total):.1f} "
        f"r={min(5.0, 1.2 + math.sqrt(total) / 2):.1f}><title>{negative / total:.0%} of {total:.0f}</title></circle>"
        for start, negative, total, _, _ in rows
        if total
    ]
    line = f"<path class=usual d='M{LEFT} {usual:.1f}H{WIDTH - RIGHT}'/>"
    return [line, *dots, _ends(y, 1.0, "{:.0%}"), "<text class=panel x=50 y=144>share</text>"]


def _scores(rows: Sequence[ROW], x: Scale, size_ms: int, incident: Incident) -> list[str]:
    threshold = incident.peak.threshold
    highest = max(threshold * 1.3, *(min(row[4], 40.0) for row in rows))
    y = _linear(0, highest, 238, 196)
    at = y(threshold)
    area = "".join(
        f"M{x(start):.1f} 238V{y(min(score, 40.0)):.1f}H{x(start + size_ms):.1f}V238Z"
        for start, _, _, _, score in rows
        if score
    )
    bar = f"<path class=threshold d='M{LEFT} {at:.1f}H{WIDTH - RIGHT}'/>"
    name = f"<text x={LEFT - 6} y={at + 4:.1f} text-anchor=end class=threshold-name>{threshold:.1f}</text>"
    return [f"<path class=score d='{area}'/>", bar, name, "<text class=panel x=50 y=204>score, and threshold</text>"]


def _bands(incidents: Iterable[Incident], x: Scale, top: float, bottom: float, last: int) -> str:
    drawn = []
    for incident in incidents:
        begin = x(ms(incident.starts_at))
        end = x(min(ms(incident.ends_at), last) if incident.ends_at else last)
        wide = max(end - begin, 2)
        drawn.append(f"<rect class=band x={begin:.1f} y={top} width={wide:.1f} height={bottom - top} rx=2 />")
    return "".join(drawn)


def _days(first: int, last: int, x: Scale, y: float) -> str:
    span = (last - first) / DAY_MS
    step = next((days for days in (1, 2, 7, 14, 30, 91, 182, 365) if span / days <= 10), 730) * DAY_MS
    ticks = range(first - first % DAY_MS + DAY_MS, last, step)
    form = "%b %-d" if span < 300 else "%b %Y"
    return "".join(_tick(x(at), y, moment(at).strftime(form)) for at in ticks)


def _hours(first: int, last: int, x: Scale, y: float) -> str:
    step = next((h for h in (1, 2, 3, 6, 12, 24, 48) if (last - first) / (h * HOUR_MS) <= 11), 96) * HOUR_MS
    ticks = range(first - first % step + step, last, step)
    return "".join(
        _tick(x(at), y, moment(at).strftime("%b %-d" if at % DAY_MS == 0 else "%H:%M"), strong=at % DAY_MS == 0)
        for at in ticks
    )


def _tick(x: float, y: float, text: str, strong: bool = False) -> str:
    kind = " class=strong" if strong else ""
    return f"<path class=rule d='M{x:.1f} {y}v4'/><text x={x:.1f} y={y + 15} text-anchor=middle{kind}>{text}</text>"


def _ends(y: Scale, highest: float, form: str = "{:.0f}") -> str:
    return "".join(
        f"<text x={LEFT - 6} y={y(value) + 4:.1f} text-anchor=end>{form.format(value)}</text>" for value in (0, highest)
    )


def _linear(low: float, high: float, start: float, end: float) -> Scale:
    span = high - low or 1.0
    return lambda value: start + (end - start) * (value - low) / span


def _svg(height: int, label: str, body: Iterable[str]) -> str:
    drawn = f"<svg viewBox='0 0 {WIDTH} {height}' role=img aria-label='{label}'>{''.join(body)}</svg>"
    return f"<div class=wide tabindex=0>{drawn}</div>"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def ms(text: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 time."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def moment(at_ms: float) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def when(at_ms: float) -> str:
    """A moment for people.

    >>> when(1_700_000_000_000)
    '14 Nov 2023, 22:13'
    """
    return moment(at_ms).strftime("%-d %b %Y, %H:%M")
