"""What a client is told, and when: alerts, words, documents, each once and in its last state."""

from __future__ import annotations

import random

import msgspec
import pytest

from streams.page.board import MOST_ALERTS, Board
from streams.page.sentiments import Heard, Sentiments, heard
from streams.records import AlertFeedback, Annotation, SentimentProbs
from streams.watch.series import observe
from tests.streams.notify.receiving import transition
from tests.streams.page.newsroom import DAY, HOUR, MONDAY, Newsroom


def word(verdict: str, at_ms: int = 1, alert_id: str = "a1") -> AlertFeedback:
    return AlertFeedback(alert_id, verdict, "ada", "", at_ms)  # type: ignore[arg-type]


def test_a_client_is_told_only_what_is_new() -> None:
    board = Board()
    board.take(transition(alert_id="a1"))
    first = board.since(-1)
    assert [shown.alert.alert_id for shown in first.alerts] == ["a1"]
    assert board.since(first.version).alerts == []
    board.take(transition(alert_id="a2", series="entity:bolt"))
    assert [shown.alert.alert_id for shown in board.since(first.version).alerts] == ["a2"]


def test_an_alert_keeps_its_steps_and_an_old_transition_changes_nothing() -> None:
    board = Board()
    board.take(transition(sequence=1))
    board.take(transition(sequence=2, state="resolved", reason="quiet", ends_at="2026-11-22T09:00:00Z"))
    version = board.version
    board.take(transition(sequence=1))
    [shown] = board.since(-1).alerts
    assert board.version == version
    assert [(step.state, step.at) for step in shown.steps] == [
        ("firing", "2026-11-22T07:15:00Z"),
        ("resolved", "2026-11-22T09:00:00Z"),
    ]
    assert not shown.standing


def test_what_nobody_is_told_of_is_not_shown() -> None:
    board = Board()
    board.take(transition(state="pending"))
    board.take(transition(state="resolved", reason="lapsed"))
    assert board.since(-1).alerts == []


def test_an_annotation_joins_its_alert_and_outlives_the_next_transition() -> None:
    board, note = Board(), Annotation("world", "both hear it", "r1")
    board.take(transition(sequence=1))
    board.take(msgspec.structs.replace(transition(sequence=1), revision=1, annotation=note, transition_id="x"))
    board.take(transition(sequence=2, state="recovering"))
    [shown] = board.since(-1).alerts
    assert (shown.alert.state, shown.alert.annotation, len(shown.steps)) == ("recovering", note, 2)


def test_words_count_whether_they_come_before_or_after_the_alert() -> None:
    board = Board()
    board.hear(word("dismiss"))
    board.take(transition(alert_id="a1"))
    board.take(transition(alert_id="a2", series="entity:bolt"))
    board.hear(word("acknowledge", alert_id="a2"))
    shown = {each.alert.alert_id: each for each in board.since(-1).alerts}
    assert [said.verdict for said in shown["a1"].said] == ["dismiss"]
    assert [said.verdict for said in shown["a2"].said] == ["acknowledge"]
    assert (shown["a1"].standing, shown["a2"].standing) == (False, True)


def test_of_two_words_of_a_kind_the_last_counts_in_whatever_order_they_come() -> None:
    board = Board()
    board.take(transition())
    for at_ms in (5, 3):
        board.hear(word("confirm", at_ms))
    [shown] = board.since(-1).alerts
    assert [said.at_ms for said in shown.said] == [5]


def test_a_company_speaks_for_its_parts_until_it_is_dismissed() -> None:
    board = Board()
    board.take(transition(alert_id="part", series="entity:acme|topic:Recall"))
    board.take(transition(alert_id="whole", series="entity:acme"))
    assert board.standing == 1
    assert {each.alert.alert_id: each.spoken_for_by for each in board.since(-1).alerts} == {
        "part": "whole",
        "whole": "",
    }
    before = board.version
    board.hear(word("dismiss", alert_id="whole"))
    assert {each.alert.alert_id: each.spoken_for_by for each in board.since(before).alerts} == {"part": "", "whole": ""}


def test_the_oldest_that_are_over_make_room_and_the_client_is_told() -> None:
    board = Board()
    board.take(transition(alert_id="stands", series="entity:first"))
    for number in range(MOST_ALERTS):
        board.take(transition(alert_id=f"over{number}", series=f"entity:{number}", state="resolved", sequence=2))
    frame = board.since(0)
    assert frame.gone == ["over0"]
    assert board.knows("stands")
    assert len(board.since(-1).alerts) == MOST_ALERTS


def test_documents_are_counted_toward_what_they_speak_of_in_languages_the_release_reads() -> None:
    room = Newsroom()
    told = [room.document("acme", mood, MONDAY, topic="Recall") for mood in ("negative", "negative", "positive")]
    foreign = msgspec.structs.replace(room.document("acme", "negative", MONDAY), lang="de")
    found = heard([*told, foreign], ("en",))
    assert {name: mix for (name, _), mix in found.mixes.items()} == {
        "stream:news": [2, 0, 1],
        "topic:Recall": [2, 0, 1],
        "entity:acme": [2, 0, 1],
        "entity:acme|topic:Recall": [2, 0, 1],
    }
    assert len(found.documents) == 4


@pytest.mark.parametrize("count_unknown_language", [False, True])
def test_the_page_and_the_watcher_count_a_document_alike(count_unknown_language: bool) -> None:
    room, chance = Newsroom(), random.Random(3)
    documents = []
    for number in range(200):
        told = room.document("acme", chance.choice(["negative", "neutral", "positive"]), MONDAY, topic="Recall")
        named = [
            msgspec.structs.replace(
                told.entities[0], sentiment="neutral", sentiment_probs=SentimentProbs(p, 0.2, 0.8 - p)
            )
            for p in (chance.randrange(81) / 100 for _ in range(chance.randrange(4)))
        ]  # the last mention says nothing of the others
        documents.append(msgspec.structs.replace(told, entities=tuple(named), lang="de" if number % 5 == 0 else "en"))
    counted: dict[str, list[int]] = {}
    for document in documents:
        for series, _, negative in observe(document, ("en",), count_unknown_language):
            both = counted.setdefault(series, [0, 0])
            both[0] += negative
            both[1] += 1
    found = heard(documents, ("en",), count_unknown_language).mixes
    assert {name: [mix[0], sum(mix)] for (name, _), mix in found.items()} == counted
    assert counted["entity:acme"][0] not in (0, counted["entity:acme"][1])


def test_the_mix_is_that_of_the_last_day_of_the_stream() -> None:
    sentiments = Sentiments()
    hour = MONDAY // HOUR
    sentiments.add([(("entity:acme", hour), [5, 0, 0]), (("entity:acme", hour + 1), [0, 1, 0])])
    sentiments.add([(("entity:acme", hour), [1, 0, 0])])
    assert sentiments.of("entity:acme") == [6, 1, 0]
    sentiments.add([(("entity:bolt", hour + DAY // HOUR), [0, 0, 1])])
    assert sentiments.of("entity:acme") == [0, 1, 0]


def test_series_beyond_the_bound_are_not_counted() -> None:
    sentiments = Sentiments(most_series=1)
    assert sentiments.add([(("a", 1), [1, 0, 0]), (("b", 1), [1, 0, 0])]) == {"a"}
    assert sentiments.of("b") == [0, 0, 0]


def test_a_web_address_is_a_link_and_nothing_else_is() -> None:
    room = Newsroom()
    urls = ("https://a.example/x", "javascript:alert(1)", "data:text/html,x", "//evil.example", "https://" + "x" * 3000)
    told = heard([room.document("acme", "neutral", MONDAY, url=url) for url in urls], ("en",)).documents
    assert [one.url for one in told] == [urls[0], "", "", "", ""]


def test_only_the_last_documents_of_a_burst_are_shown() -> None:
    board, room = Board(), Newsroom()
    for _ in range(10):
        board.count(heard([room.document("acme", "neutral", MONDAY) for _ in range(30)], ("en",)))
    shown = board.since(-1).documents
    assert len(shown) == 40
    assert shown[-1].id == "d300"
    assert board.since(board.version).documents == []


def test_nothing_heard_is_no_news() -> None:
    board = Board()
    board.count(Heard({}, ()))
    assert board.version == 0
