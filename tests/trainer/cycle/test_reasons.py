"""When a cycle is due: drift before labels before time, and never before there is enough or while it cools."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.training import TrainerSettings
from tests.trainer.cycle.school import signal_of
from trainer.cycle.reasons import HOUR_MS, Known, cooled_ms, due, lacking
from trainer.cycle.store import Cycle

SETTINGS = TrainerSettings(new_labels=500, least_labels=100, least_anchors=200, cooldown_hours=6, every_hours=168)
MUCH = Known(to_learn=900, fresh=900, anchors=900, signals=[], cycles=[])


def known(**changes: object) -> Known:
    return Known(**{**vars(MUCH), **changes})  # type: ignore[arg-type]


def concluded(*outcomes: str, at_ms: int = 0) -> list[Cycle]:
    return [
        Cycle(at, 0, "labels", "", "t-1", f"v{at}", 1, concluded_ms=at_ms, outcome=outcome)
        for at, outcome in enumerate(outcomes)
    ]


def test_enough_labels_are_a_reason() -> None:
    reason = due(MUCH, SETTINGS, 0)
    assert reason is not None
    assert (reason.kind, reason.drifted) == ("labels", False)
    assert due(known(fresh=499), SETTINGS, 0) is None


def test_drift_that_calls_for_training_is_one_before_there_are_as_many() -> None:
    reason = due(known(fresh=0, signals=[signal_of("error")]), SETTINGS, 0)
    assert reason is not None
    assert (reason.kind, reason.drifted) == ("drift", True)
    assert "error on reviews" in reason.told
    assert due(known(fresh=0, signals=[signal_of("mix", "collect"), signal_of("quality", "look")]), SETTINGS, 0) is None
    off = SETTINGS.model_copy(update={"on_drift": False})
    assert due(known(fresh=0, signals=[signal_of("error")]), off, 0) is None


def test_nothing_begins_with_too_little_to_learn_or_to_judge_by() -> None:
    for missing in ({"to_learn": 99}, {"anchors": 199}):
        state = known(signals=[signal_of()], **missing)
        assert due(state, SETTINGS, 10**15) is None
        assert "trainer.least_" in lacking(state, SETTINGS)


def test_time_is_a_reason_where_there_is_a_new_label_at_all() -> None:
    week = 168 * HOUR_MS
    assert due(known(fresh=1, since_ms=10), SETTINGS, week) is None
    later = due(known(fresh=1, since_ms=10), SETTINGS, week + 10)
    assert later is not None
    assert later.kind == "schedule"
    assert due(known(fresh=0), SETTINGS, 9 * week) is None
    never = SETTINGS.model_copy(update={"every_hours": 0.0})
    assert due(known(fresh=1), never, 9 * week) is None


def test_a_row_of_fruitless_cycles_cools_longer_and_longer() -> None:
    hours = [
        cooled_ms(concluded(*outcomes), 6.0) / HOUR_MS
        for outcomes in (
            ["promoted"],
            ["promoted", "refused"],
            ["refused", "unchanged"],
            ["refused"] * 3,
            ["failed"] * 9,
            ["refused", "promoted"],
        )
    ]
    assert hours == [6, 12, 24, 48, 48, 6]


@given(st.integers(0, 60 * HOUR_MS), st.sampled_from(["promoted", "refused", "unchanged", "failed"]))
def test_no_reason_comes_before_it_has_cooled(now_ms: int, outcome: str) -> None:
    state = known(signals=[signal_of()], cycles=concluded(outcome))
    assert (due(state, SETTINGS, now_ms) is None) == (now_ms < cooled_ms(state.cycles, 6.0))
