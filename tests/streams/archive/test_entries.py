"""What of a document and of an alert is kept, and what is not."""

from __future__ import annotations

import doctest

import msgspec
import numpy as np
import pytest

from streams.archive import entries
from streams.archive.entries import alert_entry, entry_of, pack, unpack_record
from streams.records import Annotation
from tests.streams.archive.library import NOW, encoded, scored
from tests.streams.notify.receiving import transition


def test_what_names_a_person_is_masked_and_what_is_watched_is_not() -> None:
    document = scored(
        1,
        "@jane on Acme",
        "@jane: call +49 (30) 1234-5678 or jane@example.org",
        source="@jane",
        about=[("acme", "negative")],
    )
    kept = entry_of(document, NOW)
    assert (kept.title, kept.source) == ("[user] on Acme", "[user]")
    assert kept.text == "[user]: call [number] or [email]"
    assert kept.rest.entities == (("acme", "Acme", "negative"),)
    assert entry_of(document, NOW, masked=False).text == document.text


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://example.org/a?id=7", "https://example.org/a?id=7"),
        ("https://jane:secret@example.org/", ""),
        ("https://example.org/u/jane%40example.org", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_an_address_is_kept_unless_it_tells_of_a_person_or_is_none(url: str, kept: str) -> None:
    assert entry_of(scored(1, url=url), NOW).rest.url == kept


def test_the_mood_is_toward_the_company_in_its_series_and_the_documents_elsewhere() -> None:
    kept = entry_of(scored(1, mood="positive", about=[("acme", "negative")]), NOW)
    assert dict(kept.series) == {
        "entity:acme": 0,
        "entity:acme|topic:Earnings": 0,
        "topic:Earnings": 2,
        "stream:news": 2,
    }
    assert kept.mood == 2


def test_a_packed_vector_points_where_it_pointed() -> None:
    draw = np.random.default_rng(3)
    for _ in range(50):
        vector = draw.normal(0, 1, 384).astype(np.float32)
        vector /= np.linalg.norm(vector)
        packed = pack(unpack_record(encoded(vector)))
        assert packed is not None
        back = np.frombuffer(packed, np.int8).astype(np.float32)
        assert back @ vector / np.linalg.norm(back) > 0.9998


@pytest.mark.parametrize("broken", ["!!", "AAA", encoded([1.0, np.inf]), encoded(np.ones(5_000)), encoded([0.0, 0.0])])
def test_an_embedding_that_is_none_is_left_out(broken: str) -> None:
    document = msgspec.structs.replace(scored(1), embedding=broken)
    assert entry_of(document, NOW).vector is None


def test_of_an_incident_the_last_state_is_kept_with_what_a_model_said() -> None:
    firing, resolved = (transition(sequence=n, state=state) for n, state in ((1, "firing"), (3, "resolved")))
    note = Annotation("world", "both hear it", "r1")
    told_again = msgspec.structs.replace(firing, revision=1, annotation=note)
    assert alert_entry(transition(state="pending"), NOW) is None
    first = alert_entry(firing, NOW)
    assert first is not None
    annotated = alert_entry(told_again, NOW, first.alert)
    assert annotated is not None
    assert alert_entry(told_again, NOW, annotated.alert) is None
    last = alert_entry(resolved, NOW, annotated.alert)
    assert last is not None
    assert (last.alert.state, last.alert.annotation) == ("resolved", note)
    assert alert_entry(firing, NOW, last.alert) is None, "what came before is no news"


def test_an_alert_is_masked_like_its_documents() -> None:
    firing = transition(summary="12 negative, such as @jane at jane@example.org")
    one = msgspec.structs.replace(firing.exemplars[0], title="@jane is angry")
    kept = alert_entry(msgspec.structs.replace(firing, exemplars=(one,)), NOW)
    assert kept is not None
    assert kept.alert.summary == "12 negative, such as [user] at [email]"
    assert kept.titles == kept.alert.exemplars[0].title == "[user] is angry"


def test_the_examples_hold() -> None:
    assert doctest.testmod(entries).failed == 0
