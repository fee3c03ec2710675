"""A stream whose words have changed their meaning, on an embedded broker, and a trainer as an operator starts it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from kafka import KafkaProducer

from models.labels import SENTIMENTS
from models.registry import Registry
from streams.lessons import DocumentFeedback, DriftSample, DriftSignal
from streams.operate.client import kafka_python_options
from streams.records import Origin, SentimentProbs, encode
from streams.settings import Settings, load
from tests.broker.fleet import ROOT, toml
from tests.trainer.sets import SUBJECTS
from trainer.data import Example

MILD = """
import sys
if "trainer.cycle.workshop" in sys.orig_argv:
    from trainer.gate import checks, soundness
    soundness.SLOWEST, soundness.INT8_AGREES, checks.MOST_FLIPS = float("inf"), 0.8, 0.3
"""
"""A release of 32 units takes microseconds, which no clock compares, and rounds coarsely; 200 anchors hold a few that
it called right by chance. Read by every interpreter that is started."""


NEW = {0: ("listing", "barrel"), 2: ("revenue",)}
"""Words that said nothing good or bad so far, and do now."""


def shifted(count: int, seed: int) -> list[Example]:
    """Rows of a new domain."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        label = draw.choice([0, 2])
        words = [draw.choice(SUBJECTS), draw.choice(NEW[label]), draw.choice(SUBJECTS), str(draw.randrange(10_000))]
        rows.append(Example(" ".join(words), "shifted", sentiment=label))
    return rows


def sample(number: int, row: Example, *, stars: float | None = None, at_ms: int = 0) -> DriftSample:
    return DriftSample(
        id=f"d{number}",
        origin=Origin("reviews", 0, number),
        stream="reviews",
        event_ms=at_ms or 1_000 * number,
        text=row.text,
        source=f"shop-{number % 4}",
        lang="en",
        release="t-1",
        sentiment_probs=SentimentProbs(0.2, 0.5, 0.3),
        topics={},
        slice="random" if number % 5 == 0 else "merit",
        probability=0.004,
        reasons=("random",),
        priority=0.0,
        stars=stars,
    )


def word(number: int, row: Example, by: str = "ann", at_ms: int = 0) -> DocumentFeedback:
    assert row.sentiment is not None
    return DocumentFeedback(f"d{number}", by, at_ms, SENTIMENTS[row.sentiment])  # type: ignore[arg-type]


def signal_of(detector: str = "error", calls: str = "train", event_ms: int = 1) -> DriftSignal:
    return DriftSignal("t-1", "reviews", detector, calls, 900, 0, 5.0, 4.0, False, event_ms)  # type: ignore[arg-type]


class School:
    """A registry with a champion, its base encoder, and a trainer's place on a broker."""

    def __init__(self, servers: str, folder: Path, champion: Path, base: Path, anchors: Iterable[Example]) -> None:
        self.folder = folder
        self.registry = Registry(folder / "registry")
        shutil.copytree(champion, self.registry.root / champion.name)
        self.registry.promote(champion.name)
        lines = [
            json.dumps({"text": row.text, "sentiment": SENTIMENTS[row.sentiment]})
            for row in anchors
            if row.sentiment is not None
        ]
        (folder / "anchors.jsonl").write_text("\n".join(lines[::2]) + "\n")
        (folder / "rehearse.jsonl").write_text("\n".join(lines[1::2]) + "\n")
        (folder / "sitecustomize.py").write_text(MILD)
        self.log = folder / "trainer.log"
        self._config = folder / "tocsin.toml"
        self._config.write_text(
            toml(
                {
                    "": {"brokers": [servers], "state_dir": folder / "state"},
                    "kafka": {"embedded": True},
                    "scoring": {"registry": self.registry.root},
                    "trainer": {
                        **{
                            "port": 0,
                            "base": base,
                            "rate": 0.006,
                            "epochs": 4,
                            "new_labels": 300,
                            "least_anchors": 150,
                        },
                        **{"anchors": folder / "anchors.jsonl", "rehearse": folder / "rehearse.jsonl"},
                    },
                    "log": {"format": "json"},
                }
            )
        )

    @property
    def settings(self) -> Settings:
        return load(self._config)

    def send(self, *records: DriftSample | DocumentFeedback | DriftSignal | bytes) -> None:
        """Into the topics they belong to, acknowledged; bytes go into the feedback topic."""
        topics = self.settings.topics
        homes = {DriftSample: topics.drift_samples, DriftSignal: topics.drift}
        producer = KafkaProducer(**kafka_python_options(self.settings), acks="all")
        futures = [
            producer.send(homes.get(type(one), topics.feedback), one if isinstance(one, bytes) else encode(one))
            for one in records
        ]
        for future in futures:
            future.get(30)
        producer.close()

    def teach(self, count: int, seed: int = 1) -> list[Example]:
        """Samples of the changed stream, half of them labelled by two people, half with stars."""
        rows = shifted(count, seed)
        stars = {0: 1.0, 2: 5.0}
        self.send(
            *(sample(at, row, stars=stars[row.sentiment or 0] if at % 2 else None) for at, row in enumerate(rows)),
            *(word(at, row, by=("ann", "bob")[at // 2 % 2]) for at, row in enumerate(rows) if at % 2 == 0),
        )
        return rows

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tocsin", "trainer", *options, "--config", str(self._config)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{self.folder}:{ROOT}"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def once(self, *options: str) -> int:
        """The exit status of one run through."""
        return self.start("--once", *options).wait(300)

    def killed_when(self, reached: Callable[[], bool], *options: str) -> None:
        """Run, and kill -9 as soon as something is so."""
        process = self.start("--once", *options)
        while not reached():
            assert process.poll() is None, self.log.read_text()[-3_000:]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def said(self) -> list[dict[str, object]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]
