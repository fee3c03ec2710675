"""How often drift rings for nothing, and how soon when something is new.

    python tests/bench/drift.py DATA [--release champion] [--dated FILE] [--documents 200000] [--runs 36] [--seed 1]

DATA is a folder of the labelled public sets, of which only rows that nothing was trained or calibrated on are heard;
or any folder of ``NAME.jsonl`` files of ``{"text"}`` rows, one for each domain. Streams are drawn from these documents
in the proportions of the release's own reference: one by one, with topics that come and go, and with seasons;
``--dated`` is a file in order of time that is heard as it is. Then each domain in turn is new: absent, and from one
moment on a share of the stream. JSON on stdout.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.scorer import Scorer, Scores
from streams.drift.listener import Home
from streams.drift.senses import Senses
from streams.offline.scoring import open_scorer
from streams.settings import ScoringSettings
from tests.evaluation.drift import KINDS, Pool, delay, label_delays, run_lengths
from trainer.data import FILES, READERS, parts, read_set

TARGET = 10_000.0
SHARES = (0.05, 0.1, 0.2, 0.5)
BEFORE, WITHIN = 6_144, 3_072
LEAST = 100
"""Documents of a domain that can be a new one."""
ALIKE = 0.5
"""Overlap of what the release takes two domains for, from which they are of one kind."""
TINY = 1e-9


def main(arguments: list[str]) -> None:
    """Read the arguments, score what is there, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--release", default="champion")
    parser.add_argument("--registry", default="var/registry")
    parser.add_argument("--dated", type=Path)
    parser.add_argument("--most", type=int, default=800, help="documents of a domain")
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=36)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args(arguments)
    scorer = open_scorer(ScoringSettings(registry=told.registry, threads=1), told.release)
    if scorer.reference is None:
        parser.error(f"release {scorer.release} has no reference")
    began = time.process_time()
    home = Home.of(Senses.of(scorer.reference), TARGET)
    prepared = time.process_time() - began
    texts = read_domains(told.data, told.most)
    pool, names = heard_pool(scorer, home.senses, texts)
    report: dict[str, Any] = {"release": scorer.release, "reference": len(scorer.reference), "target": TARGET}
    report["domains"] = {name: int((pool.domains == at).sum()) for at, name in enumerate(names)}
    draw = np.random.default_rng(told.seed)
    began = time.process_time()
    report["no drift"] = {
        kind: rounded(run_lengths(home, pool.features, make(pool, draw, told.documents)))
        for kind, make in KINDS.items()
    }
    report["cost"] = {
        "seconds at the start": round(prepared, 2),
        "microseconds a document, windows": round((time.process_time() - began) / told.documents / len(KINDS) * 1e6, 1),
    }
    if told.dated is not None:
        dated, _ = heard_pool(scorer, home.senses, {told.dated.stem: read_texts(told.dated)})
        report["no drift"]["in order of time"] = rounded(run_lengths(home, dated.features, np.arange(len(dated))))
    report["a new domain"] = new_domains(home, pool, names, told.runs, draw)
    rises = {f"{after:.2f}": label_delays(0.12, after, 10 * told.runs, told.seed) for after in (0.15, 0.18, 0.24)}
    report["labels until an error of .12 that rose is heard"] = {
        after: {"median": float(np.median(found)), "p90": float(np.quantile(found, 0.9))}
        for after, found in rises.items()
    }
    print(json.dumps(report, indent=2))  # noqa: T201 - this is the output


def new_domains(home: Home, pool: Pool, names: Sequence[str], runs: int, draw: np.random.Generator) -> dict[str, Any]:
    """Delays and misses by share; the stream before is of each single other domain in turn, and of all as at home.

    Told apart from the others are runs in which the new domain has its like in the stream before: the release itself
    takes more than half of the one for the other.
    """
    large = [at for at in range(len(names)) if len(pool.of([at])) >= LEAST]
    means = {at: pool.features["domain"][pool.of([at])].mean(0) for at in large}
    found: dict[str, Any] = {}
    for share in SHARES:
        delays: dict[str, list[float]] = {}
        for run in range(runs):
            new = large[run % len(large)]
            others = [at for at in large if at != new]
            for key, before in (("one domain before", [others[run * 3 % len(others)]]), ("all others before", others)):
                if key.startswith("one"):
                    usual = draw.choice(pool.of(before), BEFORE + WITHIN)
                else:
                    weights = np.where(np.isin(np.arange(len(names)), before), np.maximum(pool.weights, TINY), 0.0)
                    usual = replace(pool, weights=weights).draw(draw, BEFORE + WITHIN)
                waited = delay(home, pool.features, usual, pool.of([new]), share, draw, WITHIN)[0]
                alike = max(float(np.minimum(means[new], means[at]).sum()) for at in before) > ALIKE
                delays.setdefault(key + (", its like among them" if alike else ""), []).append(waited)
        found[f"{share:.0%}"] = {key: summary(some) for key, some in sorted(delays.items())}
    return found


def summary(delays: list[float]) -> dict[str, float]:
    ordered = sorted(delays)
    return {
        "median": ordered[len(ordered) // 2],
        "p90": ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))],
        "runs": len(ordered),
        "missed": round(float(np.mean(np.isinf(ordered))), 3),
    }


def read_domains(data: Path, most: int) -> dict[str, list[str]]:
    """Texts by domain: the test side of the public sets, or the files of a folder."""
    sets = [name for name in READERS if (data / name / FILES.get(name, "train.jsonl.gz")).is_file()]
    if sets:
        texts = {name: [row.text for row in parts(read_set(data, name))["test"]] for name in sets}
    else:
        texts = {path.name.split(".")[0]: read_texts(path) for path in sorted(data.glob("*.jsonl*"))}
    draw = np.random.default_rng(0)
    return {
        name: [some[at] for at in draw.permutation(len(some))[:most].tolist()] for name, some in texts.items() if some
    }


def read_texts(path: Path) -> list[str]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return [json.loads(line)["text"] for line in file]


def heard_pool(scorer: Scorer, senses: Senses, texts: dict[str, list[str]]) -> tuple[Pool, list[str]]:
    """Every text scored once; a domain weighs what it does in the release's reference, or as much as any other."""
    names = list(texts)
    chunks = [scored(scorer, some) for some in texts.values()]
    heads = {"sentiment": np.concatenate([s.sentiment for some in chunks for s in some])}
    for name in scorer.taxonomies:
        heads[f"topic.{name}"] = np.concatenate([s.topics[name] for some in chunks for s in some])
    features = senses.hear(np.concatenate([s.embedding for some in chunks for s in some]), heads)
    domains = np.repeat(np.arange(len(names)), [len(some) for some in texts.values()])
    known = senses.reference
    at_home = np.bincount(known.domains, minlength=len(known.domain_names)) / len(known)
    shares = dict(zip(known.domain_names, at_home.tolist(), strict=True))
    weights = np.array([shares.get(name, 0.0) for name in names])
    topics = heads[f"topic.{next(iter(scorer.taxonomies))}"].argmax(1)
    return Pool(features, domains, topics, weights if weights.sum() > 0 else np.ones(len(names))), names


def scored(scorer: Scorer, texts: list[str]) -> list[Scores]:
    return [scorer.score(texts[at : at + 512]) for at in range(0, len(texts), 512)]


def rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
