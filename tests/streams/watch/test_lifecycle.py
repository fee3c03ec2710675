from __future__ import annotations

import hashlib

from streams.watch.lifecycle import (
    HOUR_MS,
    Incident,
    Policy,
    Reading,
    alert_id_of,
    begin,
    bury,
    may_begin,
    step,
    transition_id_of,
)

ROW = 900_000
POLICY = Policy()
THRESHOLD = 4.0


def reading(window: int, score: float, observed: float = 10.0, closed: bool = True, mark: int = 0) -> Reading:
    start = window * ROW
    mark_ms = start + ROW if closed else start + mark * 60_000
    return Reading(start, start + ROW, mark_ms, closed, score, THRESHOLD, observed, loud=score >= THRESHOLD)


def started(score: float = 5.0, closed: bool = True, mark: int = 3) -> Incident:
    incident, _ = begin("r", "v", "entity:acme", reading(0, score, closed=closed, mark=mark))
    return incident


def states(incident: Incident, readings: list[Reading]) -> list[str]:
    moved = [step(incident, r, POLICY) for r in readings]
    return [transition.state for transition in moved if transition is not None]


def test_ids_are_what_the_contract_says() -> None:
    alert_id = alert_id_of("r", "v", "entity:acme", ROW, 0)
    assert alert_id == hashlib.sha256(b"r|v|entity:acme|900|0").hexdigest()[:32]
    assert transition_id_of(alert_id, 2, "firing") == hashlib.sha256(f"{alert_id}|2|firing".encode()).hexdigest()[:32]
    assert started().alert_id == alert_id


def test_in_an_open_window_mild_evidence_waits_for_a_second_look() -> None:
    incident = started(closed=False)
    assert incident.state == "pending"
    assert states(incident, [reading(0, 5.0, closed=False, mark=4)]) == ["firing"]


def test_strong_evidence_and_closed_windows_need_no_second_look() -> None:
    assert started(score=7.0, closed=False).state == "firing"
    assert started(score=4.0, closed=True).state == "firing"


def test_what_the_closed_window_does_not_confirm_lapses() -> None:
    incident = started(closed=False)
    assert states(incident, [reading(0, 3.0, closed=False, mark=4), reading(0, 3.9)]) == ["resolved"]
    assert not may_begin(incident, reading(0, 9.0)), "one window, one incident"
    assert may_begin(incident, reading(1, 5.0))


def test_a_quiet_hour_resolves_and_the_end_is_the_last_loud_window() -> None:
    incident = started()
    quiet = [reading(window, 0.0) for window in range(2, 6)]
    assert states(incident, [reading(1, 3.0), *quiet]) == ["recovering", "resolved"]
    assert incident.loud_end_ms == 2 * ROW


def test_between_the_two_thresholds_nothing_ends_and_nothing_begins() -> None:
    incident = started()
    between = [reading(window, 2.5) for window in range(1, 40)]
    assert states(incident, between) == []
    assert not may_begin(None, reading(0, 2.5))


def test_quiet_is_not_counted_while_the_window_is_open() -> None:
    incident = started()
    assert states(incident, [reading(1, 0.0, closed=False, mark=mark) for mark in range(15)]) == []


def test_a_recovering_incident_fires_again_under_its_own_id() -> None:
    incident = started()
    again = [reading(1, 0.0), reading(2, 6.0), reading(3, 0.0)]
    assert states(incident, again) == ["recovering", "firing", "recovering"]
    assert incident.sequence == 3
    assert incident.quiet == 1


def test_the_cooldown_is_broken_only_by_clearly_stronger_evidence() -> None:
    incident = started(score=6.0)
    states(incident, [reading(window, 0.0) for window in range(1, 5)])
    assert incident.state == "resolved"
    assert not may_begin(incident, reading(10, 6.5))
    assert may_begin(incident, reading(10, 7.5))
    after = 5 + POLICY.cooldown_ms // ROW
    assert may_begin(incident, reading(after, 4.0))


def test_a_level_that_stays_for_a_day_is_accepted() -> None:
    incident = started()
    loud = [reading(window, 5.0) for window in range(1, 96)]
    moved = [step(incident, r, POLICY) for r in loud]
    ends = [transition for transition in moved if transition is not None]
    assert [(t.state, t.reason) for t in ends] == [("resolved", "level_shift")]
    assert incident.loud_end_ms == 24 * HOUR_MS


def test_a_firing_alert_is_revised_only_when_it_has_doubled() -> None:
    incident = started()
    grows = [reading(1, 5.0 + k, observed=10.0 + k, closed=False, mark=k) for k in range(1, 15)]
    assert states(incident, grows) == ["firing"]
    assert incident.told_observed == 20


def test_more_of_the_same_below_the_threshold_is_not_called_stronger() -> None:
    assert states(started(), [reading(1, 3.5, observed=100.0)]) == []


def test_late_documents_raise_at_once() -> None:
    late = Reading(0, ROW, 3 * ROW, False, 5.0, THRESHOLD, 10.0, loud=True, late=True)
    incident, transition = begin("r", "v", "entity:acme", late)
    assert (transition.state, transition.reason) == ("firing", "late_documents")
    assert incident.start_ms == 0


def test_a_buried_incident_is_resolved_with_its_reason() -> None:
    incident = started()
    assert bury(incident, ROW, "rule_changed").reason == "rule_changed"
    assert incident.state == "resolved"


def test_the_third_beginning_within_a_day_is_told_as_flapping_and_the_rest_summed_up() -> None:
    incident = started()
    ups_and_downs = [reading(window, 6.0 if window % 2 == 0 else 0.0) for window in range(1, 20)]
    moved = [step(incident, r, POLICY) for r in ups_and_downs]
    told = [(t.state, t.reason) for t in moved if t is not None]
    assert told == [
        ("recovering", ""),
        ("firing", "louder_again"),
        ("recovering", ""),
        ("firing", "flapping"),
    ]
    assert incident.flapping
    quiet = [reading(window, 0.0) for window in range(20, 35)]
    assert states(incident, quiet) == ["resolved"]
    assert incident.rang == 10


def test_a_new_incident_remembers_how_often_the_one_before_it_rang() -> None:
    first = started(score=5.0)
    states(first, [reading(1, 0.0), reading(2, 6.0), *(reading(window, 0.0) for window in range(3, 7))])
    assert first.state == "resolved"
    again, transition = begin("r", "v", "entity:acme", reading(10, 9.0), first)
    assert (transition.state, transition.reason) == ("firing", "flapping")
    assert (again.flapping, again.rang) == (True, 1)


def late(window: int, observed: float, score: float = 6.0) -> Reading:
    start = window * ROW
    return Reading(start, start + ROW, 5 * ROW, False, score, THRESHOLD, observed, loud=True, late=True)


def test_late_documents_annotate_what_is_known_and_raise_what_was_not() -> None:
    incident = started()
    states(incident, [reading(1, 0.0)])
    assert incident.state == "recovering"
    assert step(incident, late(0, observed=11.0), POLICY) is None
    noted = step(incident, late(0, observed=14.0), POLICY)
    assert noted is not None
    assert (noted.state, noted.reason) == ("recovering", "late_documents")
    raised = step(incident, late(1, observed=4.0), POLICY)
    assert raised is not None
    assert (raised.state, raised.reason) == ("firing", "late_documents")


def test_with_a_generous_budget_a_loud_window_is_never_called_quiet() -> None:
    low = Reading(0, ROW, ROW, True, 1.6, 1.3, 10.0, loud=True)
    incident, _ = begin("r", "v", "entity:acme", low)
    assert step(incident, Reading(ROW, 2 * ROW, 2 * ROW, True, 1.4, 1.3, 10.0, loud=True), POLICY) is None
    assert incident.state == "firing"
