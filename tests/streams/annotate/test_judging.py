"""World or model: the verdict follows from what both releases say of the same stories."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.annotate.judging import Reread, judged, revised, revision_id, tone, unchanged, wants
from streams.records import Alert
from tests.streams.notify.receiving import transition
from tests.streams.watch.newsroom import MONDAY, Voice, scored


def alert(**changes: Any) -> Alert:
    return transition(release="r2", share=0.6, baseline_share=0.2, **changes)


def read(now: int, then: int, of: int) -> list[Reread]:
    """``of`` stories, of which ``now`` are negative for the new release and ``then`` for the old one."""
    return [Reread(at < now, at < then) for at in range(of)]


def verdict(negative: list[Reread], other: list[Reread], exemplars: list[Reread]) -> str:
    return judged(alert(), "r1", negative, other, exemplars).verdict


def test_where_both_releases_agree_the_world_has_moved() -> None:
    assert verdict(read(8, 8, 8), read(0, 0, 12), read(4, 4, 4)) == "world"


def test_where_calm_days_turn_negative_with_the_release_the_model_has_moved() -> None:
    found = judged(alert(), "r1", read(8, 8, 8), read(6, 0, 12), read(4, 1, 4))
    assert found.verdict == "model"
    assert (found.calm_now, found.calm_then, found.kept) == (0.6, 0.2, 0.25)
    assert "r2 calls 60% negative, r1 20%" in found.why


def test_where_the_previous_release_hears_nothing_in_the_exemplars_the_model_has_moved() -> None:
    assert verdict(read(8, 8, 8), read(0, 0, 12), read(4, 0, 4)) == "model"


def test_something_of_each_is_called_both() -> None:
    assert verdict(read(8, 8, 8), read(3, 0, 12), read(4, 3, 4)) == "both"


def test_too_little_to_read_decides_nothing() -> None:
    for case in (
        (read(1, 1, 1), read(0, 0, 3), read(4, 4, 4)),
        (read(8, 8, 16), [], read(4, 4, 4)),
        (read(8, 8, 8), read(0, 0, 12), read(1, 1, 1)),
        ([Reread(None, True)] * 10, [Reread(True, None)] * 10, read(4, 4, 4)),
    ):
        assert verdict(*case) == "undecided"


readings = st.lists(st.builds(Reread, st.none() | st.booleans(), st.none() | st.booleans()), max_size=20)


@given(readings, readings, readings, st.floats(0, 1), st.floats(0, 1))
def test_any_reading_has_a_verdict_with_figures_within_their_bounds(
    negative: list[Reread], other: list[Reread], exemplars: list[Reread], share: float, usual: float
) -> None:
    given_alert = msgspec.structs.replace(alert(), share=share, baseline_share=usual)
    found = judged(given_alert, "r1", negative, other, exemplars)
    for figure in (found.calm_now, found.calm_then, found.kept):
        assert figure is None or 0 <= figure <= 1
    assert (found.calm_now is None) == (found.verdict == "undecided")


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"state": "firing", "sequence": 0}, True),
        ({"state": "firing", "sequence": 1}, True),
        ({"state": "firing", "sequence": 0, "reason": "late_documents"}, True),
        ({"state": "firing", "sequence": 3, "reason": "late_documents"}, False),
        ({"state": "firing", "reason": "stronger"}, False),
        ({"state": "firing", "rang": 2, "reason": "louder_again"}, False),
        ({"state": "pending"}, False),
        ({"state": "resolved"}, False),
        ({"rule": "no-data"}, False),
        ({"revision": 1}, False),
    ],
)
def test_an_incident_is_annotated_once_when_it_first_rings(changes: dict[str, Any], wanted: bool) -> None:
    assert wants(transition(**changes)) is wanted


def test_what_is_annotated_twice_is_one_message() -> None:
    first = alert()
    one, other = (revised(first, unchanged(first)) for _ in range(2))
    assert one == other
    assert one.alert_id == first.alert_id
    assert one.transition_id == revision_id(first.transition_id) != first.transition_id
    assert not wants(one), "its own output asks for no annotation"


def test_the_tone_is_asked_of_the_root_whatever_topic_a_release_gives() -> None:
    document = scored(Voice(MONDAY, negative=True, topic="Earnings"), 1)
    assert tone(document, "entity:acme|topic:Recall", ("en",)) is True
    assert tone(document, "topic:Recall", ("en",)) is True
    assert tone(document, "stream:news", ("en",)) is True
    assert tone(document, "entity:other", ("en",)) is None
