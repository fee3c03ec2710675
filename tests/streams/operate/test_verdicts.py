"""How verdicts of people become a precision."""

from __future__ import annotations

import pytest

from streams.errors import InputError
from streams.operate.verdicts import Record, find, judged
from streams.records import AlertFeedback, Verdict
from tests.streams.notify.receiving import transition


def word(alert_id: str, verdict: Verdict, at_ms: int) -> AlertFeedback:
    return AlertFeedback(alert_id, verdict, "ann", "", at_ms)


def test_of_several_verdicts_the_last_counts_and_an_acknowledgement_is_none() -> None:
    alerts = [transition(alert_id=name) for name in "abc"]
    said = [word("a", "dismiss", 1), word("a", "confirm", 3), word("a", "dismiss", 2), word("a", "acknowledge", 4)]
    assert judged(alerts, said) == [Record("negative-spike", 3, 1, 0)]


def test_what_never_rang_is_not_counted() -> None:
    lapsed = transition(alert_id="l", state="resolved", reason="lapsed")
    assert judged([transition(alert_id="p", state="pending"), lapsed], []) == []


def test_nobody_judged_is_no_precision() -> None:
    record = Record("r", 7, 0, 0)
    assert (record.precision, record.interval) == (None, (0.0, 1.0))


def test_an_alert_is_found_by_the_beginning_of_its_id_when_there_is_only_one() -> None:
    alerts = {name: transition(alert_id=name) for name in ("abcdef12", "abcdef34", "123456")}
    assert find(alerts, "abcdef1") == "abcdef12"
    assert find(alerts, "123456") == "123456"
    for asked in ("abcdef", "abc", "999999"):
        with pytest.raises(InputError):
            find(alerts, asked)
