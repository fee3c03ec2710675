"""Labelled rows for training: readers of the public sets, one partial label format, splits that do not leak.

A row may carry a topic, a sentiment, sentiments toward entities, or several of them; the loss masks what is
missing. Splits go by a hash of the normalised text, so that a text and its copies fall on the same side, in
every set and on every machine.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from models.labels import ASPECTS, SENTIMENTS, TAXONOMIES
from trainer.errors import DataError
from trainer.tables import read_table

Part = Literal["train", "validation", "test"]
Head = Literal["price", "tone", "both"]

NEUTRAL = SENTIMENTS.index("neutral")
VALIDATION_PERCENT = 5
TEST_PERCENT = 5


@dataclass(frozen=True)
class EntityLabel:
    """Sentiment toward what stands at code points ``start``..``end`` of the text."""

    start: int
    end: int
    sentiment: int


@dataclass(frozen=True)
class Example:
    """One labelled text. Labels are indices into the taxonomies; what is not known is absent.

    ``head`` says what the sentiment means: the direction of a price, the tone of the words, or both at once
    (headlines about companies). ``polar`` rows come from a set without neutral, so that class is masked in
    their loss. ``soft`` is how sure the sentiment is, where a label says it by degrees: an update learns that in the
    place of ``sentiment``, which is the likeliest; ``weight`` is what such a row counts.
    """

    text: str
    source: str
    topics: tuple[tuple[str, int], ...] = ()
    sentiment: int | None = None
    head: Head = "tone"
    polar: bool = False
    mixed: bool = False
    entities: tuple[EntityLabel, ...] = ()
    soft: tuple[float, float, float] | None = None
    weight: float = 1.0


def normalised(text: str) -> str:
    """What two copies of a text have in common: no addresses, lower case, letters and digits only."""
    return " ".join(re.findall(r"\w+", re.sub(r"https?://\S+", " ", text).lower()))


def part_of(text: str) -> Part:
    """The side of the split on which ``text`` and its copies fall."""
    percent = int.from_bytes(hashlib.sha256(normalised(text).encode()).digest()[:4], "big") % 100
    if percent < VALIDATION_PERCENT:
        return "validation"
    return "test" if percent < VALIDATION_PERCENT + TEST_PERCENT else "train"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(read_table(path), 1):
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise DataError(f"{path}: row {number} needs a `text`")
        yield row


def _sentiment(row: dict[str, Any]) -> int | None:
    value = row.get("sentiment")
    if value is None:
        return _of_stars(row.get("stars"))
    if value not in SENTIMENTS:
        raise DataError(f"sentiment {value!r} is none of {', '.join(SENTIMENTS)}")
    return SENTIMENTS.index(value)


def _of_stars(stars: Any) -> int | None:
    """One or two stars are negative, three neutral, four or five positive."""
    if stars is None:
        return None
    try:
        given = float(stars)
    except (TypeError, ValueError) as exc:
        raise DataError(f"stars {stars!r:.80} is no number") from exc
    if not 1 <= given <= 5:
        raise DataError(f"stars {stars!r:.80} is not from 1 to 5")
    return 0 if given < 2.5 else 1 if given < 3.5 else 2


def _entities(row: dict[str, Any]) -> tuple[EntityLabel, ...]:
    """Labelled spans; a name without offsets is looked up in the text, and left out where it is not there."""
    found: list[EntityLabel] = []
    for entity in row.get("entities") or ():
        if entity.get("sentiment") not in SENTIMENTS:
            continue
        start, end = entity.get("start"), entity.get("end")
        if start is None or end is None:
            match = re.search(rf"(?<!\w){re.escape(entity['name'])}(?!\w)", row["text"], re.IGNORECASE)
            if match is None:
                continue
            start, end = match.span()
        found.append(EntityLabel(int(start), int(end), SENTIMENTS.index(entity["sentiment"])))
    return tuple(found)


def _topic_reader(
    taxonomy: str, head: Head = "price", labels: Sequence[str] | None = None
) -> Callable[[dict[str, Any]], Example]:
    places = {name: index for index, name in enumerate(labels or TAXONOMIES[taxonomy])}

    def read(row: dict[str, Any]) -> Example:
        if row.get("topic") is None:
            return Example(row["text"], "", head=head)
        if row["topic"] not in places:
            raise DataError(f"topic {row['topic']!r} is not in taxonomy {taxonomy}")
        return Example(row["text"], "", topics=((taxonomy, places[row["topic"]]),), head=head)

    return read


def _sentiment_reader(head: Head, *, polar: bool = False) -> Callable[[dict[str, Any]], Example]:
    def read(row: dict[str, Any]) -> Example:
        return Example(
            row["text"],
            "",
            sentiment=_sentiment(row),
            head=head,
            polar=polar,
            mixed=row.get("label") == "mixed",
            entities=_entities(row),
        )

    return read


def _hu_liu(row: dict[str, Any]) -> Example:
    """A review sentence with the aspect it speaks of, where that is one.

    Its neutral means "no opinion was annotated", which many complaints told as facts are: it is not used.
    """
    example = _sentiment_reader("tone")(row)
    named = {aspect_of(str(aspect.get("name", ""))) for aspect in row.get("aspects") or ()} - {None}
    topics = tuple(("aspects", ASPECTS.index(aspect)) for aspect in named if aspect is not None)
    return replace(
        example,
        sentiment=None if example.sentiment == NEUTRAL else example.sentiment,
        topics=topics if len(topics) == 1 else (),
    )


ASPECT_WORDS: dict[str, str] = {
    "Service | Support": "service support warrant refund return rebate amazon help.?desk repair shipping t-mobile",
    "Price | Value": "price value money cost cheap expensive deal",
    "Battery | Power": "batter power charg",
    "Picture | Screen": r"pictur photo pics?\b image screen lcd display lens zoom flash viewfinder color video macro "
    "focus",
    "Sound | Calls": "sound audio bass volume speaker ear.?bud head.?phone reception signal ring.?tone call radio "
    "noise voice",
    "Ease of Use": r"\buse\b us(er|ing)\b interface menu control button set.?up install navigat manual\b instruction "
    "touchpad scroll wizard",
    "Performance | Speed": "speed slow fast perform delay transfer range wireless connect lock.up wake boot start",
    "Quality | Durability": "quality construct durab reliab build built crash work defect broke made odor smell finish",
    "Design | Size": "size design weight look small compact heavy case feel shape light style fit body cover",
    "Features | Software": "feature software function format storage memory capacity blue.?tooth firmware game itunes "
    "playlist application program sync secur antivir firewall accessor adjust play",
}
"""Which words of an annotated aspect's name belong to which label; the first that is found decides."""


def aspect_of(name: str) -> str | None:
    """The label of taxonomy ``aspects`` for what an annotator called ``name``, if one fits."""
    for label, words in ASPECT_WORDS.items():
        if re.search("|".join(words.split()), name.lower()):
            return label
    return None


READERS: dict[str, Callable[[dict[str, Any]], Example]] = {
    "twitter_fin_news_topic": _topic_reader("finance"),
    "twitter_fin_news_sentiment": _sentiment_reader("price"),
    "sentfin": _sentiment_reader("both"),
    "newsmtsc": _sentiment_reader("tone"),
    "goemotions": _sentiment_reader("tone"),
    "hu_liu_product_reviews": _hu_liu,
    "liu_pros_cons": _sentiment_reader("tone", polar=True),
    "rt_polarity": _sentiment_reader("tone", polar=True),
    "wiki_current_events": _topic_reader("news", head="tone"),
    "surge_stock_sentiment": _sentiment_reader("price", polar=True),
}
"""Readers by the name of the set. Finance tweets are labelled by price direction, headlines about companies by
both, every other set by tone."""

FILES = {"wiki_current_events": "until_2022.jsonl.gz", "surge_stock_sentiment": "all.jsonl.gz"}
"""Files of sets that are not called ``train.jsonl.gz``."""


def read_set(root: Path, name: str) -> list[Example]:
    """Every usable row of set ``name`` under ``root``, one per normalised text, in the file's order.

    Raises:
        DataError: the set is unknown or missing, or a row cannot be read.
    """
    if name not in READERS:
        raise DataError(f"no reader for {name!r}; known: {', '.join(sorted(READERS))}")
    path = root / name / FILES.get(name, "train.jsonl.gz")
    if not path.is_file():
        raise DataError(f"there is no {path}")
    read = READERS[name]
    seen: dict[str, Example] = {}
    for row in _rows(path):
        example = replace(read(row), source=name)
        if example.topics or example.sentiment is not None or example.entities:
            seen.setdefault(normalised(example.text), example)
    return list(seen.values())


def read_rows(path: Path, taxonomies: Mapping[str, Sequence[str]] = TAXONOMIES) -> list[Example]:
    """A user's own labelled rows, from JSON Lines (also gzipped), CSV or Parquet, with ``text`` and any labels.

    ``sentiment`` is one of the three words (or ``stars`` from 1 to 5), ``topic`` a label of ``taxonomy``
    (default ``finance``), ``entities`` a list of ``{"name", "start"?, "end"?, "sentiment"}`` (JSON in a CSV),
    ``head`` is ``price``, ``tone`` or ``both``.

    Raises:
        DataError: a row cannot be read, or none has a label.
    """
    examples: list[Example] = []
    for row in _rows(path):
        taxonomy = row.get("taxonomy", "finance")
        if taxonomy not in taxonomies:
            raise DataError(f"{path}: taxonomy {taxonomy!r:.80} is none of {', '.join(taxonomies)}")
        topics = _topic_reader(taxonomy, labels=taxonomies[taxonomy])(row).topics if row.get("topic") else ()
        head: Head = row["head"] if row.get("head") in ("price", "both") else "tone"
        examples.append(replace(_sentiment_reader(head)(row), source=path.name.split(".")[0], topics=topics))
    if not any(example.topics or example.sentiment is not None or example.entities for example in examples):
        raise DataError(f"{path}: no row has a topic, a sentiment or a labelled entity")
    return examples


def once(examples: Iterable[Example]) -> list[Example]:
    """Each text and label once, in the order given; texts that contradict themselves are left out.

    Copies of a text may bring different kinds of labels. Where they disagree about one, nobody knows which is
    right, and all of them go.
    """
    rows: dict[tuple[str, tuple[object, ...]], Example] = {}
    labels: dict[tuple[str, str], object] = {}
    torn: set[str] = set()
    for example in examples:
        text = normalised(example.text)
        rows.setdefault((text, (example.topics, example.sentiment, example.entities)), example)
        said: dict[str, object] = dict(example.topics)
        said |= {} if example.sentiment is None else {"sentiment": example.sentiment}
        said |= {f"{entity.start}-{entity.end}": entity.sentiment for entity in example.entities}
        for question, label in said.items():
            if labels.setdefault((text, question), label) != label:
                torn.add(text)
    return [example for (text, _), example in rows.items() if text not in torn]


def sample(examples: Iterable[Example], count: int, seed: int) -> list[Example]:
    """``count`` rows drawn without replacement (all of them where there are fewer), the same for a seed."""
    rows = list(examples)
    return rows if len(rows) <= count else random.Random(seed).sample(rows, count)  # noqa: S311 - no secret


def parts(examples: Iterable[Example]) -> dict[Part, list[Example]]:
    """The rows by the side of the split on which their text falls."""
    split: dict[Part, list[Example]] = {"train": [], "validation": [], "test": []}
    for example in examples:
        split[part_of(example.text)].append(example)
    return split
