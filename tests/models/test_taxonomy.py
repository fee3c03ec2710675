"""Topics of one's own: heard from descriptions, better from examples, and nothing else of the release changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import MislabelledReleaseError, ReleaseError
from models.registry import Registry
from models.scorer import Scorer
from models.taxonomy import OTHER, Topic, add_taxonomy, read_topics

TOPICS = (
    Topic("Outages", "outage or breach", ("another outage", "a breach and a leak")),
    Topic("Awards", "award and praise", ("an award for Acme", "praised, and a prize won")),
)


def taught(registry: Registry, topics: tuple[Topic, ...] = TOPICS) -> Path:
    with registry.staging() as staged:
        add_taxonomy(registry.resolve("tiny"), "mine", topics, staged, version="tiny-2")
        return registry.publish(staged, reason="own topics")


def test_texts_find_their_topic_or_none(registry: Registry) -> None:
    scorer = Scorer.load(taught(registry))
    assert scorer.taxonomies["mine"] == (OTHER, "Outages", "Awards")
    said = scorer.score(["outage at Acme", "praised and an award", "It is Tuesday"]).topics["mine"]
    assert said.argmax(1).tolist() == [1, 2, 0]
    assert np.allclose(said.sum(1), 1)


def test_a_description_alone_is_enough(registry: Registry) -> None:
    scorer = Scorer.load(
        taught(registry, (Topic("Outages", "outage breach leak"), Topic("Awards", "award praise won")))
    )
    assert scorer.score(["a breach , a leak", "an award won"]).topics["mine"].argmax(1).tolist() == [1, 2]


def test_everything_else_stays_to_the_bit(registry: Registry) -> None:
    texts = ["Acme shares plunge after fraud probe", "A great day"]
    before, after = (Scorer.load(place).score(texts) for place in (registry.resolve("tiny"), taught(registry)))
    assert np.array_equal(before.sentiment, after.sentiment)
    assert np.array_equal(before.topics["finance"], after.topics["finance"])
    manifest = registry.manifest("tiny-2")
    assert (manifest.version, manifest.parent) == ("tiny-2", "tiny")


def test_a_name_is_taken_once(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(MislabelledReleaseError, match="already"):
        add_taxonomy(registry.resolve("tiny"), "finance", TOPICS, tmp_path, version="tiny-2")
    with pytest.raises(ReleaseError, match="version"):
        add_taxonomy(registry.resolve("tiny"), "../x", TOPICS, tmp_path, version="tiny-2")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "topic = 3",
        '[[topic]]\nname = "Other"',
        '[[topic]]\nname = "A"\n[[topic]]\nname = "A"',
        '[[topic]]\nname = " "',
        '[[topic]]\nname = "A"\nexample = ["x"]',
        f'[[topic]]\nname = "A"\nexamples = {["x"] * 21}',
        "\x00",
    ],
)
def test_a_file_that_tells_no_topics_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "topics.toml").write_text(content)
    with pytest.raises(MislabelledReleaseError, match=r"topics\.toml"):
        read_topics(tmp_path / "topics.toml")


def test_a_file_of_topics_is_read(tmp_path: Path) -> None:
    (tmp_path / "topics.toml").write_text('[[topic]]\nname = "Delays"\ndescription = "late"\nexamples = ["late again"]')
    assert read_topics(tmp_path / "topics.toml") == (Topic("Delays", "late", ("late again",)),)
