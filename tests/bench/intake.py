"""Microseconds that each stage of intake takes for one 50-word ASCII document, as JSON on stdout.

    python tests/bench/intake.py [--documents 500] [--rounds 50] [--entities 500]

Documents and watch-list are made up, seeded. Each figure is CPU time, the best of the rounds: other load only adds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from streams.intake import Entity, Intake, WatchList
from streams.intake.finder import Finder, fold
from streams.intake.language import language
from streams.intake.raw import decode
from streams.intake.signature import signature, words_of
from streams.intake.text import clean
from streams.records import Document, Origin
from streams.settings import IntakeSettings

SYLLABLES = "ba cor del fen gan hol is jor kel lum mar nor os pra quil ras sel tor ul ven wex yor zan".split()  # noqa: SIM905
VERBS = "falls rises warns cuts opens sues recalls plans reports denies names buys sells halts delays".split()  # noqa: SIM905
FILLERS = """
    the company said on Monday that its quarterly results were weaker than analysts expected because demand for new
    products slowed in most markets and costs of energy and freight went up while customers complained about late
    deliveries broken parts and slow support according to people who know the matter and asked not to be named
    """.split()  # noqa: SIM905


def made_up_names(count: int, chance: random.Random) -> list[str]:
    names: set[str] = set()
    while len(names) < count:
        word = "".join(chance.choices(SYLLABLES, k=chance.randint(2, 3))).capitalize()
        names.add(word if chance.random() < 0.4 else f"{word} {chance.choice(['Group', 'Motors', 'Foods', 'Bank'])}")
    return sorted(names)


def made_up_watchlist(names: Sequence[str]) -> WatchList:
    return WatchList(Entity(id=f"e{i}", name=name, tickers=(f"{name[:3].upper()}{i}",)) for i, name in enumerate(names))


def made_up_documents(names: Sequence[str], count: int, chance: random.Random) -> list[bytes]:
    documents = []
    for number in range(count):
        subject = chance.choice(names)
        words = [*subject.split(), chance.choice(VERBS), *chance.sample(FILLERS, 44), chance.choice(names).split()[0]]
        record = {
            "id": f"doc-{number}",
            "text": " ".join(words[:25]) + ". " + " ".join(words[25:50]),
            "published_at": f"2024-03-{1 + number % 28:02}T12:{number % 60:02}:00Z",
            "source": "Example Wire",
            "url": f"https://example.com/{number}",
        }
        documents.append(json.dumps(record).encode())
    return documents


def microseconds(step: Callable[[Any], object], items: Sequence[Any], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for item in items:
            step(item)
        best = min(best, time.process_time() - began)
    return round(best / len(items) * 1e6, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--entities", type=int, default=500)
    options = parser.parse_args()
    chance = random.Random(7)
    names = made_up_names(options.entities, chance)
    watchlist = made_up_watchlist(names)
    values = made_up_documents(names, options.documents, chance)
    intake = Intake(IntakeSettings(), watchlist)
    finder = Finder(watchlist)
    origin = Origin("news", 0, 1)

    def read(value: bytes) -> object:
        return intake.read(value, origin, 1_710_000_000_000 + 86_400_000 * 30, "news")

    documents = [document for value in values if isinstance(document := read(value), Document)]
    assert len(documents) == len(values), "every made-up record is a document"
    texts = [document.text for document in documents]
    read_words = [(text, fold(text), words_of(fold(text))) for text in texts]
    stages = {
        "decode": microseconds(lambda value: decode(value, 262_144), values, options.rounds),
        "clean": microseconds(clean, texts, options.rounds),
        "words": microseconds(lambda text: words_of(fold(text)), texts, options.rounds),
        "entities": microseconds(lambda row: finder.find(row[0], row[1], frozenset), read_words, options.rounds),
        "language": microseconds(lambda row: language(None, row[0], row[2]), read_words, options.rounds),
        "signature": microseconds(lambda row: signature(row[1], row[2]), read_words, options.rounds),
        "whole": microseconds(read, values, options.rounds),
    }
    mean_words = sum(len(words) for *_, words in read_words) / len(read_words)
    report = {
        "unit": "microseconds of CPU per document, best round",
        "documents": len(values),
        "entities": len(names),
        "words_per_document": round(mean_words, 1),
        "mentions_per_document": round(sum(len(d.mentions) for d in documents) / len(documents), 2),
        "stages": stages,
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
