from __future__ import annotations

import base64
from dataclasses import dataclass, field

import numpy as np
import pytest

from streams.errors import SettingsError
from streams.records import Document, Mention, Origin, SentimentProbs, TopicCall, encode
from streams.scored import Reading, scored_documents, spans_of
from streams.settings import StreamSettings

LABELS = ("Earnings", "Legal", "Other")
READING = Reading("r1", {"finance": LABELS, "mood": ("a", "b")}, {"news": "finance"})


@dataclass
class Arrays:
    sentiment: np.ndarray
    topics: dict[str, np.ndarray]
    entities: list[np.ndarray]
    embedding: np.ndarray = field(default_factory=lambda: np.linspace(-1, 1, 8, dtype=np.float32)[None].repeat(2, 0))


def document(name: str, *mentions: Mention, stream: str = "news") -> Document:
    origin = Origin("news", 0, 1)
    return Document(name, origin, stream, 5, "title", "text", "heard", "en", 0xABC, mentions=mentions)


@pytest.fixture
def arrays() -> Arrays:
    return Arrays(
        np.array([[0.70004, 0.2, 0.09996], [0.33333333, 0.33333334, 0.33333333]], np.float32),
        {
            "finance": np.array([[0.1, 0.8, 0.1], [0.4, 0.3, 0.3]], np.float32),
            "mood": np.array([[0.9, 0.1], [0.2, 0.8]], np.float32),
        },
        [np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]], np.float32), np.zeros((0, 3), np.float32)],
    )


DOCUMENTS = [document("a", Mention("Kite", "kite", 0, 4, 0, 4), Mention("Acme", "acme")), document("b")]


def test_probabilities_are_rounded_and_the_winner_named(arrays: Arrays) -> None:
    scored = scored_documents(DOCUMENTS, arrays, READING)[0]
    assert (scored.sentiment, scored.sentiment_probs) == ("negative", SentimentProbs(0.7, 0.2, 0.1))


def test_noise_in_the_last_bit_moves_no_label(arrays: Arrays) -> None:
    arrays.sentiment[1] = arrays.sentiment[1, ::-1] + np.float32(1e-7)
    assert scored_documents(DOCUMENTS, arrays, READING)[1].sentiment == "negative"


def test_the_topic_is_that_of_the_streams_taxonomy(arrays: Arrays) -> None:
    scored = scored_documents(DOCUMENTS, arrays, READING)[0]
    assert (scored.topic, scored.topics) == ("Legal", {"finance": TopicCall("Legal", 0.8), "mood": TopicCall("a", 0.9)})


def test_a_stream_without_a_taxonomy_has_no_topic(arrays: Arrays) -> None:
    documents = [DOCUMENTS[0], document("c", stream="else")]
    assert scored_documents(documents, arrays, READING)[1].topic == ""


def test_entities_keep_their_places_and_get_their_own_sentiment(arrays: Arrays) -> None:
    entities = scored_documents(DOCUMENTS, arrays, READING)[0].entities
    assert [(e.id, e.start, e.end, e.sentiment) for e in entities] == [
        ("kite", 0, 4, "positive"),
        ("acme", None, None, "negative"),
    ]


def test_a_repeat_encodes_to_the_same_bytes(arrays: Arrays) -> None:
    first, again = (encode(scored_documents(DOCUMENTS, arrays, READING)[0]) for _ in range(2))
    assert first == again


def test_the_signature_is_sixteen_hex_digits(arrays: Arrays) -> None:
    assert scored_documents(DOCUMENTS, arrays, READING)[0].signature == "0000000000000abc"


def test_embeddings_are_left_out_unless_asked_for(arrays: Arrays) -> None:
    assert scored_documents(DOCUMENTS, arrays, READING)[0].embedding is None


def test_an_embedding_is_little_endian_half_precision(arrays: Arrays) -> None:
    reading = Reading(READING.release, READING.taxonomies, READING.main, embeddings=True)
    packed = scored_documents(DOCUMENTS, arrays, reading)[0].embedding
    assert packed is not None
    assert np.allclose(np.frombuffer(base64.b64decode(packed), "<f2"), arrays.embedding[0], atol=1e-3)


def test_an_empty_slab_has_no_records() -> None:
    empty = Arrays(np.zeros((0, 3), np.float32), {"finance": np.zeros((0, 3), np.float32)}, [])
    assert scored_documents([], empty, Reading("r1", {"finance": LABELS}, {})) == []


def test_spans_are_those_of_the_heard_text() -> None:
    assert spans_of(document("a", Mention("Kite", "kite", 5, 9, 3, 7), Mention("Acme", "acme"))) == [(3, 7), None]


@dataclass
class Release:
    release: str = "r1"
    taxonomies: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"finance": LABELS})


def test_each_stream_reads_its_own_taxonomy() -> None:
    assert Reading.of(Release(), {"news": StreamSettings(topic="n")}).main == {"news": "finance"}


def test_a_taxonomy_that_the_release_lacks_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"streams\.reviews\.taxonomy.*'moods'.*finance"):
        Reading.of(Release(), {"reviews": StreamSettings(topic="r", taxonomy="moods")})
