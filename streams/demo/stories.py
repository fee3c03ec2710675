"""What happens on the day: a recall that must ring, and three things that must not.

07:40  buyers of a pressure cooker are burned; reviews first, papers from 08:25, the regulator at 10:40
10:00  another company has a triumphant launch: many documents, nearly all glad
12:00  one agency story about a bank's fine is reprinted by dozens of papers: one story, folded
17:30  a new app brings words that the model has never read
now and then a feed sends something that is not a record
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from random import Random
from typing import Any

from streams.demo.grammar import bank, pick, say
from streams.demo.sample import (
    DAWN_HOURS,
    DAY,
    DUSK_HOURS,
    SEED,
    Item,
    SampleRecord,
    article,
    background,
    milliseconds,
    poisson,
    records,
    reprint,
    slots_of,
)


@dataclass(frozen=True)
class Story:
    """One thing that happens, as the verdict needs it."""

    name: str
    company: str
    rings: bool
    told: str


STORIES = (
    Story("recall", "ovenna", True, "pressure cookers burst, a recall follows"),
    Story("launch", "corvane", False, "a triumphant launch: loud, but glad"),
    Story("cascade", "tarnfield", False, "one agency story in dozens of papers"),
    Story("shift", "quorrel", False, "new slang around a new app"),
)

CHAPTERS = (
    (7.0, "an ordinary Tuesday begins"),
    (7.67, "the first buyers of a pressure cooker are burned and write about it"),
    (8.42, "local papers take it up"),
    (10.0, "another company launches a watch, to cheers: just as loud"),
    (10.67, "the regulator steps in, the cookers are recalled"),
    (12.0, "an agency story about a bank's fine is printed by dozens of papers"),
    (17.5, "teenagers find a new app, and new words for it"),
)
"""What the demo says when the hour comes."""

# (hour of the day, documents in a quarter of an hour from then on)
RECALL_REVIEWS = ((7.67, 2.5), (8.25, 5), (9.0, 7), (10.5, 11), (13.0, 6), (14.5, 2.5), (16.0, 0.6), (18.0, 0))
RECALL_NEWS = ((8.42, 1.2), (9.0, 2), (10.67, 6), (13.0, 3), (15.0, 1), (17.0, 0.3), (19.0, 0))
LAUNCH_NEWS = ((10.0, 14), (11.0, 9), (13.0, 5), (15.0, 2), (17.0, 0.5), (19.0, 0))
LAUNCH_REVIEWS = ((10.5, 4), (12.0, 8), (15.0, 6), (18.0, 3), (20.0, 1))
SHIFT = ((17.5, 3), (18.5, 4.5), (20.0, 4))
CASCADE_HOUR = 12.0
CASCADE_COPIES = 64
REGULATOR_HOUR = 10.67


def today(seed: int = SEED, day: datetime = DAY) -> list[SampleRecord]:
    """The day's records from dawn to dusk, ordered by arrival."""
    rng = Random(f"today {seed}")  # noqa: S311 - a sample, not a secret
    dawn, dusk = day + timedelta(hours=DAWN_HOURS), day + timedelta(hours=DUSK_HOURS)
    items = chain(background(dawn, dusk, rng), recall(day, rng), launch(day, rng), cascade(day, rng), shift(day, rng))
    good = records((item for item in items if item.at < dusk), "d", rng)
    return sorted([*good, *malformed(day, rng)], key=lambda record: record.arrives_ms)


def recall(day: datetime, rng: Random) -> Iterator[Item]:
    """The crisis: complaints, then papers, then the regulator and the market, with reprints."""
    phrases, company = bank("today")["recall"], bank("companies")["ovenna"]
    names = bank("names")
    for at in _times(day, RECALL_REVIEWS, rng):
        slots = _recall_slots(at - day, rng)
        words = [
            *pick(phrases["shouts"], 1, slots, rng),
            *pick(phrases["complaints"], rng.choice([2, 2, 3]), slots, rng),
        ]
        fields = {
            "text": " ".join(words),
            "stars": rng.choice([1, 1, 1, 1, 2]),
            "product": "Ovenna SteamPro 6",
            "brand": company["name"],
            "source": rng.choice(names["review_sources"]),
        }
        yield Item("reviews", at, fields, "recall", "ovenna")
    for at in _times(day, RECALL_NEWS, rng):
        slots = _recall_slots(at - day, rng)
        stage = "late" if at >= day + timedelta(hours=REGULATOR_HOUR) else "early"
        title = say(rng.choice(phrases[stage]), slots, rng)
        body = pick(phrases[f"{stage}_body"], rng.choice([2, 3, 3]), slots, rng)
        fields = article(title, body, rng.choice(names["news_sources"]), slots, company["ticker"])
        item = Item("news", at, fields, "recall", "ovenna")
        yield item
        if rng.random() < 0.3:
            for source in rng.sample(names["small_sources"], rng.randint(1, 6)):
                yield reprint(item, source, at + timedelta(minutes=rng.uniform(2, 60)))


def launch(day: datetime, rng: Random) -> Iterator[Item]:
    """The positive burst: as loud as the recall, and nearly all of it glad."""
    phrases, company = bank("today")["launch"], bank("companies")["corvane"]
    names = bank("names")
    for at in _times(day, LAUNCH_NEWS, rng):
        slots = _recall_slots(at - day, rng) | slots_of("corvane", rng)
        title = say(rng.choice(phrases["titles"]), slots, rng)
        body = pick(phrases["bodies"], rng.choice([1, 2, 3]), slots, rng)
        yield Item(
            "news",
            at,
            article(title, body, rng.choice(names["news_sources"]), slots, company["ticker"]),
            "launch",
            "corvane",
        )
    for at in _times(day, LAUNCH_REVIEWS, rng):
        slots = slots_of("corvane", rng)
        fields = {
            "text": " ".join(pick(phrases["remarks"], rng.choice([1, 2, 3]), slots, rng)),
            "stars": rng.choice([5, 5, 5, 4, 4]),
            "product": "Corvane Pulse 4",
            "brand": company["name"],
            "source": rng.choice(names["review_sources"]),
        }
        yield Item("reviews", at, fields, "launch", "corvane")


def cascade(day: datetime, rng: Random) -> Iterator[Item]:
    """One negative agency story and its many reprints, each a little edited."""
    phrases, names = bank("today")["cascade"], bank("names")
    slots = slots_of("tarnfield", rng) | {"fine": "14 million crowns"}
    fields = article(
        say(phrases["title"], slots, rng), [say(line, slots, rng) for line in phrases["text"]], "Meridian Wire", slots
    )
    first = Item("news", day + timedelta(hours=CASCADE_HOUR), fields, "cascade", "tarnfield")
    yield first
    sources = names["small_sources"] + names["news_sources"]
    for number in range(CASCADE_COPIES):
        at = first.at + timedelta(minutes=min(rng.expovariate(1 / 35), 200))
        copy = reprint(first, sources[number % len(sources)], at, rng.choice(phrases["tails"]))
        if rng.random() < 0.25:  # some papers drop the last sentence
            copy = replace(
                copy, fields=copy.fields | {"body": copy.fields["body"].replace(phrases["text"][-1], "").strip()}
            )
        yield copy


TONES = (("positive", 5, 0.7), ("neutral", 3, 0.24), ("negative", 2, 0.06))
"""Of reviews of a new app on an ordinary evening: words, stars, share."""


def shift(
    day: datetime,
    rng: Random,
    profile: tuple[tuple[float, float], ...] = SHIFT,
    tones: tuple[tuple[str, int, float], ...] = TONES,
) -> Iterator[Item]:
    """New words: an app and its slang; ``tones`` are the stars and the share of the glad, the telling and the cross."""
    phrases, names = bank("today")["shift"], bank("names")
    for at in _times(day, profile, rng):
        slots = slots_of("quorrel", rng) | {"word": rng.choice(phrases["words"])}
        if rng.random() < 0.2:
            title = say(rng.choice(phrases["titles"]), slots, rng)
            body = pick(bank("news")["body"]["neutral"], 1, slots, rng)
            yield Item("news", at, article(title, body, rng.choice(names["news_sources"]), slots), "shift", "quorrel")
            continue
        tone, stars = rng.choices([tone[:2] for tone in tones], [tone[2] for tone in tones])[0]
        fields: dict[str, Any] = {
            "text": " ".join(pick(phrases[tone], rng.choice([1, 1, 2]), slots, rng)),
            "stars": stars,
            "product": "Quorrel Murmur",
            "brand": "Quorrel Software",
            "source": "AppPorch",
        }
        yield Item("reviews", at, fields, "shift", "quorrel")


def malformed(day: datetime, rng: Random) -> Iterator[SampleRecord]:
    """What feeds also send. Every one of these ends in a dead-letter topic."""
    values = [
        b'{"id": "cut off in the middle", "text": "Ovenna',
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"id": "no-text", "source": "StarJar", "stars": 4}',
        b'{"id": "empty", "text": "   "}',
        b'{"id": "stars", "text": "Good value.", "stars": "many"}',
        b'{"id": "nan", "text": "Good value.", "stars": NaN}',
        b'["a", "list"]',
        b'{"id": "latin", "text": "caf\xe9 in Westmark"}',
        b'{"id": "old", "text": "An archive piece.", "published_at": "1969-07-20T20:17:00Z"}',
        b'{"id": "future", "text": "News from tomorrow.", "published_at": "2999-01-01T00:00:00Z"}',
        b'{"id": "deep", "text": ' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"id": "huge", "text": "' + b"very " * 60_000 + b'long"}',
        b"",
    ]
    for number, value in enumerate(values):
        at = day + timedelta(hours=rng.uniform(DAWN_HOURS + 0.2, DUSK_HOURS - 1))
        yield SampleRecord("news" if number % 2 else "reviews", milliseconds(at), f"m{number:02d}", value, "malformed")


def _times(day: datetime, profile: tuple[tuple[float, float], ...], rng: Random) -> Iterator[datetime]:
    """Random moments whose rate, per quarter of an hour, follows the steps of ``profile``."""
    for quarter in range(24 * 4):
        hour = quarter / 4
        mean = next((rate for begin, rate in reversed(profile) if begin <= hour + 0.125), 0.0)
        for _ in range(poisson(mean, rng)):
            yield day + timedelta(hours=hour, seconds=round(rng.uniform(0, 899), 1))


def _recall_slots(since_midnight: timedelta, rng: Random) -> dict[str, str]:
    injured = max(3, int((since_midnight.total_seconds() / 3600 - 7) * 9))
    figures = {
        "injured": str(injured),
        "recalled": f"{rng.choice([180, 240, 240, 300])},000",
        "crash": str(rng.randint(14, 31)),
    }
    return slots_of("ovenna", rng) | figures
