"""Who is told what: a parent speaks for its children, and people have the last word."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.alerting import NO_DATA
from streams.annotate.judging import revised
from streams.notify.desk import Decision, Desk, Known
from streams.notify.rollup import is_parent, speaks_for
from streams.notify.routing import Route
from streams.records import Alert, AlertFeedback, Annotation, Verdict
from tests.streams.notify.receiving import transition

Make = Callable[..., Alert]
ACME, RECALL = "entity:acme", "entity:acme|topic:Recall"
FAMILY = {"acme": ("umbrella",)}


def desk(*routes: Route) -> Desk:
    return Desk(routes or (Route("pager"),), "t", FAMILY)


def fires(series: str, sequence: int = 0, **more: object) -> Alert:
    return transition(alert_id=f"{series}#{more.get('rule', '')}", series=series, sequence=sequence, **more)


def ends(series: str, sequence: int = 9, **more: object) -> Alert:
    return fires(series, sequence, state="resolved", ends_at="2026-11-22T08:00:00Z", **more)


def word(alert: Alert, verdict: Verdict, at_ms: int = 1) -> AlertFeedback:
    return AlertFeedback(alert.alert_id, verdict, "ann", "", at_ms)


@pytest.mark.parametrize(
    ("parent", "child", "speaks"),
    [
        (ACME, RECALL, True),
        ("topic:Recall", RECALL, True),
        ("topic:Other", RECALL, False),
        ("stream:news", "topic:Recall", True),
        ("stream:news", ACME, False),
        ("entity:umbrella", ACME, True),
        ("entity:umbrella", RECALL, True),
        (RECALL, ACME, False),
        (ACME, ACME, False),
    ],
)
def test_the_family_of_series(parent: str, child: str, speaks: bool) -> None:
    assert is_parent(parent, child, FAMILY) is speaks


kinds = st.sampled_from(
    [ACME, RECALL, "entity:umbrella", "entity:umbrella|topic:Recall", "topic:Recall", "stream:news"]
)
some_alerts = st.builds(
    lambda series, severity, rule: fires(series, severity=severity, rule=rule),
    kinds,
    st.sampled_from(["info", "warning", "critical"]),
    st.sampled_from(["a", "b", "creeping", NO_DATA]),
)


@given(some_alerts, some_alerts)
def test_no_two_incidents_silence_each_other(one: Alert, other: Alert) -> None:
    slow = ("creeping",)
    assert not (speaks_for(one, other, FAMILY, slow) and speaks_for(other, one, FAMILY, slow))


def test_a_firing_parent_inhibits_its_children_and_lists_those_that_ring_as_drivers() -> None:
    d = desk()
    assert d.take(fires(RECALL)).channels == ("pager",)
    parent = d.take(fires(ACME))
    assert parent.channels == ("pager",)
    assert parent.alert.drivers == (RECALL,)
    assert d.take(fires("entity:acme|topic:Fire")).channels == ()
    assert d.take(fires(ACME, 1)).alert.drivers == ("entity:acme|topic:Fire", RECALL)


def test_the_end_of_a_child_is_told_to_those_who_heard_its_beginning() -> None:
    d = desk()
    d.take(fires(RECALL))
    d.take(fires(ACME))
    d.take(fires("entity:acme|topic:Fire"))
    assert d.take(ends(RECALL)).channels == ("pager",)
    assert d.take(ends("entity:acme|topic:Fire")).channels == ()


def test_when_the_parent_is_over_a_child_that_still_rings_is_told_after_all() -> None:
    d = desk()
    d.take(fires(ACME))
    child = fires(RECALL)
    assert d.take(child).channels == ()
    assert d.take(ends(ACME)).released == ((child.alert_id, "pager"),)
    assert d.take(ends(RECALL)).channels == ("pager",)


def test_a_child_stays_silent_while_any_parent_speaks_for_it() -> None:
    d = desk()
    d.take(fires(ACME))
    d.take(fires("topic:Recall"))
    d.take(fires(RECALL))
    assert d.take(ends(ACME)).released == ()
    assert [channel for _, channel in d.take(ends("topic:Recall")).released] == ["pager"]


def test_the_graver_of_two_rules_speaks_for_the_series_and_equals_both_speak() -> None:
    d = desk()
    d.take(fires(ACME, rule="grave", severity="critical"))
    assert d.take(fires(ACME, rule="mild", severity="warning")).channels == ()
    assert d.take(fires(ACME, rule="other", severity="critical")).channels == ("pager",)
    assert d.take(fires(RECALL, rule="grave", severity="critical")).channels == ()


def test_a_milder_parent_does_not_speak_for_a_graver_child() -> None:
    d = desk()
    d.take(fires(ACME, severity="warning"))
    assert d.take(fires(RECALL, severity="critical")).channels == ("pager",)


def test_who_does_not_hear_the_parent_hears_the_child() -> None:
    d = desk(Route("risk", {"team": ("risk",)}), Route("brand", {"team": ("brand",)}), Route("all"))
    d.take(fires(ACME, labels={"team": "risk"}))
    assert d.take(fires(RECALL, labels={"team": "brand"})).channels == ("brand",)


def test_what_creeps_for_days_does_not_speak_for_what_spikes_meanwhile() -> None:
    d = Desk((Route("pager"),), "t", FAMILY, slow=["creeping"])
    assert d.take(fires(ACME, rule="creeping", severity="critical")).channels == ("pager",)
    assert d.take(fires(RECALL, rule="spikes", severity="warning")).channels == ("pager",)
    assert d.take(fires(ACME, rule="spikes", severity="warning")).channels == ("pager",)
    assert d.take(fires(RECALL, rule="creeping", severity="warning")).channels == ()


def test_a_silent_stream_speaks_for_itself_and_its_topics_but_not_for_companies() -> None:
    d = desk()
    d.take(fires("stream:news", rule=NO_DATA, severity="warning"))
    assert d.take(fires("stream:news", rule="r", severity="critical")).channels == ()
    assert d.take(fires("topic:Recall", severity="critical")).channels == ()
    assert d.take(fires(ACME)).channels == ("pager",)


# People


def test_what_is_acknowledged_is_told_once_more_and_then_only_at_its_end() -> None:
    d = desk()
    alert = fires(ACME)
    d.take(alert)
    told = d.hear(word(alert, "acknowledge"))
    assert told is not None
    assert (told.channels, told.alert.state, told.alert.acknowledged_by) == (("pager",), "firing", "ann")
    assert d.hear(word(alert, "acknowledge")) is None, "the same word twice is one word"
    quiet = d.take(fires(ACME, 1, reason="stronger"))
    assert (quiet.channels, quiet.alert.acknowledged_by) == ((), "ann")
    over = d.take(ends(ACME))
    assert (over.channels, over.alert.acknowledged_by) == (("pager",), "ann"), "whoever silenced it can undo that"


def test_what_is_dismissed_is_resolved_at_once_and_says_nothing_more() -> None:
    d = desk()
    alert = fires(ACME)
    d.take(alert)
    child = fires(RECALL)
    d.take(child)
    told = d.hear(word(alert, "dismiss", at_ms=1_795_333_000_000))
    assert told is not None
    assert (told.channels, told.alert.state, told.alert.reason) == (("pager",), "resolved", "dismissed")
    assert told.alert.ends_at == "2026-11-22T07:36:40Z"
    assert told.alert.alert_id == alert.alert_id
    assert told.released == ((child.alert_id, "pager"),)
    assert d.take(fires(ACME, 1)).channels == ()
    assert d.take(ends(ACME)).channels == ()


def test_a_word_that_comes_before_its_alert_counts_when_it_comes() -> None:
    d = desk()
    alert = fires(ACME)
    assert d.hear(word(alert, "dismiss")) is None
    assert d.take(alert).channels == ()


def test_a_confirmation_changes_nothing_that_is_told() -> None:
    d = desk()
    alert = fires(ACME)
    d.take(alert)
    assert d.hear(word(alert, "confirm")) is None
    assert d.take(fires(ACME, 1)).channels == ("pager",)


# Annotations


def annotated(alert: Alert) -> Alert:
    return revised(alert, Annotation("model", "why", "r2", "r1"))


def test_an_annotation_is_told_of_the_present_state_and_stays_with_the_alert() -> None:
    d = desk()
    first = fires(ACME)
    d.take(first)
    d.take(fires(ACME, 1, state="recovering"))
    late = d.take(annotated(first))
    assert late.channels == ("pager",)
    assert (late.alert.state, late.alert.sequence, late.alert.revision) == ("recovering", 1, 1)
    end = d.take(ends(ACME))
    assert end.alert.annotation == late.alert.annotation
    assert d.take(annotated(first)).channels == (), "over: nobody waits for it any more"


def test_an_annotation_of_what_is_acknowledged_or_unheard_is_told_to_nobody() -> None:
    d = desk()
    parent, child = fires(ACME), fires(RECALL)
    d.take(parent)
    d.take(child)
    assert d.take(annotated(child)).channels == ()
    d.hear(word(parent, "acknowledge"))
    assert d.take(annotated(parent)).channels == ()


# The whole


acts = st.lists(
    st.tuples(
        kinds, st.sampled_from(["fires", "ends", "acknowledge", "dismiss"]), st.sampled_from(["info", "critical"])
    ),
    max_size=40,
)


def play(d: Desk, act: tuple[str, str, str], at: int) -> tuple[Decision | None, str]:
    series, what, severity = act
    alert = fires(series, at, rule=severity, severity=severity)
    if what == "fires":
        return d.take(alert), alert.alert_id
    if what == "ends":
        return d.take(ends(series, at, rule=severity, severity=severity)), alert.alert_id
    return d.hear(word(alert, what, at)), alert.alert_id  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(acts)
def test_nobody_hears_an_end_without_its_beginning_and_each_incident_that_stands_is_spoken_for(
    script: list[tuple[str, str, str]],
) -> None:
    d = desk()
    told: set[str] = set()
    standing: dict[str, Alert] = {}
    hushed: set[str] = set()
    for at, act in enumerate(script):
        decision, alert_id = play(d, act, at)
        if act[1] == "acknowledge" or act[1] == "dismiss":
            hushed.add(alert_id)
        if act[1] == "fires":
            standing[alert_id] = fires(act[0], at, rule=act[2], severity=act[2])
        if decision is None:
            continue
        if decision.alert.state == "resolved":
            assert not decision.channels or alert_id in told or alert_id not in standing
            told.discard(alert_id)
            standing.pop(alert_id, None)
            if act[1] == "ends":
                hushed.discard(alert_id)
        elif decision.channels:
            told.add(alert_id)
        told |= {released for released, _ in decision.released}
        for name, alert in standing.items():
            spoken = any(speaks_for(other, alert, FAMILY) for key, other in standing.items() if key != name)
            assert name in told or spoken or name in hushed


@settings(max_examples=100, deadline=None)
@given(acts, st.integers(0, 39))
def test_a_restart_between_any_two_messages_changes_no_decision(script: list[tuple[str, str, str]], cut: int) -> None:
    steady, first = desk(), desk()
    said: dict[tuple[str, str], AlertFeedback] = {}
    for at, act in enumerate(script[:cut]):
        assert play(first, act, at) == play(steady, act, at)
        alert = fires(act[0], at, rule=act[2])
        if act[1] in ("acknowledge", "dismiss"):
            said[alert.alert_id, act[1]] = word(alert, act[1], at)  # type: ignore[arg-type]
        elif act[1] == "ends":
            said = {key: value for key, value in said.items() if key[0] != alert.alert_id}
    again = desk()
    again.recall([Known(k.alert, set(k.told)) for k in first._standing.values()], said.values())
    for at, act in enumerate(script[cut:], start=cut):
        assert play(again, act, at) == play(steady, act, at)
