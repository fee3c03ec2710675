"""Topics: names and places that other programs rely on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.records import Origin
from streams.topics import Topics, error_headers, partition_of

TABLE = Topics("tocsin", ["news", "reviews"])


def test_names_and_cleanup_policies_are_the_published_ones() -> None:
    assert {topic.name: topic.cleanup for topic in TABLE.all()} == {
        "news": "delete",
        "reviews": "delete",
        "tocsin.scored.v1": "delete",
        "tocsin.observations.v1": "delete",
        "tocsin.alerts.v1": "compact",
        "tocsin.state.v1": "compact",
        "tocsin.drift.v1": "delete",
        "tocsin.drift-samples.v1": "delete",
        "tocsin.feedback.v1": "compact",
        "tocsin.releases.v1": "compact",
        "tocsin.news.dlq": "delete",
        "tocsin.reviews.dlq": "delete",
    }


def test_a_group_is_named_after_prefix_and_role() -> None:
    assert TABLE.group("score") == "tocsin-score"


@pytest.mark.parametrize(("series", "partition"), [("entity:acme", 3), ("topic:Earnings", 4), ("stream:news", 6)])
def test_the_partition_of_a_series_never_changes_between_versions(series: str, partition: int) -> None:
    assert partition_of(series, 7) == partition


@given(st.text(min_size=1).filter(lambda name: "|" not in name), st.text(), st.integers(1, 64))
def test_an_entity_and_its_topics_live_in_one_partition(entity: str, topic: str, partitions: int) -> None:
    root = f"entity:{entity}"
    assert partition_of(root, partitions) == partition_of(f"{root}|topic:{topic}", partitions)


def test_dead_letters_carry_connect_s_headers() -> None:
    headers = dict(error_headers(Origin("news", 3, 42), "decode", "DecodeError", "not JSON"))
    assert headers == {
        "__connect.errors.topic": b"news",
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"42",
        "__connect.errors.stage": b"decode",
        "__connect.errors.exception.class.name": b"DecodeError",
        "__connect.errors.exception.message": b"not JSON",
    }


@given(st.text())
def test_any_error_text_fits_a_header(text: str) -> None:
    headers = dict(error_headers(Origin("news", 0, 0), "decode", "E", text + "\ud800"))
    assert len(headers["__connect.errors.exception.message"].decode()) <= 500 * 6
