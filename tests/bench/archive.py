"""The archive: how fast it keeps, how much room it takes, how soon it answers, as JSON on stdout.

    python tests/bench/archive.py [--documents 100000]
    python tests/bench/archive.py --texts TEXTS.jsonl[.gz] [--most 4000]

The first keeps invented documents of 60 words (a vocabulary of 50,000 by Zipf's law) with embeddings of 384 numbers, a
thousand at a time, and then asks. The second keeps the first half of each ``text``, embedded by the shipped release,
asks by the second half, and tells where the first half of the same text is found: by words, by meaning, by both.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from models.assembly import ensure_shipped
from models.scorer import Scorer
from streams.archive.questions import embedded
from streams.archive.search import How, search
from streams.archive.shelves import SqliteShelves
from streams.archive.store import Filters
from streams.offline.lines import read_lines
from streams.records import encode
from tests.streams.archive.library import MONDAY, Room, scored

BATCH = 1_000
WORDS = 60
VOCABULARY = 50_000
WIDTH = 384
HOUR = 3_600_000


def keep(room: Room, documents: int) -> dict[str, float]:
    draw = np.random.default_rng(7)
    chances = 1 / np.arange(1, VOCABULARY + 1)
    chances /= chances.sum()
    names = [f"w{n:05d}" for n in range(VOCABULARY)]
    spent = 0.0
    for start in range(0, documents, BATCH):
        vectors = draw.normal(0, 1, (BATCH, WIDTH)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        words = draw.choice(VOCABULARY, (BATCH, WORDS), p=chances)
        slab = [
            scored(
                start + n,
                " ".join(names[w] for w in words[n, :8]),
                " ".join(names[w] for w in words[n]),
                about=[(f"company{words[n, 0] % 100}", "negative" if n % 6 == 0 else "neutral")],
                vector=vectors[n],
                at_ms=MONDAY + (start + n) * 1_000,
            )
            for n in range(BATCH)
        ]
        begun = time.perf_counter()
        room.keep(*slab, offsets={("scored", 0): start + BATCH})
        spent += time.perf_counter() - begun
    plain = encode(scored(1, text=" ".join(names[:WORDS])))
    carrying = encode(scored(1, text=" ".join(names[:WORDS]), vector=np.full(WIDTH, 0.05)))
    return {
        "documents_per_second": round(documents / spent),
        "bytes_per_document": round(room.archive.figures().bytes / documents),
        "record_bytes": len(plain),
        "record_bytes_with_embedding": len(carrying),
    }


def answer(path: Path) -> dict[str, dict[str, float]]:
    draw = np.random.default_rng(8)
    vector = draw.normal(0, 1, WIDTH).astype(np.float32)
    week = Filters(since_ms=MONDAY + 10 * HOUR, until_ms=MONDAY + 34 * HOUR)
    asked: dict[str, tuple[str, Filters, How]] = {
        "two rare words": ("w40000 w30000", Filters(), "words"),
        "one in every second document": ("w00003", Filters(), "words"),
        "meaning": ("w40000", Filters(), "meaning"),
        "both": ("w00100 w02000", Filters(), "both"),
        "both, of a company": ("w00100 w02000", Filters(series="entity:company7"), "both"),
        "both, of a day": ("w00100 w02000", week, "both"),
        "the newest of a company": ("", Filters(series="entity:company7"), "both"),
    }
    told = {}
    for name, (question, filters, how) in asked.items():
        times = []
        for _ in range(7):
            begun = time.perf_counter()
            with SqliteShelves(path, 60.0) as shelves:
                search(shelves, question, filters, lambda *_: vector, how=how)
            times.append(time.perf_counter() - begun)
        told[name] = {"median_ms": round(1000 * statistics.median(times), 1), "worst_ms": round(1000 * max(times), 1)}
    return told


def halves(path: Path, most: int) -> list[tuple[str, str]]:
    found = []
    for line in read_lines(path, 1 << 20):
        words = json.loads(line.value)["text"].split()
        if len(words) >= 24:
            found.append((" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])))
        if len(found) == most:
            break
    return found


def known_items(room: Room, pairs: list[tuple[str, str]], registry: Path, asked: int) -> dict[str, object]:
    scorer = Scorer.load(ensure_shipped(registry))
    for start in range(0, len(pairs), BATCH):
        texts = [first for first, _ in pairs[start : start + BATCH]]
        vectors = scorer.score(texts).embedding
        room.keep(
            *(scored(start + n, "-", text, vector=vectors[n], release=scorer.release) for n, text in enumerate(texts))
        )
    chosen = np.random.default_rng(9).choice(len(pairs), min(asked, len(pairs)), replace=False)
    told: dict[str, object] = {"documents": len(pairs), "questions": len(chosen), "release": scorer.release}
    with room.open() as shelves:
        for how in ("words", "meaning", "both"):
            places = []
            for at in chosen.tolist():
                found = search(
                    shelves, pairs[at][1], Filters(), lambda _, text: embedded(scorer, text), how=how, most=10
                ).found
                ids = [one.kept.entry.id for one in found]
                places.append(ids.index(f"d{at}") + 1 if f"d{at}" in ids else 0)
            told[how] = {
                "first": round(sum(place == 1 for place in places) / len(places), 3),
                "among_ten": round(sum(place > 0 for place in places) / len(places), 3),
            }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--most", type=int, default=4_000)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--registry", type=Path, default=Path("var/registry"))
    options = parser.parse_args()
    told: dict[str, object]
    with tempfile.TemporaryDirectory() as folder:
        room = Room(Path(folder))
        if options.texts is not None:
            told = known_items(room, halves(options.texts, options.most), options.registry, options.questions)
        else:
            told = {"documents": options.documents, **keep(room, options.documents)}
            told["answers"] = answer(room.path)
            told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        room.close()
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
