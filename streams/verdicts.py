"""What people said of alerts, read and boiled down to one verdict for each. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from streams.records import AlertFeedback, Verdict


def read_feedback(values: Iterable[bytes]) -> list[AlertFeedback]:
    """The words on alerts among ``values``, JSON each; the feedback topic carries others, which are passed over."""
    found = []
    for value in values:
        try:
            found.append(msgspec.json.decode(value, type=AlertFeedback))
        except (ValueError, RecursionError):
            continue
    return found


def last_verdicts(said: Iterable[AlertFeedback]) -> dict[str, Verdict]:
    """Whether each alert was right, by its id: of several verdicts the last counts, and an acknowledgement is none."""
    last: dict[str, AlertFeedback] = {}
    for word in said:
        known = last.get(word.alert_id)
        if word.verdict != "acknowledge" and (known is None or word.at_ms >= known.at_ms):
            last[word.alert_id] = word
    return {alert_id: word.verdict for alert_id, word in last.items()}
