from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.intake.event_time import NEWEST_MS, event_time, parse_time
from streams.records import Rejection

OLDEST_MS = 631_152_000_000
BROKER_MS = 1_700_000_000_000
GRACE_MS = 300_000


def told(published_at: str | int | float | None, broker_ms: int | None = BROKER_MS) -> int | str:
    """The event time, or the error's name."""
    answer = event_time(published_at, broker_ms, OLDEST_MS, GRACE_MS)
    return answer.error if isinstance(answer, Rejection) else answer


@pytest.mark.parametrize(
    "written",
    [
        "2014-05-21T00:00:00Z",
        "2014-05-21T00:00:00",
        "2014-05-21 00:00:00+00:00",
        "2014-05-20T19:00:00-05:00",
        "2014-05-21",
        " 2014-05-21T00:00:00.000Z ",
        1400630400,
        1400630400.0,
        1400630400000,
        "1400630400",
        "1400630400000",
    ],
)
def test_one_moment_in_many_notations(written: str | int | float) -> None:
    assert parse_time(written) == 1_400_630_400_000


@pytest.mark.parametrize("written", ["yesterday", "2014-13-01", "12/05/2014", "{}", "nan", "inf", "9" * 400])
def test_what_is_no_time_is_none(written: str) -> None:
    assert parse_time(written) is None


@given(st.one_of(st.text(max_size=40), st.integers(), st.floats()))
def test_no_value_breaks_the_clock(value: str | int | float) -> None:
    assert isinstance(told(value), int | str)


def test_fractions_of_a_second_are_kept_to_the_millisecond() -> None:
    assert parse_time(1400630400.1234) == 1_400_630_400_123


def test_the_records_time_wins_over_the_brokers() -> None:
    assert told("2014-05-21T00:00:00Z") == 1_400_630_400_000


@pytest.mark.parametrize("missing", [None, ""])
def test_without_a_time_of_its_own_a_record_has_the_brokers(missing: str | None) -> None:
    assert told(missing) == BROKER_MS


def test_without_any_time_a_record_is_refused() -> None:
    assert told(None, broker_ms=None) == "NoTime"


def test_where_no_time_is_needed_none_is_zero() -> None:
    assert event_time(None, None, OLDEST_MS, GRACE_MS, needed=False) == 0


def test_a_time_within_the_grace_after_the_broker_is_believed() -> None:
    assert told(BROKER_MS + GRACE_MS) == BROKER_MS + GRACE_MS


def test_a_time_beyond_the_grace_is_refused() -> None:
    assert told(BROKER_MS + GRACE_MS + 1) == "FromTheFuture"


@pytest.mark.parametrize(
    "written", [0, -1, "1970-01-01", "1989-12-31T23:59:59Z", -62_135_596_800, 20140521, "20140521"]
)
def test_a_time_before_the_oldest_is_refused(written: str | int) -> None:
    assert told(written) == "TooOld"


def test_the_oldest_moment_itself_is_believed() -> None:
    assert told("1990-01-01T00:00:00Z") == OLDEST_MS


def test_the_year_9999_is_refused_with_a_broker() -> None:
    assert told("9999-12-31T23:59:59Z") == "FromTheFuture"


def test_the_year_9999_is_refused_without_a_broker() -> None:
    assert told("9999-12-31T23:59:59Z", broker_ms=None) == "FromTheFuture"


def test_without_a_broker_this_century_is_believed() -> None:
    assert told(NEWEST_MS, broker_ms=None) == NEWEST_MS


def test_milliseconds_taken_for_seconds_would_be_the_future_and_are_milliseconds() -> None:
    assert told(BROKER_MS) == BROKER_MS


def test_an_unreadable_time_is_refused_even_where_the_broker_has_one() -> None:
    assert told("last week") == "BadTime"
