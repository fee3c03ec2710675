"""Six domains of sentiment, made of the public labelled sets, for the benchmark of learning one after the other."""

from __future__ import annotations

import json
import random
from pathlib import Path

from models.labels import SENTIMENTS
from tests.evaluation.dialects import Dialect
from trainer.data import FILES, Example, part_of, read_set

DOMAINS = {
    "01-product-reviews": "hu_liu_product_reviews",
    "02-finance-tweets": "twitter_fin_news_sentiment",
    "03-headlines": "sentfin",
    "04-politics": "newsmtsc",
    "05-posts": "goemotions",
    "06-films": "rt_polarity",
}
"""Folders of a sequence, in order, and the sets that they are made of."""


def write_sequence(
    data: Path, place: Path, rows: int, tests: int, most: int = len(DOMAINS), seed: int = 0
) -> list[str]:
    """Write ``NAME/train.jsonl`` and ``NAME/test.jsonl`` under ``place`` for each domain whose set is under ``data``.

    There are at most ``rows`` and ``tests`` rows of each, and so many domains. Rows that the release never saw come
    first, half of them as tests: the one that ships was trained on most of the others. So each domain is put into a
    dialect of its own, or there would be nothing to learn. Returns the domains' names.
    """
    written = []
    for name, kind in DOMAINS.items():
        if len(written) == most or not (data / kind / FILES.get(kind, "train.jsonl.gz")).is_file():
            continue
        every = [row for row in read_set(data, kind) if row.sentiment is not None]
        random.Random(f"{seed} {name}").shuffle(every)
        unseen = [row for row in every if part_of(row.text) != "train"]
        seen = [row for row in every if part_of(row.text) == "train"]
        tested = unseen[: min(tests, len(unseen) // 2)]
        taught = [*unseen[len(tested) :], *seen][:rows]
        dialect = Dialect(taught, name)
        folder = place / name
        folder.mkdir(parents=True)
        for file, some in (("train", taught), ("test", tested)):
            (folder / f"{file}.jsonl").write_text("".join(_line(dialect.spoken(row)) for row in some), encoding="utf-8")
        written.append(name)
    return written


def _line(row: Example) -> str:
    return json.dumps({"text": row.text, "sentiment": SENTIMENTS[row.sentiment or 0]}) + "\n"
