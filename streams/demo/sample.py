"""The sample stream: two quiet weeks of invented companies, then a day with an alarm in it.

Everything follows from a seed. The quiet part has the rhythm of real feeds (days, nights, weekends, good and bad
days of each company, reprints, other languages); what happens on the day is told in ``streams.demo.stories``.
The story of a record is known here only: it is not in the record, so nothing downstream can see it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from streams.demo.grammar import bank, pick, say

DAY = datetime(2026, 3, 17, tzinfo=UTC)
"""The day that is replayed: a Tuesday."""
SEED = 7
DAWN_HOURS = 7
DUSK_HOURS = 21
HISTORY_DAYS = 15

NEWS_BY_HOUR = (1, 1, 1, 1, 2, 4, 7, 10, 12, 11, 10, 10, 9, 9, 9, 9, 8, 7, 5, 4, 3, 2, 2, 1)
REVIEWS_BY_HOUR = (3, 2, 1, 1, 1, 2, 4, 6, 7, 7, 7, 7, 8, 8, 7, 7, 7, 8, 9, 11, 12, 11, 8, 5)
NEWS_A_DAY = 8.0
"""Articles about a company of weight 1 on a weekday."""
REVIEWS_A_DAY = 7.5
MARKET_NEWS_A_DAY = 14.0
WEEKEND_NEWS = 0.35
WEEKEND_REVIEWS = 1.25
REPRINTED = 0.06
"""Share of news that other papers reprint."""
FOREIGN = 0.015
STARS = {5: 0.42, 4: 0.23, 3: 0.14, 2: 0.08, 1: 0.13}
NEWS_TONES = {"negative": 0.18, "neutral": 0.54, "positive": 0.28}


@dataclass(frozen=True)
class SampleRecord:
    """One record as a feed would send it; ``story`` is the truth, kept for the verdict at the end."""

    stream: str
    arrives_ms: int
    id: str
    value: bytes
    story: str = "background"
    company: str = ""


@dataclass(frozen=True)
class Item:
    """A news item or a review before it has an id and becomes bytes."""

    stream: str
    at: datetime
    fields: dict[str, Any]
    story: str = "background"
    company: str = ""


def history(seed: int = SEED, day: datetime = DAY, days: int = HISTORY_DAYS) -> list[SampleRecord]:
    """The quiet ``days`` that end at dawn of ``day``: what baselines are primed with."""
    rng = Random(f"history {seed}")  # noqa: S311 - a sample, not a secret
    end = day + timedelta(hours=DAWN_HOURS)
    items = background(end - timedelta(days=days), end, rng)
    return records((item for item in items if item.at < end), "h", rng)


def background(start: datetime, end: datetime, rng: Random) -> Iterator[Item]:
    """All items of quiet times between ``start`` and ``end``, hour by hour, in no order within the hour."""
    companies = bank("companies")
    mood = dict.fromkeys(companies, 1.0)
    hour = start
    while hour < end:
        if hour == start or hour.hour == 0:  # every company has better and worse days
            mood = {key: math.exp(rng.gauss(0, 0.35)) for key in companies}
        for key, company in companies.items():
            for _ in range(poisson(NEWS_A_DAY * company["weight"] * _news_rhythm(hour), rng)):
                yield from _news(key, company, _within(hour, rng), mood[key], rng)
            for _ in range(poisson(REVIEWS_A_DAY * company["reviews"] * _review_rhythm(hour), rng)):
                yield review(key, company, _within(hour, rng), mood[key], rng)
        for _ in range(poisson(MARKET_NEWS_A_DAY * _news_rhythm(hour), rng)):
            yield _market(_within(hour, rng), rng)
        hour += timedelta(hours=1)


def records(items: Iterator[Item], prefix: str, rng: Random) -> list[SampleRecord]:
    """Number ``items``, encode them, and order them by arrival: up to 40 s after they were published."""
    arrivals = sorted(((item.at + timedelta(seconds=rng.uniform(1, 40)), n, item) for n, item in enumerate(items)))
    found = []
    for number, (arrives, _, item) in enumerate(arrivals):
        name = f"{prefix}{item.stream[0]}{number:05d}"
        # Feeds disagree about how to write a time; both forms are in the contract.
        published: object = (
            item.at.isoformat(timespec="seconds") if item.stream == "news" else round(item.at.timestamp(), 1)
        )
        value = msgspec.json.encode({"id": name, "published_at": published, **item.fields})
        found.append(SampleRecord(item.stream, milliseconds(arrives), name, value, item.story, item.company))
    return found


def slots_of(key: str, rng: Random) -> dict[str, str]:
    """The words that stand for company ``key`` in templates."""
    companies = bank("companies")
    company = companies[key]
    other = companies[rng.choice([name for name in companies if name != key])]
    return {
        "company": company["name"] if rng.random() < 0.6 else company["short"],
        "short": company["short"],
        "product": rng.choice(company["products"]),
        "field": rng.choice(company["field"]),
        "city": rng.choice([*company["places"], rng.choice(bank("names")["cities"])]),
        "boss": company["boss"],
        "financier": company["money"],
        "other": other["name"],
    }


def article(
    title: str, sentences: list[str], source: str, slots: dict[str, str], ticker: str = "", lang: str | None = "en"
) -> dict[str, Any]:
    """The fields of a news record."""
    slug = "".join(c if c.isalnum() else "-" for c in title.lower())[:60].strip("-")
    host = "".join(c for c in source.lower() if c.isalnum())
    fields: dict[str, Any] = {
        "title": title,
        "body": " ".join(sentences),
        "source": source,
        "url": f"https://{host}.example/{slug}",
    }
    if lang is not None:
        fields["lang"] = lang
    if ticker:
        fields["tickers"] = [ticker]
    return fields


def review(key: str, company: dict[str, Any], at: datetime, mood: float, rng: Random) -> Item:
    """A customer's review: stars first, words to match."""
    stars = rng.choices(list(STARS), [weight * (mood if star <= 2 else 1) for star, weight in STARS.items()])[0]
    tone = "negative" if stars <= 2 else "neutral" if stars == 3 else "positive"
    slots = slots_of(key, rng)
    reviews = bank("reviews")
    lines = reviews[company["sector"]]
    remarks = pick(lines[tone], rng.choice([1, 2, 2, 3]), slots, rng)
    if stars == 3:
        remarks += pick(lines["positive"], 1, slots, rng) + pick(lines["negative"], 1, slots, rng)
    elif rng.random() < 0.3:
        remarks += pick(lines["neutral"], 1, slots, rng)
    rng.shuffle(remarks)
    text = [*pick(reviews["openers"][tone], 1, slots, rng), *remarks, *pick(reviews["closers"][tone], 1, slots, rng)]
    fields = {
        "text": " ".join(text),
        "stars": stars,
        "product": slots["product"],
        "brand": company["name"],
        "source": rng.choice(bank("names")["review_sources"]),
    }
    if rng.random() < FOREIGN:
        fields |= {"text": say(rng.choice(bank("elsewhere")["lines"]), slots, rng)}
    return Item("reviews", at, fields, company=key)


def reprint(item: Item, source: str, at: datetime, tail: str = "") -> Item:
    """``item`` as another paper prints it: same words, its own name, perhaps a line at the end."""
    host = "".join(c for c in source.lower() if c.isalnum())
    path = item.fields["url"].split(".example", 1)[1]
    body = f"{item.fields['body']} {tail}".strip()
    return replace(
        item, at=at, fields=item.fields | {"source": source, "url": f"https://{host}.example{path}", "body": body}
    )


def poisson(mean: float, rng: Random) -> int:
    """A Poisson count by Knuth's product of uniforms; fine for the small means used here."""
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def milliseconds(at: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(at.timestamp() * 1000)


def _news(key: str, company: dict[str, Any], at: datetime, mood: float, rng: Random) -> Iterator[Item]:
    news = bank("news")
    kinds = [kind for kind in news if "weight" in news[kind]]
    kind = rng.choices(kinds, [news[name]["weight"] for name in kinds])[0]
    tones = [weight * (mood if tone == "negative" else 1) for tone, weight in NEWS_TONES.items()]
    tone = rng.choices(list(NEWS_TONES), tones)[0]
    slots = slots_of(key, rng)
    title = say(rng.choice(news[kind][tone]), slots, rng)
    body = pick(news["body"]["neutral"], rng.choice([1, 1, 2, 2, 3]), slots, rng)
    if tone != "neutral":
        body[1:] = pick(news["body"][tone], rng.choice([0, 1, 1, 2]), slots, rng)
    rng.shuffle(body)
    names = bank("names")
    ticker = company["ticker"] if rng.random() < 0.5 else ""
    fields = article(title, body, rng.choice(names["news_sources"]), slots, ticker)
    if rng.random() < FOREIGN:
        fields |= {"title": "", "body": say(rng.choice(bank("elsewhere")["lines"]), slots, rng)}
        del fields["lang"]
    item = Item("news", at, fields, company=key)
    yield item
    if rng.random() < REPRINTED:
        for source in rng.sample(names["small_sources"], rng.randint(1, 5)):
            yield reprint(item, source, at + timedelta(minutes=rng.uniform(1, 90)))


def _market(at: datetime, rng: Random) -> Item:
    market = bank("news")["market"]
    tone = rng.choices(list(NEWS_TONES), list(NEWS_TONES.values()))[0]
    slots = {"city": str(rng.choice(bank("names")["cities"]))}
    title = say(rng.choice(market[tone]), slots, rng)
    return Item("news", at, article(title, [], rng.choice(bank("names")["news_sources"]), slots))


def _within(hour: datetime, rng: Random) -> datetime:
    return hour + timedelta(seconds=round(rng.uniform(0, 3599), 1))


def _news_rhythm(hour: datetime) -> float:
    weekend = WEEKEND_NEWS if hour.weekday() >= 5 else 1.0
    return weekend * NEWS_BY_HOUR[hour.hour] / sum(NEWS_BY_HOUR)


def _review_rhythm(hour: datetime) -> float:
    weekend = WEEKEND_REVIEWS if hour.weekday() >= 5 else 1.0
    return weekend * REVIEWS_BY_HOUR[hour.hour] / sum(REVIEWS_BY_HOUR)
