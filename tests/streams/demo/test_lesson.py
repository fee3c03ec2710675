"""The lesson of the demo: its waves, its truth, its quiet weeks, and the bundled labels, which are of its documents."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from streams.demo import learn, lesson
from streams.demo.lesson import ANCHORS, FIRST, QUIET, REHEARSED, SECOND, Quiet, quiet, recent
from streams.demo.sample import SEED, SampleRecord
from streams.errors import SettingsError
from streams.operate.labels import labels


def text_of(record: SampleRecord) -> str:
    fields = msgspec.json.decode(record.value)
    return str(fields.get("text") or fields["title"]).lower()


@pytest.fixture(scope="module")
def told() -> lesson.Lesson:
    return lesson.lesson(SEED)


@pytest.fixture(scope="module")
def rows() -> Quiet:
    return quiet(SEED)


def test_no_text_of_the_second_wave_came_in_the_first(told: lesson.Lesson) -> None:
    assert (len(told.ordinary), len(told.first), len(told.second)) == (QUIET, FIRST, SECOND)
    assert not {text_of(one) for one in told.first} & {text_of(one) for one in told.second}
    assert len({one.id for one in (*told.ordinary, *told.first, *told.second)}) == QUIET + FIRST + SECOND


def test_every_seed_has_its_lesson_and_the_truth_is_in_no_record(told: lesson.Lesson) -> None:
    assert lesson.lesson(SEED) == told
    assert [one.value for one in lesson.lesson(SEED + 1).first] != [one.value for one in told.first]
    assert not any(word in one.value for one in told.first for word in (b'"story"', b'"sentiment"', b'"truth"'))


def test_a_week_knows_nothing_of_the_app_that_is_blamed_about_as_often_as_praised(told: lesson.Lesson) -> None:
    assert not [one for one in told.ordinary if "murmur" in text_of(one)]
    said = list(told.truth.values())
    for label in ("negative", "neutral", "positive"):
        assert 0.2 < said.count(label) / len(said) < 0.5


def test_what_people_say_in_the_bundled_file_is_true_and_of_documents_that_come(told: lesson.Lesson) -> None:
    texts = {one.id: text_of(one) for one in told.first}
    said = [found for _, found in labels(learn.FEEDBACK.read_bytes(), "nobody", 0)]
    assert len(said) > 100
    for found in said:
        assert not isinstance(found, str)
        assert found.sentiment == told.truth[found.id]
        assert found.text.lower() == texts[found.id]
    assert len({found.by for found in said if not isinstance(found, str)}) == 4


def test_nothing_to_judge_by_is_learnt_or_rehearsed(told: lesson.Lesson, rows: Quiet) -> None:
    assert len(rows.anchors) == ANCHORS
    assert Counter(row["sentiment"] for row in rows.rehearsed) == {"positive": REHEARSED, "negative": REHEARSED}
    anchors, late = {row["text"].lower() for row in rows.anchors}, [row["text"].lower() for row in recent(told)]
    assert len(anchors) == ANCHORS
    assert len(late) > 0.7 * SECOND
    assert not anchors & {row["text"].lower() for row in rows.rehearsed}
    assert not anchors & {text_of(one) for one in told.first}
    assert not anchors & set(late)
    assert rows == quiet(SEED)


def test_anchors_are_in_english_for_the_stars_of_others_say_nothing_of_the_words(rows: Quiet) -> None:
    other = ("stellt in", "apre un ufficio", "ouvre une", "presenta resultados", "funziona benissimo", "muy malo")
    assert not [row for row in (*rows.anchors, *rows.rehearsed) if any(words in row["text"] for words in other)]


def test_an_install_that_only_serves_says_what_is_missing_and_how_to_get_it() -> None:
    learn.require(["json"])
    with pytest.raises(SettingsError, match=r"nothing_like_it is not installed.*`train`.*make demo-learn"):
        learn.require(["json", "nothing_like_it"])
