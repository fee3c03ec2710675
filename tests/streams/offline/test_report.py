"""The page tells what rang, draws it, and lets nothing of a document become markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from streams.offline.plots import Traces
from streams.offline.report import Totals, html
from streams.offline.whatif import Incident, Outcome, Span, Spans
from streams.records import Alert, Driver, Evidence, Exemplar, Origin, Term
from streams.watch.watcher import ClosedWindow
from streams.watch.windows import rfc3339
from tests.streams.notify.receiving import transition
from tests.streams.watch.newsroom import DAY, HOUR, MONDAY

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=y>' & <b>"


def alert(**changes: object) -> Alert:
    start = MONDAY + 2 * DAY
    return transition(starts_at=rfc3339(start), ends_at=None, **changes)


def traces(name: str) -> Traces:
    heard = Traces()
    for at in range(3 * 96):
        loud = 2 * 96 <= at < 2 * 96 + 4
        columns = [np.array([value]) for value in (12.0 if loud else 1.0, 15.0 if loud else 5.0, 1.1, 6.0 * loud)]
        heard.hear(ClosedWindow(MONDAY + at * 900_000, 1, [name], *columns), 1 / 96)
    return heard


def page(*alerts: Alert, outcomes: tuple[Outcome, ...] = ()) -> str:
    spans = Spans(most=100)
    spans.hear(alerts)
    heard = traces(alerts[0].series if alerts else "entity:acme")
    totals = Totals(100, 0, len(spans.all()), heard.days, heard.series_days, "0.01", "r1")
    return html(list(spans.all().values()), heard, totals, outcomes, 900, 0.01)


class Tags(HTMLParser):
    """What is markup in a page, and that every element is closed."""

    VOID = frozenset({"meta", "br", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] != tag:
            assert self.open.pop() in {"li", "p"}, tag
        self.open.pop()


def test_nothing_that_a_document_says_becomes_markup() -> None:
    evidence = Evidence(
        sources=(Driver(HOSTILE, 9, 1, 0.9, 0.5),),
        topics=(Driver(HOSTILE, 9, 1, 0.9, 0.5),),
        terms=(Term(HOSTILE, 3, 2),),
    )
    shown = Exemplar(HOSTILE, HOSTILE, HOSTILE, MONDAY, 0.9, 2, Origin("news", 0, 1), 3)
    text = page(
        alert(
            series=f"entity:{HOSTILE}",
            summary=HOSTILE,
            evidence=evidence,
            exemplars=(shown,),
            rule=HOSTILE,
            reason=HOSTILE,
        ),
        outcomes=(Outcome(0.01, 1, (Span(f"entity:{HOSTILE}", "r", rfc3339(MONDAY)),), 0),),
    )
    tags = Tags()
    tags.feed(text)
    assert not tags.seen & {"script", "img", "b2"}
    assert "onerror" not in tags.attributes
    assert "src" not in tags.attributes
    assert not re.search(r"(?:src|href)\s*=", text.replace("src=x", ""))


def test_every_element_is_closed_and_nothing_is_fetched() -> None:
    text = page(alert(), outcomes=(Outcome(0.1, 3, (), 2), Outcome(0.01, 1, (), 0)))
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert set(tags.open) <= {"html", "body", "main", "p", "li"}
    assert "url(" not in text
    assert "@import" not in text


def test_an_incident_is_drawn_in_its_lane_in_the_whole_history_and_from_near() -> None:
    text = page(alert(series="entity:acme"))
    for label in (
        "incidents over time",
        "negative stories in the whole history",
        "the incident and the hours about it",
    ):
        assert f"aria-label='{label}'" in text
    assert "12 of 15 negative, 1.1 expected" in text
    assert all(part in text for part in ("rarity", "class=threshold")) or "rings at" in text


def test_coordinates_stay_on_the_drawing() -> None:
    text = page(alert(series="entity:acme"), alert(series="entity:acme", state="resolved", sequence=2))
    for found in re.findall(r"<(?:rect|circle)[^>]* (?:x|cx)=(-?[\d.]+)", text):
        assert -60 <= float(found) <= 1000


@pytest.mark.parametrize(
    ("first", "second", "meets"),
    [
        ((0, 2), (1, 3), True),
        ((0, 1), (1, 3), False),
        ((0, None), (5, 6), True),
        ((0, 9), (2, 3), True),
    ],
)
def test_incidents_meet_when_they_share_time(
    first: tuple[int, int | None], second: tuple[int, int], meets: bool
) -> None:
    def span(hours: tuple[int, int | None]) -> Span:
        end = None if hours[1] is None else rfc3339(MONDAY + hours[1] * HOUR)
        return Span("entity:acme", "r", rfc3339(MONDAY + hours[0] * HOUR), end)

    assert span(first).meets(span(second)) is meets
    assert span(second).meets(span(first)) is meets
    assert not span(first).meets(Span("entity:other", "r", rfc3339(MONDAY)))


def test_what_lapsed_before_it_fired_is_no_incident() -> None:
    spans = Spans(most=10)
    spans.hear([alert(state="pending", sequence=0), alert(state="resolved", reason="lapsed", sequence=1)])
    assert spans.all() == {}
    spans.hear([alert(alert_id="b")])
    [incident] = spans.all().values()
    assert isinstance(incident, Incident)
    assert incident.peak.alert_id == "b"
