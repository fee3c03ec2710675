"""The sample stream: the same for a seed everywhere, small, believable, and known to the demo alone."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from streams.demo.grammar import PHRASES, bank, say
from streams.demo.sample import DAWN_HOURS, DAY, DUSK_HOURS, SampleRecord, history
from streams.demo.stories import CASCADE_COPIES, STORIES, Story, today

ROOT = Path(__file__).parents[3]
DAWN_MS = (DAY + timedelta(hours=DAWN_HOURS)).timestamp() * 1000
DUSK_MS = (DAY + timedelta(hours=DUSK_HOURS)).timestamp() * 1000


@pytest.fixture(scope="module")
def quiet() -> list[SampleRecord]:
    return history()


@pytest.fixture(scope="module")
def day() -> list[SampleRecord]:
    return today()


def told(records: list[SampleRecord], story: str) -> list[dict[str, object]]:
    return [json.loads(record.value) for record in records if record.story == story]


def published_ms(fields: dict[str, object]) -> float:
    at = fields["published_at"]
    return (datetime.fromisoformat(at).timestamp() if isinstance(at, str) else float(str(at))) * 1000


def test_a_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert history(3, days=2) == history(3, days=2)
    assert today(3) == today(3)
    assert today(3) != today(4)


def test_the_quiet_part_ends_where_the_day_begins(quiet: list[SampleRecord], day: list[SampleRecord]) -> None:
    assert max(record.arrives_ms for record in quiet) <= DAWN_MS + 40_000
    assert {record.story for record in quiet} == {"background"}
    assert all(DAWN_MS <= record.arrives_ms <= DUSK_MS + 60_000 for record in day)


def test_records_arrive_in_order_and_at_most_forty_seconds_after_they_were_published(day: list[SampleRecord]) -> None:
    assert [record.arrives_ms for record in day] == sorted(record.arrives_ms for record in day)
    late = [record.arrives_ms - published_ms(json.loads(record.value)) for record in day if record.story != "malformed"]
    assert min(late) >= 0
    assert max(late) <= 42_000  # the grace is 60 s


def test_ids_are_unique(quiet: list[SampleRecord], day: list[SampleRecord]) -> None:
    ids = [record.id for record in quiet + day]
    assert len(set(ids)) == len(ids)


def test_nights_and_weekends_are_quieter_for_news(quiet: list[SampleRecord]) -> None:
    times = [datetime.fromtimestamp(record.arrives_ms / 1000, UTC) for record in quiet if record.stream == "news"]
    by_hour = Counter(time.hour for time in times)
    assert sum(by_hour[hour] for hour in range(0, 4)) * 4 < sum(by_hour[hour] for hour in range(8, 12))
    by_day = Counter(time.weekday() for time in times)
    assert max(by_day[5], by_day[6]) * 3 < min(by_day[weekday] for weekday in (1, 2, 3)) * 2


def test_the_background_is_mostly_not_negative_and_varied(quiet: list[SampleRecord]) -> None:
    reviews = [json.loads(record.value) for record in quiet if record.stream == "reviews"]
    assert 0.1 < sum(review["stars"] <= 2 for review in reviews) / len(reviews) < 0.35
    texts = [review["text"] for review in reviews]
    assert len(set(texts)) / len(texts) > 0.85


def test_the_recall_is_many_voices_and_nearly_all_of_them_angry(day: list[SampleRecord]) -> None:
    recall = told(day, "recall")
    reviews = [item for item in recall if "stars" in item]
    assert len(reviews) > 100
    assert all(int(str(item["stars"])) <= 2 for item in reviews)
    assert len({item["text"] for item in reviews}) / len(reviews) > 0.98
    titles = {item["title"] for item in recall if "title" in item}
    assert len(titles) > 40
    first = min(published_ms(item) for item in recall)
    assert first > DAWN_MS + 30 * 60_000  # quiet comes before


def test_the_launch_is_as_loud_as_the_recall_but_glad(day: list[SampleRecord]) -> None:
    launch = told(day, "launch")
    assert len(launch) > 0.6 * len(told(day, "recall"))
    assert all(int(str(item["stars"])) >= 4 for item in launch if "stars" in item)


def test_the_cascade_is_one_story_in_many_papers(day: list[SampleRecord]) -> None:
    cascade = told(day, "cascade")
    assert len(cascade) == CASCADE_COPIES + 1
    assert len({item["title"] for item in cascade}) == 1
    assert len({item["source"] for item in cascade}) > 30
    assert len({item["url"] for item in cascade}) > 30


def test_the_shift_brings_words_nobody_wrote_before(quiet: list[SampleRecord], day: list[SampleRecord]) -> None:
    before = " ".join(record.value.decode() for record in quiet).lower()
    fresh = [word for word in bank("today")["shift"]["words"] if word.lower() not in before]
    assert len(fresh) == len(bank("today")["shift"]["words"])
    stars = [int(str(item["stars"])) for item in told(day, "shift") if "stars" in item]
    assert sum(star >= 4 for star in stars) > sum(star <= 2 for star in stars)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_each_story_is_in_the_day_and_names_its_company(day: list[SampleRecord], story: Story) -> None:
    companies = {record.company for record in day if record.story == story.name}
    assert companies == {story.company}


def test_every_template_can_be_said() -> None:
    """No template asks for a slot that nobody fills, no brackets are left over."""
    slots = dict.fromkeys(
        ["company", "short", "product", "field", "boss", "financier", "other", "fine", "word"], "x"
    ) | dict.fromkeys(["injured", "recalled", "crash"], "9")
    rng = Random(1)

    def lines(value: object) -> list[str]:
        if isinstance(value, str):
            return [value]
        if isinstance(value, dict):
            value = list(value.values())
        return [line for part in value for line in lines(part)] if isinstance(value, list) else []

    for name in ("news", "reviews", "today", "elsewhere"):
        for template in lines(bank(name)):
            assert not set(say(template, slots, rng)) & set("[]{}|"), template


def test_the_sample_in_git_is_small() -> None:
    assert sum(path.stat().st_size for path in PHRASES.parent.rglob("*") if path.suffix in (".py", ".toml")) < 300_000


def test_nothing_outside_the_demo_knows_the_sample() -> None:
    names = [company["short"] for company in bank("companies").values()]
    rooms = [path for room in ("streams", "models", "trainer") for path in (ROOT / room).rglob("*.py")]
    code = [path for path in [*rooms, ROOT / "tocsin.py"] if PHRASES.parent not in path.parents]
    assert len(code) > 5
    for path in code:
        text = path.read_text(encoding="utf-8")
        assert not [name for name in names if name in text], path
        assert "streams.demo" not in text or path.name == "tocsin.py", path
