"""What a question finds: by words, by meaning, within what was asked, and what it says it could not look at."""

from __future__ import annotations

import numpy as np
import pytest

from streams.archive.entries import Floats
from streams.archive.questions import Wanted, filters_of
from streams.archive.search import Answer, search
from streams.archive.shelves import SqliteShelves
from streams.archive.store import MARKS, Filters
from streams.errors import InputError
from tests.streams.archive.library import MINUTE, MONDAY, NOW, Room, scored
from tests.streams.notify.receiving import transition

AXES = {"fire": (1, 0, 0, 0), "money": (0, 1, 0, 0), "sport": (0, 0, 1, 0)}


def embed(release: str, text: str) -> Floats | None:
    """A release that knows three things; r2 hears the same in other numbers, r3 is gone."""
    if release == "r3":
        return None
    vector = np.sum([AXES[word] for word in text.split() if word in AXES] or [(0, 0, 0, 1)], axis=0)
    return np.asarray(vector if release == "r1" else -vector[::-1], np.float32)


def meant(*words: str, release: str = "r1") -> Floats:
    found = embed(release, " ".join(words))
    assert found is not None
    return found / np.float32(np.linalg.norm(found))


def asked(room: Room, question: str, filters: Filters = Filters(), **options: object) -> Answer:  # noqa: B008
    with room.open() as shelves:
        return search(shelves, question, filters, embed, **options)  # type: ignore[arg-type]


def ids(answer: Answer) -> list[str]:
    return [found.kept.entry.id for found in answer.found]


def test_all_of_the_words_come_before_any_of_them_and_a_title_before_a_text(room: Room) -> None:
    room.keep(
        scored(1, "Weather", "It recalls the summer."),
        scored(2, "Weather", "Acme recalls kettles, they say, and there is much more to tell of this and that."),
        scored(3, "Acme recalls kettles"),
        scored(4, "Football", "nothing of it"),
    )
    answer = asked(room, "the acme recall", how="words")
    assert ids(answer) == ["d3", "d2", "d1"]
    assert answer.found[0].kept.marked == f"{MARKS[0]}Acme{MARKS[1]} {MARKS[0]}recalls{MARKS[1]} kettles"
    assert ids(asked(room, '"recalls kettles" acme', how="words")) == ["d3", "d2"]
    assert ids(asked(room, "kett*", how="words")) == ["d3", "d2"]
    assert ids(asked(room, "zebra", how="words")) == []


def test_meaning_finds_what_no_word_says_and_both_come_first(room: Room) -> None:
    room.keep(
        scored(1, "Blaze in a kitchen", vector=meant("fire")),
        scored(2, "Ministers meet", vector=meant("money")),
        scored(3, "fire sale of shares", vector=meant("money", "fire")),
        scored(4, "fire alarm prices", vector=meant("money")),
        scored(5, "no embedding"),
    )
    answer = asked(room, "fire")
    assert ids(answer)[:3] == ["d3", "d4", "d1"]
    assert [found.by_words is None for found in answer.found][:3] == [False, False, True]
    assert [found.by_meaning for found in answer.found][::2][:2] == [2, 1]
    assert answer.notes == ["1 documents carry no embedding: found by words only"]
    assert ids(asked(room, "fire", how="meaning"))[:2] == ["d1", "d3"]


def test_each_document_is_compared_in_the_space_of_its_own_release(room: Room) -> None:
    room.keep(
        *(scored(n, f"old {n}", vector=meant("money" if n else "fire")) for n in range(8)),
        *(
            scored(10 + n, f"new {n}", release="r2", vector=meant("sport" if n else "fire", release="r2"))
            for n in range(9)
        ),
        *(scored(30 + n, "lost", release="r3", vector=(1, 0, 0, 0)) for n in range(3)),
        scored(40, "of another width", vector=(1, 0)),
    )
    answer = asked(room, "fire", how="meaning")
    assert set(ids(answer)[:2]) == {"d0", "d10"}, "the one of each release that is about it"
    assert not {"d30", "d31", "d32", "d40"} & set(ids(answer))
    assert answer.notes == ["3 documents were embedded by releases that cannot be asked here: found by words only"]


def test_without_any_embedding_words_are_left_and_it_is_said(room: Room) -> None:
    room.keep(scored(1, "Acme recalls kettles"))
    answer = asked(room, "kettles")
    assert ids(answer) == ["d1"]
    assert answer.notes == ["no document carries an embedding (scoring.embeddings is off): found by words only"]
    with pytest.raises(InputError, match="no word"):
        asked(room, "?!", how="words")


def test_what_is_asked_for_narrows_every_way_of_finding(room: Room) -> None:
    for n in range(40):
        room.keep(
            scored(
                n,
                "kettle",
                mood="positive",
                about=[("acme" if n % 2 else "zeta", "negative" if n % 4 == 1 else "neutral")],
                stream="news" if n < 30 else "reviews",
                source="Wire" if n < 20 else "blog",
                vector=meant("fire"),
            )
        )
    narrow = Filters(
        series="entity:acme",
        mood=0,
        stream="news",
        source="wire",
        since_ms=MONDAY + 5 * MINUTE,
        until_ms=MONDAY + 17 * MINUTE,
    )
    for how in ("words", "meaning", "both"):
        assert sorted(ids(asked(room, "kettle fire", narrow, how=how))) == ["d13", "d5", "d9"]
    assert ids(asked(room, "", narrow)) == ["d13", "d9", "d5"], "without a question the newest first"
    assert ids(asked(room, "kettle", Filters(mood=0))) == [], "the documents themselves praise"
    assert len(ids(asked(room, "", Filters(stream="reviews"), most=3))) == 3


def test_an_alert_leads_to_its_documents(room: Room) -> None:
    begin = 1_795_330_800_000  # 2026-11-22T07:00:00Z, where the alert starts
    room.keep(
        scored(1, "before", about=[("acme", "negative")], at_ms=begin - 1),
        scored(2, "kettle burns", about=[("acme", "negative")], at_ms=begin),
        scored(3, "another company", about=[("zeta", "negative")], at_ms=begin),
        scored(4, "after", about=[("acme", "negative")], at_ms=begin + 15 * MINUTE),
        alerts=[transition(alert_id="abc123"), transition(alert_id="abd456")],
    )
    with room.open() as shelves:
        found = filters_of(shelves, Wanted(alert="abc"), {}, NOW)
        assert ids(search(shelves, "", found, embed)) == ["d2"]
        for beginning in ("ab", "zz"):
            with pytest.raises(InputError, match="has no alert"):
                filters_of(shelves, Wanted(alert=beginning), {}, NOW)


def test_alerts_are_found_by_what_they_say(room: Room) -> None:
    room.keep(alerts=[transition(alert_id="one"), transition(alert_id="two", series="entity:zeta", exemplars=())])
    with room.open() as shelves:
        assert [entry.alert.alert_id for entry in shelves.alerts('"kettle"', Filters(), 5)] == ["one"]
        assert [entry.alert.alert_id for entry in shelves.alerts("", Filters(series="entity:zeta"), 5)] == ["two"]
        assert shelves.alerts("", Filters(since_ms=NOW + 400 * 86_400_000), 5) == []


def test_a_company_is_found_by_its_name_and_a_mistake_is_told(room: Room) -> None:
    room.keep(scored(1, about=[("acme", "negative")], topic="Product | Recall"))
    names = {"acme corporation": "acme"}
    with room.open() as shelves:
        assert filters_of(shelves, Wanted(entity="Acme Corporation"), names, NOW).series == "entity:acme"
        both = filters_of(shelves, Wanted(entity="ACME", topic="product | recall"), names, NOW)
        assert both.series == "entity:acme|topic:Product / Recall"
        with pytest.raises(InputError, match="has nothing of"):
            filters_of(shelves, Wanted(entity="nobody"), names, NOW)
        with pytest.raises(InputError, match="is no time"):
            filters_of(shelves, Wanted(since="yesterday"), names, NOW)
        with pytest.raises(InputError, match="sentiment is one of"):
            filters_of(shelves, Wanted(sentiment="angry"), names, NOW)
        assert filters_of(shelves, Wanted(since="2h"), names, NOW).since_ms == NOW - 7_200_000


def test_a_question_that_takes_too_long_is_given_up_and_meaning_tells_what_it_saw(room: Room) -> None:
    room.keep(*(scored(n, text="kettle " * 50, vector=meant("fire")) for n in range(3_000)))
    with SqliteShelves(room.path, seconds=0.0) as shelves:
        with pytest.raises(InputError, match="took longer"):
            shelves.matching('"kettle"', Filters(), 10)
        assert not shelves.nearest("r1", meant("fire"), Filters(), 10).whole


def test_the_nearest_of_many_blocks_are_those_of_all(room: Room) -> None:
    draw = np.random.default_rng(5)
    table = draw.normal(0, 1, (9_000, 16)).astype(np.float32)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    room.keep(*(scored(n, "x", "y", vector=row) for n, row in enumerate(table)))
    wanted = draw.normal(0, 1, 16).astype(np.float32)
    with room.open() as shelves:
        near = shelves.nearest("r1", wanted, Filters(), 20)
        found = [kept.entry.id for kept in shelves.fetch(near.numbers.tolist())]
    cosines = table @ wanted / np.linalg.norm(wanted)
    best = np.argsort(-cosines)
    assert len({f"d{n}" for n in best[:20]} & set(found)) >= 19, "a byte a number is enough"
    assert near.seen == 9_000
    assert near.mean == pytest.approx(cosines.mean(), abs=0.01)
    assert near.deviation == pytest.approx(cosines.std(), abs=0.01)


def test_there_is_nothing_to_search_without_an_archive(room: Room) -> None:
    with pytest.raises(InputError, match="there is no archive"):
        SqliteShelves(room.path.with_name("none.sqlite"))
