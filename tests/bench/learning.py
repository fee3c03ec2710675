"""A sequence of domains, learnt one after the other from the shipped release: what is learnt, and what is forgotten.

    tocsin bench learning --sequence DIR --json OUT [--release champion] [--registry DIR] [--epochs N] [--seed N]
    tocsin bench learning --data DATA --json OUT [--rows 1500] [--tests 500] [--domains 6] [...]

``DIR`` holds folders that are taken in the order of their names, each with ``train.jsonl`` and ``test.jsonl`` of rows
``{"text", "sentiment"}``. Of ``DATA``, a folder of the public labelled sets, such a sequence is made
(:mod:`tests.evaluation.domains`). Three arms begin with the same release: the recipe of
:mod:`trainer.learning.update` with a memory of at most 4,000 rows, which begins with texts by rule as the trainer's
does; fine-tuning on each domain alone; and all domains at once. ``OUT`` gets ``domains``; ``accuracy`` and
``sequential_accuracy`` (row i: after domain i, row 0 before any; columns: tests of the domains), ``joint_accuracy`` (of
each domain), ``backward_transfer`` and ``average`` (of the last row), ``average_over_joint``, ``gain_over_sequential``
(what domains gain over the release when they are learnt, as a part of what they gain by fine-tuning),
``step_gain_over_sequential`` (the same of gains over what stood just before, which count again what fine-tuning forgot
and learnt anew) and ``seconds``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.assembly import ensure_shipped
from models.base import find_base
from models.registry import Registry
from models.text import open_tokenizer
from tests.evaluation.domains import write_sequence
from trainer import cases
from trainer.data import Example, read_rows
from trainer.learning.desk import Desk, Model, Rates
from trainer.learning.replay import Memory, Remembered
from trainer.learning.update import update


def read_domain(folder: Path, name: str) -> list[Example]:
    """The rows of one file of a domain, as of a source of its own."""
    return [replace(row, source=folder.name) for row in read_rows(folder / f"{name}.jsonl")]


class Arena:
    """The domains, and the release that every arm begins with."""

    def __init__(self, sequence: Path, release: Path, rates: Rates, base: Path) -> None:
        folders = sorted(path for path in sequence.iterdir() if path.is_dir())
        self.domains = [folder.name for folder in folders]
        self.train = [read_domain(folder, "train") for folder in folders]
        self.test = [read_domain(folder, "test") for folder in folders]
        self.start = Model.of(release)
        self.tokenizer = release / "tokenizer.json"
        self.base = base
        self.rates = rates

    def learn(
        self, model: Model, rows: Sequence[Example], memory: Memory, rates: Rates
    ) -> tuple[Model, dict[str, Any]]:
        """An update of ``model``; what it learnt goes into ``memory``."""
        found = update(model, rows, memory.rows(), base=self.base, tokenizer=self.tokenizer, rates=rates)
        memory.add(found.remember)
        return found.model, found.figures

    def accuracies(self, model: Model) -> list[float]:
        """Accuracy on the test of each domain, over all three sentiments: nobody says which domain a text is of."""
        desk = Desk(model, open_tokenizer(self.tokenizer), self.base, self.rates)
        return [round(self._accuracy(desk, rows), 4) for rows in self.test]

    @staticmethod
    def _accuracy(desk: Desk, rows: Sequence[Example]) -> float:
        said = [answer for answer, _ in desk.answers(desk.encoded(rows))]
        return float(np.mean([one.sentiment.argmax() == one.example.sentiment for one in said]))


def bench(arena: Arena) -> dict[str, Any]:
    began = time.monotonic()
    before = arena.accuracies(arena.start)
    accuracy, sequential, updates = [before], [before], []
    model, memory = arena.start, Memory([Remembered(row, {}) for row in cases.rehearsal()])
    for name, rows in zip(arena.domains, arena.train, strict=True):
        model, figures = arena.learn(model, rows, memory, arena.rates)
        accuracy.append(arena.accuracies(model))
        updates.append({"domain": name, **figures})
        told(f"{name}: {accuracy[-1]}, alpha {figures['alpha']:g}, {figures['seconds']:.0f} s")
    plain = arena.start
    for name, rows in zip(arena.domains, arena.train, strict=True):
        plain, _ = arena.learn(plain, rows, Memory(), replace(arena.rates, plain=True))
        sequential.append(arena.accuracies(plain))
        told(f"fine-tuning {name}: {sequential[-1]}")
    every = [row for rows in arena.train for row in rows]
    together, _ = arena.learn(arena.start, every, Memory(), arena.rates)
    joint = arena.accuracies(together)
    told(f"joint: {joint}")
    return {
        **summary(arena.domains, accuracy, sequential, joint),
        "memory": len(memory),
        "updates": updates,
        "seconds": round(time.monotonic() - began, 1),
    }


def summary(
    domains: list[str], accuracy: list[list[float]], sequential: list[list[float]], joint: list[float]
) -> dict[str, Any]:
    """The figures that follow from the tables.

    >>> ours, plain = [[0.5, 0.5], [0.8, 0.5], [0.7, 0.9]], [[0.5, 0.5], [0.9, 0.5], [0.6, 0.9]]
    >>> found = summary(["a", "b"], ours, plain, [0.8, 0.9])
    >>> found["backward_transfer"], found["average"], found["average_over_joint"]
    (-0.1, 0.8, 0.9412)
    >>> found["gain_over_sequential"], found["step_gain_over_sequential"]
    (0.875, 0.875)
    """
    last, count = accuracy[-1], len(domains)
    kept = [last[at] - accuracy[at + 1][at] for at in range(count - 1)]

    def gains_ratio(before: Callable[[int], int]) -> float | None:
        ours, plain = (
            sum(table[at + 1][at] - table[before(at)][at] for at in range(count)) for table in (accuracy, sequential)
        )
        return round(ours / plain, 4) if plain else None

    average = float(np.mean(last))
    return {
        "domains": domains,
        "accuracy": accuracy,
        "sequential_accuracy": sequential,
        "joint_accuracy": joint,
        "backward_transfer": round(float(np.mean(kept)), 4) if kept else 0.0,
        "average": round(average, 4),
        "average_over_joint": round(average / float(np.mean(joint)), 4),
        "gain_over_sequential": gains_ratio(lambda _: 0),
        "step_gain_over_sequential": gains_ratio(lambda at: at),
    }


def told(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given_by = parser.add_mutually_exclusive_group(required=True)
    given_by.add_argument("--sequence", type=Path)
    given_by.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=1_500, help="of a domain, with --data")
    parser.add_argument("--tests", type=int, default=500, help="of a domain, with --data")
    parser.add_argument("--domains", type=int, default=6, help="at most so many, with --data")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--registry", default="var/registry")
    parser.add_argument("--release", default="champion")
    parser.add_argument("--epochs", type=int, help="passes over a domain (default: as its rows ask for)")
    parser.add_argument("--seed", type=int, default=Rates().seed)
    given = parser.parse_args()
    ensure_shipped(given.registry)
    release = Registry(given.registry).resolve(given.release)
    rates = Rates(epochs=given.epochs, seed=given.seed)
    with tempfile.TemporaryDirectory() as place:
        if given.data is not None:
            write_sequence(given.data, Path(place), given.rows, given.tests, given.domains)
        arena = Arena(given.sequence or Path(place), release, rates, find_base())
    report = {"release": release.name, **bench(arena)}
    given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    told(
        f"average {report['average']}, of joint {report['average_over_joint']}, backward {report['backward_transfer']}"
    )


if __name__ == "__main__":
    main()
