"""What one core spends on a 50-word document outside tokenising and the model, stage by stage.

    python tests/bench/stages.py [--documents 512] [--rounds 30] [--entities 500]

A slab of made-up English documents goes through the functions of the score stage in their order; scores are
random numbers. Microseconds of processor time per document, best round (other load only adds); JSON on
stdout, with the bytes that a document is on its topics. Reading and writing Kafka itself is measured by ``transport``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from aiokafka.producer.message_accumulator import BatchBuilder

from models.labels import FINANCE
from models.scorer import Scores
from streams.delivery.ledger import Ledger
from streams.delivery.slabs import Place
from streams.intake import Intake
from streams.records import Document, Observations, Origin, ScoredDocument, encode
from streams.scored import Reading, scored_documents, spans_of
from streams.settings import IntakeSettings
from streams.watch.observations import gather
from tests.bench.intake import made_up_documents, made_up_names, made_up_watchlist

PARTITIONS = 4
BROKER_MS = 1_710_000_000_000 + 86_400_000 * 30
TARGET = 60.0
Made = TypeVar("Made")


@dataclass
class Stage:
    """The best of the rounds, in seconds of processor time for the whole slab."""

    best: float = float("inf")

    def run(self, work: Callable[[], Made]) -> Made:
        began = time.process_time()
        made = work()
        self.best = min(self.best, time.process_time() - began)
        return made


def random_scores(documents: list[Document], dice: np.random.Generator) -> Scores:
    """Probabilities as a scorer gives them, without a scorer."""

    def rows(count: int, labels: int) -> Any:
        return dice.dirichlet(np.ones(labels), count).astype(np.float32)

    count = len(documents)
    entities = [rows(len(document.mentions), 3) for document in documents]
    empty = np.zeros((count, 1), np.float32)
    return Scores(rows(count, 3), {"finance": rows(count, len(FINANCE))}, entities, empty, np.zeros(count, bool))


def packed(values: list[tuple[bytes, bytes]]) -> None:
    """Put keys and values into produce batches, as the outputs do."""
    builder = BatchBuilder(900_000, 0, is_transactional=False)
    for key, value in values:
        if builder.append(timestamp=None, key=key, value=value, headers=[]) is None:
            builder.close()
            builder = BatchBuilder(900_000, 0, is_transactional=False)
            builder.append(timestamp=None, key=key, value=value, headers=[])
    builder.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--entities", type=int, default=500)
    given = parser.parse_args()
    chance = random.Random(7)
    names = made_up_names(given.entities, chance)
    watchlist = made_up_watchlist(names)
    values = made_up_documents(names, given.documents, chance)
    intake = Intake(IntakeSettings(), watchlist)
    reading = Reading("bench-1", {"finance": FINANCE}, {"news": "finance"})
    place, ledger = Place("news", 0), Ledger()
    ledger.begin(place, 0)
    dice = np.random.default_rng(7)

    def read() -> list[Document]:
        found = [intake.read(value, Origin("news", 0, at), BROKER_MS, "news") for at, value in enumerate(values)]
        return [document for document in found if isinstance(document, Document)]

    def observe(scored: list[ScoredDocument]) -> list[Observations]:
        return gather(
            scored, topic="news", partition=0, first=0, last=len(values) - 1, event_ms=None,
            release="bench-1", partitions=PARTITIONS, languages=("en",),
        )  # fmt: skip

    def account(end: int) -> None:
        ledger.deliver(place, end - len(values), end)
        ledger.finish(place, end)
        ledger.committed(ledger.committable())

    documents = read()
    assert len(documents) == len(values), "every made-up record is a document"
    scores = random_scores(documents, dice)
    # ruff: noqa: B023 - each lambda is called at once, before its names move on
    order = ("intake", "spans", "join", "encode scored", "series", "encode observations", "batch", "ledger")
    stages = {name: Stage() for name in order}
    for number in range(1, given.rounds + 1):
        documents = stages["intake"].run(read)
        stages["spans"].run(lambda: [(document.heard, spans_of(document)) for document in documents])
        scored = stages["join"].run(lambda: scored_documents(documents, scores, reading))
        bodies = stages["encode scored"].run(lambda: [(one.id.encode(), encode(one)) for one in scored])
        observations = stages["series"].run(lambda: observe(scored))
        told = stages["encode observations"].run(lambda: [(b"", encode(one)) for one in observations])
        stages["batch"].run(lambda: packed(bodies + told))
        stages["ledger"].run(lambda: account(number * len(values)))
    shown = {name: round(stage.best / len(values) * 1e6, 2) for name, stage in stages.items()}
    whole = round(sum(shown.values()), 1)
    report = {
        "unit": "microseconds of CPU per document, best round",
        "documents": len(values),
        "mentions_per_document": round(sum(len(document.mentions) for document in documents) / len(documents), 2),
        "stages": shown,
        "whole": whole,
        "of_target": round(whole / TARGET, 2),
        "bytes_per_document": {
            "record": round(sum(map(len, values)) / len(values)),
            "scored": round(sum(len(key) + len(body) for key, body in bodies) / len(values)),
            "observations": round(sum(len(body) for _, body in told) / len(values)),
        },
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
