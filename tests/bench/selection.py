"""Whether the documents that a worker sends to be labelled teach more than any others.

    tocsin bench selection --data DATA [--release champion] [--registry DIR] [--seeds 5] [--json OUT]

DATA is a folder of the public labelled sets, of which only rows that the release was not trained on are taken, or a
folder of ``NAME.jsonl`` files of ``{"text", "sentiment"}`` rows, one for each domain. Each domain of 600 rows or more
is new in turn: a stream is four fifths of the others and one fifth of it, with 3 % of garbage; labels are chosen by
the sampler, by chance, by margin, entropy, novelty and k-center; a head on the release's embeddings, which knows the
other domains, learns from them, and is asked about the new one. JSON: accuracy by way and number of labels, labels
needed for 95 % of what all labels teach, and how far the sampler ever falls behind chance.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import sys
from pathlib import Path
from typing import Any

import numpy as np

from models.assembly import ensure_shipped
from models.registry import Registry
from models.scorer import Scorer
from streams.drift.senses import Senses
from tests.evaluation.selection import WAYS, Labelled, accuracy, fit, needed, said
from trainer.data import FILES, READERS, Example, part_of, read_rows, read_set

BUDGETS = (25, 50, 100, 200, 400, 800)
LEAST, MOST = 600, 1_600
"""Rows of a domain that can be new, and rows that are taken of one at most."""
DRIFTED, GARBAGE, KNOWN = 0.2, 0.03, 400
"""Shares of a stream, and labelled rows of the other domains that the head begins with."""
ENOUGH = 0.95


def read_domains(data: Path) -> dict[str, list[Example]]:
    """Rows with a sentiment, by domain; a set without neutral has only the two others."""
    sets = [name for name in READERS if (data / name / FILES.get(name, "train.jsonl.gz")).is_file()]
    found = {name: [row for row in read_set(data, name) if part_of(row.text) != "train"] for name in sets}
    if not sets:
        found = {path.name.split(".")[0]: read_rows(path) for path in sorted(data.glob("*.jsonl*"))}
    draw = random.Random(0)
    labelled = {name: [row for row in rows if row.sentiment is not None] for name, rows in found.items()}
    return {name: draw.sample(rows, min(MOST, len(rows))) for name, rows in labelled.items() if rows}


def rubbish(count: int, draw: np.random.Generator) -> list[str]:
    """Texts that say nothing: letters, digits and marks in no order."""
    letters = np.array(list(string.ascii_letters + string.digits + " !?#"))
    return ["".join(draw.choice(letters, int(draw.integers(20, 90)))) for _ in range(count)]


def heard(scorer: Scorer, texts: list[str]) -> Any:
    """Embeddings [n, H] of unit length."""
    found = np.concatenate([scorer.score(texts[at : at + 512]).embedding for at in range(0, len(texts), 512)])
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


class Stage:
    """Every row scored once, and streams drawn from them."""

    def __init__(self, scorer: Scorer, domains: dict[str, list[Example]]) -> None:
        if scorer.reference is None:
            raise SystemExit(f"release {scorer.release} has no reference: it does not know which kinds are rare")
        self.names = list(domains)
        rows = [row for some in domains.values() for row in some]
        self.embedding = heard(scorer, [row.text for row in rows])
        self.label = np.array([row.sentiment for row in rows], np.int64)
        self.domain = np.repeat(np.arange(len(domains)), [len(some) for some in domains.values()])
        raw = rubbish(200, np.random.default_rng(9))
        self.waste = heard(scorer, raw)
        senses = Senses.of(scorer.reference)
        plain = np.concatenate([scorer.score(texts).embedding for texts in ([row.text for row in rows], raw)])
        self.kinds = senses.domains_of(plain)

    def drawn(self, new: int, draw: np.random.Generator) -> tuple[Labelled, Labelled, Labelled]:
        """What the head knows, the stream, and what it is asked, where domain ``new`` is new."""
        mine, others = (draw.permutation(np.flatnonzero((self.domain == new) == own)) for own in (True, False))
        tested, fresh = mine[: len(mine) // 3], mine[len(mine) // 3 :]
        known, usual = others[:KNOWN], others[KNOWN:]
        usual = usual[: int(len(fresh) * (1 - DRIFTED - GARBAGE) / DRIFTED)]
        fresh = fresh[: int(len(usual) * DRIFTED / (1 - DRIFTED - GARBAGE))]
        count = int((len(usual) + len(fresh)) * GARBAGE / (1 - GARBAGE))
        typical = np.maximum(self.kinds[known].mean(0), 0.005)
        surprise = -np.log(self.kinds @ typical)
        real = Labelled(self.embedding, self.label, surprise[: len(self.label)], self.domain == new, self.domain < 0)
        waste = Labelled(
            self.waste[:count], draw.integers(0, 3, count), surprise[len(self.label) :][:count],
            np.zeros(count, bool), np.ones(count, bool),
        )  # fmt: skip
        pool = joined(real.of(np.concatenate([usual, fresh])), waste)
        return real.of(known), pool.of(draw.permutation(len(pool))), real.of(tested)


def joined(one: Labelled, other: Labelled) -> Labelled:
    return Labelled(*(np.concatenate(pair) for pair in zip(vars(one).values(), vars(other).values(), strict=True)))


def trial(stage: Stage, new: int, seed: int) -> dict[str, Any]:
    """Accuracy on the new domain by way and labels, with none and with all, and the part of garbage chosen."""
    draw = np.random.default_rng((seed, new))
    known, pool, tested = stage.drawn(new, draw)
    begun = fit(known)
    probs, none = said(begun, pool), accuracy(begun, tested)
    full = accuracy(fit(joined(known, pool)), tested)
    report: dict[str, Any] = {"none": none, "full": full, "pool": len(pool), "ways": {}}
    for name, choose in WAYS.items():
        curve, wasted, counts = {0: none}, [], []
        for budget in (one for one in BUDGETS if one <= len(pool)):
            rows = choose(pool, probs, budget, draw)
            curve[budget] = accuracy(fit(joined(known, pool.of(rows))), tested)
            wasted.append(float(pool.garbage[rows].mean()))
            counts.append(len(rows))
        report["ways"][name] = {"curve": curve, "garbage": float(np.mean(wasted)), "labels": counts}
    return report


def summary(names: list[str], told: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Means over seeds for each domain, and over all."""
    domains: dict[str, Any] = {}
    for name in names:
        trials = told[name]
        none, full = (float(np.mean([one[key] for one in trials])) for key in ("none", "full"))
        ways: dict[str, Any] = {}
        for way in WAYS:
            curve = {
                labels: round(float(np.mean([one["ways"][way]["curve"][labels] for one in trials])), 4)
                for labels in trials[0]["ways"][way]["curve"]
            }
            ways[way] = {
                "accuracy": curve,
                "labels_to_95": round(needed(curve, ENOUGH * full), 1),
                "labels_to_95_of_gain": round(needed(curve, none + ENOUGH * (full - none)), 1),
                "garbage": round(float(np.mean([one["ways"][way]["garbage"] for one in trials])), 4),
            }
        behind = max(
            ways["random"]["accuracy"][labels] - value for labels, value in ways["sampler"]["accuracy"].items()
        )
        domains[name] = {
            "none": round(none, 4), "full": round(full, 4), "pool": trials[0]["pool"],
            "most_points_behind_random": round(100 * behind, 2), "ways": ways,
        }  # fmt: skip
    curves = {
        way: {
            labels: round(
                float(np.mean([one["ways"][way]["accuracy"].get(labels, np.nan) for one in domains.values()])), 4
            )
            for labels in (0, *BUDGETS)
        }
        for way in WAYS
    }
    return {"domains": domains, "mean_accuracy": curves}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--registry", default="var/registry")
    parser.add_argument("--release", default="champion")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    ensure_shipped(given.registry)
    scorer = Scorer.load(Registry(given.registry).resolve(given.release), provider="cpu", threads=1)
    domains = read_domains(given.data)
    stage = Stage(scorer, domains)
    told: dict[str, list[dict[str, Any]]] = {}
    for at, (name, rows) in enumerate(domains.items()):
        if len(rows) >= LEAST:
            told[name] = [trial(stage, at, seed) for seed in range(given.seeds)]
            sys.stderr.write(f"{name}\n")
    report = {"release": scorer.release, **summary(list(told), told)}
    text = json.dumps(report, indent=2) + "\n"
    if given.json is not None:
        given.json.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
