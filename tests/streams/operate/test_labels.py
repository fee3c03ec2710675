"""A file of labels as what travels: one word of a person on each document, and every bad line by its number."""

from __future__ import annotations

import json

from streams.lessons import DocumentFeedback
from streams.operate.labels import LONGEST_TEXT, labels
from streams.records import encode
from streams.verdicts import read_feedback


def read(*rows: object) -> list[DocumentFeedback | str]:
    data = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    return [found for _, found in labels(data, "ann", 7)]


def test_a_label_names_a_document_or_brings_its_text() -> None:
    by_id, by_text = read(
        {"id": "d1", "sentiment": "negative", "by": "bob"},
        {"text": "Margins fell again", "sentiment": "negative", "topic": "Earnings", "note": "clear"},
    )
    assert isinstance(by_id, DocumentFeedback)
    assert isinstance(by_text, DocumentFeedback)
    assert (by_id.id, by_id.by, by_id.at_ms, by_id.key) == ("d1", "bob", 7, b"d1:label:bob")
    assert (by_text.by, by_text.topics, by_text.text) == ("ann", {"finance": "Earnings"}, "Margins fell again")
    (again,) = read({"text": "Margins fell again", "sentiment": "positive"})
    assert isinstance(again, DocumentFeedback)
    assert again.id == by_text.id, "the same text is the same document"


def test_what_cannot_be_a_label_is_named_by_its_line() -> None:
    data = (
        b'{"id": "a", "sentiment": "negative"}\n\nnonsense\n{"sentiment": "negative"}\n{"id": "a", "sentiment": "bad"}'
    )
    found = dict(labels(data, "ann", 0))
    assert sorted(found) == [1, 3, 4, 5]
    assert [isinstance(found[line], str) for line in (1, 3, 4, 5)] == [False, True, True, True]
    assert "neither the id" in str(found[4])


def test_what_people_write_is_bounded_and_harmless() -> None:
    (found,) = read({"text": "x" * 9_000, "by": "a\x1b[31m\nb" * 99, "sentiment": "neutral"})
    assert isinstance(found, DocumentFeedback)
    assert len(found.text) == LONGEST_TEXT
    assert "\x1b" not in found.by
    assert len(found.by) <= 100


def test_words_on_documents_are_none_on_alerts() -> None:
    (found,) = read({"id": "d1", "sentiment": "negative"})
    assert isinstance(found, DocumentFeedback)
    assert read_feedback([encode(found)]) == []
