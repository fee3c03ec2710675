"""The verdict of the demo: pure, and hard to please."""

from __future__ import annotations

from collections import Counter

from streams.demo.sample import SampleRecord
from streams.demo.verdict import Tally, judge, lines
from streams.records import Alert, AlertState, Exemplar, Origin, Window

SENT = [
    *(SampleRecord("reviews", n, f"r{n}", b"{}", "recall", "ovenna") for n in range(5)),
    *(SampleRecord("news", n, f"l{n}", b"{}", "launch", "corvane") for n in range(5)),
    *(SampleRecord("news", n, f"b{n}", b"{}") for n in range(5)),
    SampleRecord("news", 9, "m0", b"", "malformed"),
]


def alert(series: str, about: str, state: AlertState = "firing", incident: str = "") -> Alert:
    exemplars = tuple(Exemplar(f"{about}{n}", "title", "paper", n, 0.9, 0, Origin("news", 0, n)) for n in range(3))
    window = Window("2026-03-17T08:00:00Z", "2026-03-17T08:15:00Z", 900)
    return Alert(
        incident or f"{series}{about}", f"{series}{about}{state}", 1, "negative-spike", "1", series, state, "warning",
        window.start, None, window, 6, 0.1, 7, 0.9, 0.2, 8.0, 4.0, exemplars,
    )  # fmt: skip


def tally(*transitions: Alert, without: str = "") -> Tally:
    scored = Counter({record.id: 1 for record in SENT if record.story != "malformed" and record.id != without})
    return Tally(scored, Counter({"m0": 1}), transitions=list(transitions))


def test_ringing_for_the_crisis_alone_is_good() -> None:
    assert judge(SENT, tally(alert("entity:ovenna", "r"))).good


def test_silence_is_not_good() -> None:
    assert not judge(SENT, tally()).good


def test_a_pending_alert_has_not_rung() -> None:
    lapsed = [alert("entity:ovenna", "r", state, "i1") for state in ("pending", "resolved")]
    assert not judge(SENT, tally(*lapsed)).good


def test_ringing_for_the_launch_is_not_good_whatever_it_quotes() -> None:
    rung = tally(alert("entity:ovenna", "r"), alert("entity:corvane|topic:Markets", "r"))
    verdict = judge(SENT, rung)
    assert not verdict.good
    assert any("RANG, WRONGLY" in line for line in lines(SENT, rung, verdict))


def test_a_topic_that_rings_because_of_the_crisis_rings_rightly() -> None:
    verdict = judge(SENT, tally(alert("topic:Company | Product News", "r")))
    assert [a.series for a in verdict.rightful] == ["topic:Company | Product News"]


def test_a_topic_that_rings_because_of_the_launch_rings_wrongly() -> None:
    assert not judge(SENT, tally(alert("entity:ovenna", "r"), alert("stream:news", "l"))).good


def test_a_false_alarm_of_the_background_is_told_and_not_held_against_the_budget() -> None:
    rung = tally(alert("entity:ovenna", "r"), alert("entity:merrowind", "b"))
    verdict = judge(SENT, rung)
    assert verdict.good
    assert any("false alarm" in line and "merrowind" in line for line in lines(SENT, rung, verdict))


def test_one_incident_counts_once() -> None:
    states = [alert("entity:ovenna", "r", state, "i1") for state in ("pending", "firing", "recovering", "resolved")]
    assert len(judge(SENT, tally(*states)).rightful) == 1


def test_a_lost_record_is_not_good_and_is_counted() -> None:
    verdict = judge(SENT, tally(alert("entity:ovenna", "r"), without="b3"))
    assert (verdict.lost, verdict.good) == (1, False)


def test_a_record_both_scored_and_dead_is_not_good() -> None:
    counted = tally(alert("entity:ovenna", "r"))
    counted.dead["b1"] += 1
    assert not judge(SENT, counted).good


def test_a_record_written_twice_is_told_but_is_no_loss() -> None:
    counted = tally(alert("entity:ovenna", "r"))
    counted.scored["b1"] += 1
    verdict = judge(SENT, counted)
    assert (verdict.repeated, verdict.good) == (1, True)
