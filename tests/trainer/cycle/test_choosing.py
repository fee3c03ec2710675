"""What is learnt and what is judged by: sides never mix, people come before stars, nobody says too much."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from models.labels import TAXONOMIES
from streams.lessons import DocumentFeedback
from tests.trainer.cycle.school import sample, shifted, word
from trainer.cycle.choosing import Lessons, choose, side_of
from trainer.data import normalised

ROWS = shifted(400, 1)
SAMPLES = [sample(at, row, stars=5.0 if row.sentiment == 2 else 1.0) for at, row in enumerate(ROWS)]
WORDS = [word(at, row) for at, row in enumerate(ROWS) if at % 4 == 0]


def chosen(words: list[DocumentFeedback] = WORDS, **how: object) -> Lessons:
    return choose(SAMPLES, words, TAXONOMIES, **how)  # type: ignore[arg-type]


@given(st.text(max_size=60))
def test_a_text_is_on_one_side_however_it_is_written(text: str) -> None:
    assert side_of(text) == side_of(f"  {text} !")


def test_three_quarters_are_learnt_and_nothing_else_ever_is() -> None:
    lessons = chosen()
    learnt = {normalised(one.example.text) for one in lessons.learn}
    judged = {normalised(one.example.text) for one in (*lessons.anchors, *lessons.recent)}
    assert not learnt & judged
    assert 0.65 < len(learnt) / (len(learnt) + len(judged)) < 0.85
    without_people = chosen([])
    assert {normalised(one.example.text) for one in without_people.learn} == learnt, "whoever labels it"


def test_people_come_before_stars_and_stars_teach_by_degrees() -> None:
    lessons = chosen()
    by_id = {one.id: one for one in (*lessons.learn, *lessons.anchors, *lessons.recent)}
    for at, row in enumerate(ROWS):
        one = by_id[f"d{at}"]
        assert one.kind == ("person" if at % 4 == 0 else "stars")
        assert one.example.sentiment == row.sentiment
        assert (one.example.soft is None) == (one.kind == "person")


def test_stars_are_read_as_people_read_their_texts() -> None:
    contrary = [DocumentFeedback(f"d{at}", "ann", 0, "negative") for at in range(0, 400, 2)]
    lessons = chosen(contrary)
    fives = [one.example.soft for one in lessons.learn if one.kind == "stars" and SAMPLES[int(one.id[1:])].stars == 5.0]
    assert fives
    assert all(soft is not None and soft[0] > 0.6 for soft in fives)


def test_nobody_is_judged_by_stars_that_say_little() -> None:
    threes = [replace_stars(one, 3.0) for one in SAMPLES]
    lessons = choose(threes, [], TAXONOMIES)
    assert lessons.learn
    assert not lessons.anchors
    assert not lessons.recent


def replace_stars(one, stars: float):
    import msgspec

    return msgspec.structs.replace(one, stars=stars)


def test_where_people_disagree_the_majority_counts_and_a_draw_is_set_aside() -> None:
    said = [
        DocumentFeedback("d1", "ann", 0, "positive"),
        DocumentFeedback("d1", "bob", 0, "negative"),
        DocumentFeedback("d1", "cyd", 0, "negative"),
        DocumentFeedback("d2", "ann", 0, "positive"),
        DocumentFeedback("d2", "bob", 0, "negative"),
        DocumentFeedback("gone", "bob", 0, "negative"),
        DocumentFeedback("d3", "ann", 0),
    ]
    lessons = choose([replace_stars(one, None) for one in SAMPLES[:10]], said, TAXONOMIES)  # type: ignore[arg-type]
    (one,) = (*lessons.learn, *lessons.anchors, *lessons.recent)
    assert (one.id, one.example.sentiment) == ("d1", 0)
    assert lessons.set_aside == {"contested": 2, "unknown": 1, "too-many-of-one": 0}


def test_a_text_of_a_person_s_own_needs_no_sample_and_topics_need_a_taxonomy() -> None:
    said = [
        DocumentFeedback("x", "ann", 5, "negative", {"finance": "Earnings", "zoo": "Lion"}, text="Margins fell again"),
    ]
    lessons = choose([], said, TAXONOMIES)
    (one,) = (*lessons.learn, *lessons.anchors, *lessons.recent)
    assert one.example.topics == (("finance", list(TAXONOMIES["finance"]).index("Earnings")),)
    assert lessons.set_aside["unknown-topic"] == 1


def test_a_flood_of_one_is_cut() -> None:
    flood = [DocumentFeedback(f"f{at}", "mallory", 0, "positive", text=f"flood number {at}") for at in range(5_000)]
    honest = [word(at, row, by=f"p{at % 8}") for at, row in enumerate(ROWS)]
    lessons = choose([replace_stars(one, None) for one in SAMPLES], [*flood, *honest], TAXONOMIES, most_of_one=0.25)  # type: ignore[arg-type]
    every = [*lessons.learn, *lessons.anchors, *lessons.recent]
    share = sum(one.giver == "mallory" for one in every) / len(every)
    assert share <= 0.26
    assert sum(one.giver != "mallory" for one in every) == len(ROWS)


def test_what_is_learnt_already_or_judged_by_elsewhere_is_not_learnt() -> None:
    lessons = chosen()
    first, second = lessons.learn[0], lessons.learn[1]
    again = chosen(learnt={first.id}, own_anchors=[second.example.text.upper()])
    assert {first.id, second.id} & {one.id for one in again.learn} == set()
    assert len(again.learn) == len(lessons.learn) - 2


def test_the_latest_to_judge_by_are_those_drawn_blindly() -> None:
    from trainer.cycle import choosing

    rows = [replace(one, random=at % 2 == 0) for at, one in enumerate(chosen().learn)]
    kept = choosing._latest(rows * 12)
    assert len(kept) == choosing.MOST_RECENT
    assert sum(one.random for one in kept) == min(choosing.MOST_RECENT, 12 * sum(one.random for one in rows))
