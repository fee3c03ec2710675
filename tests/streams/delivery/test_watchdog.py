"""The watchdog's judgement, with time passed in."""

from __future__ import annotations

from streams.delivery.watchdog import COMMIT_SECONDS, LOOP_SECONDS, REJOIN_SECONDS, Progress


def _progress(**given: bool) -> Progress:
    return Progress("score", beaten=0.0, moved_at=0.0, joined_at=0.0, **given)


def test_a_loop_that_beats_and_has_nothing_to_do_lives() -> None:
    progress = _progress()
    for second in range(1000):
        progress.beat(float(second))
        assert progress.verdict(second + 1.0) is None


def test_a_loop_that_does_not_run_is_stuck() -> None:
    assert "event loop" in (_progress().verdict(LOOP_SECONDS + 1) or "")


def test_lag_without_a_commit_is_stuck() -> None:
    progress = _progress(behind=True)
    progress.beat(COMMIT_SECONDS + 1)
    assert "nothing was committed" in (progress.verdict(COMMIT_SECONDS + 1) or "")


def test_lag_with_commits_lives() -> None:
    progress = _progress(behind=True)
    for second in range(0, 1000, 10):
        progress.beat(float(second))
        progress.moved(float(second))
        assert progress.verdict(second + 1.0) is None


def test_time_without_lag_is_not_held_against_it() -> None:
    progress = _progress()
    progress.beat(500.0)
    assert progress.verdict(500.0) is None
    progress.behind = True
    progress.beat(500.0 + COMMIT_SECONDS - 1)
    assert progress.verdict(500.0 + COMMIT_SECONDS - 1) is None


def test_a_member_that_never_joins_again_is_stuck() -> None:
    progress = _progress(rejoining=True)
    progress.beat(REJOIN_SECONDS + 1)
    assert "rejoin" in (progress.verdict(REJOIN_SECONDS + 1) or "")


def test_a_process_that_was_halted_is_judged_from_then_on() -> None:
    progress = _progress(behind=True, rejoining=True)
    progress.restart(1000.0)
    assert progress.verdict(1001.0) is None
