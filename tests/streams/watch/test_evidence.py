"""The evidence says who, what and in which words, against what is usual; nothing it says is made up."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.records import Alert, Evidence, Observations, ObservedDocument
from streams.watch.alerts import usual_range
from streams.watch.drivers import OTHERS, drivers
from streams.watch.evidence import Story, clusters, exemplars
from streams.watch.folding import Stories
from streams.watch.heights import DAY_MS, DAYS, Heights
from streams.watch.memory import HOUR_MS, KEPT, Memory
from streams.watch.terms import driver_terms, words_of
from streams.watch.windows import Item
from streams.watch.words import summary
from tests.streams.watch.newsroom import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    Voice,
    crisis,
    play,
    quiet_days,
    scored,
    slab,
    watcher,
)


def story(at: int, title: str, calm: float = 0.1, signature: int | None = None) -> Story:
    return Story(calm, at, "news", 0, at, f"d{at}", title, "wire", at + 1 if signature is None else signature, "")


# Terms


def test_the_words_that_are_new_come_first_and_what_is_always_said_is_left_out() -> None:
    crisis = [f"Acme battery fire number {at} hurts customers" for at in range(8)]
    usual = [f"Acme customers meet in hall {at}" for at in range(30)]
    background = Counter(word for title in usual * 20 for word in words_of(title))
    terms = driver_terms(crisis, usual, background)
    assert terms[0].term in ("battery fire", "fire number", "battery fire number")
    assert {word for term in terms for word in term.term.split()} <= {"battery", "fire", "number", "hurts"}
    assert all(term.stories == 8 for term in terms)


def test_a_word_in_one_story_alone_drives_nothing() -> None:
    assert driver_terms(["Acme burns", "Acme sinks"], ["Acme meets"], Counter()) == ()


def test_words_are_letters_only_so_they_can_be_shown_anywhere() -> None:
    hostile = ["<script>alert('x')</script> \x1b[31mrecall\x1b[0m {{recall}} & recall"] * 3
    for term in driver_terms(hostile, [], Counter()):
        assert re.fullmatch(r"[^\W\d_][\w'’ ]*", term.term)


@given(st.lists(st.text(max_size=60), max_size=12), st.lists(st.text(max_size=60), max_size=12))
def test_any_text_has_few_bounded_terms(titles: list[str], usual: list[str]) -> None:
    background = Counter(word for title in titles + usual for word in words_of(title))
    terms = driver_terms(titles, usual, background)
    assert len(terms) <= 6
    assert all(len(term.term) <= 65 and 2 <= term.stories <= len(titles) for term in terms)


# Drivers


def test_a_source_that_speaks_out_of_turn_is_named_before_one_that_always_speaks() -> None:
    usual = ["wire"] * 9 + ["blog"]
    found = drivers({"wire": 12, "blog": 14, "": 2}, usual, usual, expected=10.0)
    assert found[0].name == "blog"
    assert found[0].surprise > 0.05
    assert found[0].expected == pytest.approx(1.0)


def test_powers_are_parts_of_the_whole_excess() -> None:
    found = drivers({"a": 10, "b": 10, "c": 10}, ["a", "b", "c"], [], expected=3.0)
    assert [driver.power for driver in found] == [pytest.approx(1 / 3, abs=1e-4)] * 3


def test_without_a_rise_nothing_drives_it_and_others_are_never_named() -> None:
    assert drivers({"a": 1}, ["a"], [], expected=2.0) == ()
    assert drivers({OTHERS: 50, "": 50}, ["a"], [], expected=2.0) == ()


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 40), max_size=8),
    st.lists(st.sampled_from("abcdefgh")),
    st.lists(st.sampled_from("abcdefgh")),
    st.floats(0.01, 50),
)
def test_surprise_and_power_stay_within_their_bounds(
    observed: dict[str, int], negative: list[str], other: list[str], expected: float
) -> None:
    found = drivers(observed, negative, other, expected)
    assert len(found) <= 5
    for driver in found:
        assert driver.power >= 0.1
        assert -1e-9 <= driver.surprise <= 1
    assert [d.surprise for d in found] == sorted((d.surprise for d in found), reverse=True)


# Clusters and exemplars


def test_exemplars_are_of_different_stories_the_largest_first() -> None:
    told = [story(at, f"Acme kettles burn kitchen {at}") for at in range(5)]
    told += [story(10, "Acme chief resigns amid probe", calm=0.01), story(11, "Union strikes at plant", calm=0.3)]
    grouped = clusters(sorted(told))
    assert [len(members) for members in grouped] == [5, 1, 1]
    shown = exemplars(grouped, 0, Stories(), 4)
    assert [(e.id, e.similar) for e in shown] == [("d0", 4), ("d10", 0), ("d11", 0)]


def test_where_all_say_the_same_three_of_them_are_shown() -> None:
    grouped = clusters([story(at, f"Headline {at}") for at in range(6)])
    assert len(exemplars(grouped, 0, Stories(), 4)) == 3
    assert len(exemplars(grouped, 0, Stories(), 2)) == 2


# How rare


def test_the_range_of_the_usual_follows_the_distribution() -> None:
    assert usual_range(0.01, 5.0) == (0, 0)
    assert usual_range(10.0, 1e9) == (4, 17), "as a Poisson of mean 10"
    low, high = usual_range(10.0, 2.0)
    assert low == 0
    assert high > 17
    low, high = usual_range(1e6, 5.0)
    assert low < 1e6 < high


def test_days_are_counted_back_to_the_last_time_it_was_as_high() -> None:
    heights = Heights(2)
    for day in range(50):
        heights.note(day * DAY_MS + 900_000, [5.0, 0.0] if day == 9 else [3.0, 0.0])  # type: ignore[arg-type]
    now = 49 * DAY_MS + HOUR_MS
    assert heights.days_since(0, 4.5, now, 3.0) == (40, True)
    assert heights.days_since(0, 2.5, now, 3.0) == (0, True)
    assert heights.days_since(0, 2.5, now, 0.0) == (1, True)
    assert heights.days_since(0, 9.0, now, 3.0) == (49, False)


def test_heights_are_forgotten_after_their_days_and_over_gaps() -> None:
    heights = Heights(1)
    heights.note(900_000, [7.0])  # type: ignore[arg-type]
    heights.note(40 * DAY_MS + 900_000, [3.0])  # type: ignore[arg-type]
    assert heights.days_since(0, 6.0, 40 * DAY_MS + HOUR_MS, 0.0) == (40, True)
    heights.note((DAYS + 41) * DAY_MS + 900_000, [3.0])  # type: ignore[arg-type]
    assert heights.days_since(0, 2.0, (DAYS + 41) * DAY_MS, 0.0) == (DAYS - 1, False)


# Memory


def item(event_ms: int, title: str = "A calm headline") -> Item:
    document = ObservedDocument(1, event_ms, "d", title, "wire", 1, "Earnings")
    return Item(event_ms, "news", 0, 1, "entity:acme", 0.1, False, "r1", document)


def test_memory_spans_hours_however_much_is_said() -> None:
    memory = Memory()
    for at in range(100_000):
        event_ms = at * MINUTE
        if event_ms >= memory.due.get(2, 0):
            memory.hear(2, item(event_ms))
    _, other = memory.before(1, 10**15)
    assert len(other) == KEPT
    assert all(b.event_ms - a.event_ms >= HOUR_MS for a, b in pairwise(other))


def test_the_vocabulary_is_that_of_the_stories_remembered() -> None:
    memory = Memory(most=20)
    for at in range(60):
        memory.hear(2 + at % 3, item(at * HOUR_MS, f"word{'abc'[at % 3]} {'xyz'[at % 7 % 3]}ylophone"))
    memory.forget([1])
    again = Memory(most=20)
    for entry in memory.entries():
        again.put_back(*entry)
    assert again.vocabulary == memory.vocabulary
    assert again.entries() == memory.entries()
    assert memory.count == again.count <= 20


# The whole


def fired(alerts: list[Alert], series: str = "entity:acme") -> Alert:
    return next(alert for alert in alerts if alert.series == series and alert.state == "firing")


def recall(start: int) -> list[Voice]:
    return [replace(voice, source="forum", topic="Recall") for voice in crisis(start)]


def news(voices: list[Voice]) -> list[Observations]:
    """As messages of 50, with headlines that say what they are about."""
    documents = []
    for at, voice in enumerate(voices):
        title = f"Acme batteries catch fire in town {at}" if voice.topic == "Recall" else f"Acme opens office {at}"
        documents.append(msgspec.structs.replace(scored(voice, at), title=title))
    return [slab(documents[at : at + 50]) for at in range(0, len(documents), 50)]


def test_an_alert_names_who_drives_it_and_in_which_words_against_the_days_before() -> None:
    calm = [replace(voice, topic="Earnings") for voice in quiet_days(3)]
    alert = fired(play(watcher(), news(calm + recall(MONDAY + 3 * DAY))))
    evidence = alert.evidence
    assert [driver.name for driver in evidence.sources] == ["forum"]
    assert [driver.name for driver in evidence.topics] == ["Recall"]
    assert {word for term in evidence.terms for word in term.term.split()} >= {"batteries", "fire"}
    assert evidence.expected_low <= alert.expected <= evidence.expected_high < alert.observed
    assert evidence.highest_in_days == 3
    assert not evidence.reached_before
    assert len(evidence.background.negative) == len(evidence.background.other) == KEPT
    assert evidence.background.releases == ("r1",)
    for said in ("driven by forum", "about Recall", "batteries", "the sharpest rise in the 3 days it is watched"):
        assert said in alert.summary


def test_the_second_crisis_says_how_long_ago_it_was_last_as_bad() -> None:
    calm = quiet_days(9)
    first, second = crisis(MONDAY + 4 * DAY, stories=60), crisis(MONDAY + 9 * DAY + 2 * HOUR)
    voices = sorted([*calm, *first, *quiet_days(0.2, start=MONDAY + 9 * DAY), *second], key=lambda v: v.event_ms)
    alerts = play(watcher(), news(voices))
    late = [a for a in alerts if a.series == "entity:acme" and a.starts_at > "2024-01-10" and a.state == "firing"]
    assert late[0].evidence.highest_in_days == 5
    assert late[0].evidence.reached_before


def test_every_figure_of_the_summary_is_a_fact_of_the_alert() -> None:
    alert = fired(play(watcher(), news(quiet_days(3) + recall(MONDAY + 3 * DAY))))
    evidence = alert.evidence
    facts = {
        f"{alert.observed:.0f}", f"{alert.total:.0f}", f"{alert.expected:.1f}", f"{alert.share:.0%}".rstrip("%"),
        f"{alert.baseline_share:.0%}".rstrip("%"), str(evidence.expected_low), str(evidence.expected_high),
        str(evidence.highest_in_days), str(alert.copies), str(alert.window.seconds // 60),
        str(alert.window.seconds // 3600),
        *(f"{driver.observed:.0f}" for driver in (*evidence.sources, *evidence.topics)),
    }  # fmt: skip
    assert set(re.findall(r"\d+(?:\.\d+)?", alert.summary)) <= facts


def test_a_summary_stays_readable_when_nothing_is_known() -> None:
    said = summary(
        "stream:news", minutes=15, observed=5, total=0, expected=0.1, share=0, baseline_share=0.25, copies=0,
        evidence=Evidence(),
    )  # fmt: skip
    assert said == "stream news: 5 of 0 stories in 15 min are negative, 0.1 expected (usually 0 to 0)."
