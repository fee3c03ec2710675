"""Whether the gate lets through what is better and stops what is not, each refusal by the right name.

    tocsin bench gate --data DATA [--release champion] [--registry DIR] [--work DIR] [--anchors 3000] [--only NAME ...]

DATA is a folder of the public labelled sets, or a file of labelled rows (JSON Lines, CSV or Parquet), some thousands.
The source with the most sentiments, put into a dialect, is a domain that the release does not know. Ten candidates that
have learnt it and twenty bad ones are made (:mod:`tests.evaluation.candidates`) and judged one after the other, as such
that drift asked for. Rows are shared out by hashes of their texts: anchors and recent documents to judge by, lessons,
and a rest that tells how much better a candidate truly is. Verdicts are kept in ``--work``: begun again, it goes on.
JSON on stdout.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.assembly import ensure_shipped
from models.base import find_base
from models.registry import Registry
from models.scorer import Scorer
from tests.evaluation.candidates import Candidate, Foundry
from tests.evaluation.dialects import Dialect
from trainer.data import Example, normalised
from trainer.evaluate import answers, read_examples
from trainer.gate.items import heard, items_of
from trainer.gate.judge import Sets, judge
from trainer.learning.desk import Rates

UNLABELLED = 200
HELD = 200
"""Anchors, and recent rows, that calibrate an int8 graph: texts of the old and of the new, as in the trainer."""


def share_of(text: str) -> int:
    """One of ten shares, by the text's hash."""
    return int.from_bytes(hashlib.sha256(b"gate bench " + normalised(text).encode()).digest()[:4], "big") % 10


def shared_out(rows: Sequence[Example], most: int) -> dict[str, list[Example]]:
    """Anchors, recent rows, lessons, memory, and rows for the truth of old and of new; at most so many to judge by."""
    ordered = sorted(rows, key=lambda row: hashlib.sha256(row.text.encode()).digest())
    felt = [row for row in ordered if row.sentiment is not None and not row.polar]
    new = Counter(row.source for row in felt).most_common(1)[0][0]
    dialect = Dialect([row for row in felt if row.source == new and share_of(row.text) < 4])
    spoken = [(share_of(row.text), dialect.spoken(row)) for row in felt if row.source == new]
    usual = [(share_of(row.text), row) for row in ordered if row.source != new]

    def taken(some: Sequence[tuple[int, Example]], shares: range, limit: int) -> list[Example]:
        return [row for share, row in some if share in shares][:limit]

    return {
        "anchors": taken(usual, range(4), most), "recent": taken(spoken, range(4, 7), most),
        "lessons": taken(spoken, range(4), len(rows)), "memory": taken(usual, range(4, 8), len(rows)),
        "old truth": taken(usual, range(8, 10), most), "new truth": taken(spoken, range(7, 10), most),
    }  # fmt: skip


def accuracy(release: Path, rows: Sequence[Example]) -> float:
    """The share of the rows' questions that the release gets right."""
    scorer = Scorer.load(release, provider="cpu", threads=1)
    items = items_of(rows, scorer.taxonomies)
    return float(heard(items, answers(scorer, rows)).right.mean())


def judged(one: Candidate, foundry: Foundry, sets: Sets, truth: dict[str, list[Example]]) -> dict[str, Any]:
    """Make the candidate, judge it, and throw its files away."""
    target = foundry.place / one.name
    began = time.monotonic()
    one.make(target)
    made = time.monotonic() - began
    cpu = time.process_time()
    verdict = judge(target, foundry.champion, sets, base=foundry.base, drifted=True)
    cpu = time.process_time() - cpu
    checks = {check.name: check.as_row() for check in verdict.checks}
    report = {
        "promoted": verdict.passed,
        "refused_by": verdict.refused_by,
        "named": bool(set(verdict.refused_by) & set(one.checks)),
        "why": {check.name: check.why for check in verdict.checks if not check.held},
        "anchors_points": checks.get("anchors", {}).get("difference_points"),
        "recent_points": checks.get("recent", {}).get("difference_points"),
        "flips_percent": checks.get("flips", {}).get("negative_flips_percent"),
        "seconds": round(verdict.seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "making_seconds": round(made, 1),
    }
    if not one.checks:
        report["truth_points"] = {
            name: round(100 * (accuracy(target, rows) - accuracy(foundry.champion, rows)), 2)
            for name, rows in truth.items()
        }
    shutil.rmtree(target)
    return report


def summary(better: Sequence[str], bad: Sequence[str], told: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What counts: how many of either kind were promoted, refusals that do not name what is wrong, the longest time.

    >>> ok, no = {"promoted": True, "seconds": 9.0}, {"promoted": False, "seconds": 2.0, "named": False}
    >>> found = summary(["a"], ["b"], {"a": ok, "b": no})
    >>> found["better_promoted"], found["bad_promoted"], found["misnamed"], found["longest_seconds"]
    (1, 0, ['b'], 9.0)
    """
    done = [name for name in (*better, *bad) if name in told]
    return {
        "better": sum(name in told for name in better),
        "better_promoted": sum(told[name]["promoted"] for name in better if name in told),
        "bad": sum(name in told for name in bad),
        "bad_promoted": sum(told[name]["promoted"] for name in bad if name in told),
        "misnamed": [name for name in bad if name in told and not told[name]["promoted"] and not told[name]["named"]],
        "longest_seconds": max((told[name]["seconds"] for name in done), default=0.0),
        "candidates": {name: told[name] for name in done},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--registry", default="var/registry")
    parser.add_argument("--release", default="champion")
    parser.add_argument("--work", type=Path, default=Path("var/bench-gate"))
    parser.add_argument("--anchors", type=int, default=3_000, help="rows of each kind to judge by")
    parser.add_argument("--rows", type=int, default=400, help="lessons of a training")
    parser.add_argument("--epochs", type=int, help="passes over the lessons (default: as their number asks for)")
    parser.add_argument("--only", nargs="*", help="names of candidates")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after so long")
    given = parser.parse_args()
    began = time.monotonic()
    ensure_shipped(given.registry)
    release = Registry(given.registry).resolve(given.release)
    rows = shared_out(
        read_examples(given.data, Registry(given.registry).manifest(given.release).labels.topics), given.anchors
    )
    texts = [row.text for row in (*rows["lessons"], *rows["memory"])]
    sets = Sets(rows["anchors"], rows["recent"], random.Random(0).sample(texts, min(UNLABELLED, len(texts))))
    given.work.mkdir(parents=True, exist_ok=True)
    foundry = Foundry(
        release, find_base(), given.work, rows["lessons"], rows["memory"], rows["anchors"],
        [*rows["anchors"][:HELD], *rows["recent"][:HELD]], given.rows, Rates(epochs=given.epochs),
    )  # fmt: skip
    truth = {"old": rows["old truth"], "new": rows["new truth"]}
    better, bad = foundry.better(), foundry.bad()
    told: dict[str, dict[str, Any]] = {}
    for one in (*better, *bad):
        kept = given.work / f"{one.name}.json"
        if kept.is_file():
            told[one.name] = json.loads(kept.read_text(encoding="utf-8"))
            continue
        if (given.only and one.name not in given.only) or time.monotonic() - began > given.seconds:
            continue
        told[one.name] = judged(one, foundry, sets, truth)
        kept.write_text(json.dumps(told[one.name]) + "\n", encoding="utf-8")
        sys.stderr.write(f"{one.name}: {json.dumps(told[one.name])}\n")
    counts = {name: len(some) for name, some in rows.items()}
    report = {"release": release.name, **counts, **summary([c.name for c in better], [c.name for c in bad], told)}
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
