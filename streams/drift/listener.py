"""All detectors of one stream under one release: scored documents in, looks out.

``domain``, ``novelty``, ``mix`` and ``confidence`` compare with the release's reference, ``quality`` with the stream's
own first documents, ``error`` and ``error-topic`` with how often the release used to be wrong. The first four together
ring once in ``run_length`` documents for nothing, each of the errors' detectors once in 10,000 labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.drift.feed import CHECKS, Delivered, Feed
from streams.drift.labels import ErrorRate
from streams.drift.senses import DETECTORS, Floats, Senses
from streams.drift.tails import Tail
from streams.drift.windows import BLOCK, RAREST, STEP, Baseline, Look, Windows, calibrate

RUN_LENGTH = 10_000.0
"""Documents between two false alarms of all detectors together."""
SIZES = {
    "domain": (64, 128, 256, 1024),
    "novelty": (64, 256, 1024),
    "mix": (128, 512, 2048),
    "confidence": (256, 1024, 4096),
    "quality": (256, 1024),
}
"""Windows in documents: what is rare at home is heard within tens, a shift of shares takes thousands."""
SETTLING = {"domain": 1024, "novelty": 1024, "mix": 2048, "confidence": 2048, "quality": 1024}
"""Documents that make a new baseline after an alarm."""
WINDOWED = (*DETECTORS, "quality")
SENTIMENT_ERROR, TOPIC_ERROR = "error", "error-topic"
UNARMED_BELOW = 1_000
"""A reference of fewer documents is too coarse to compare with: its detectors stay silent."""
QUALITY_SCALE = np.array([0.2, 0.5, 0.2, 0.2, 0.5], np.float32)
"""What is too much of each quality check: a fifth of the texts short, foreign or flagged, half of them copies, a length
of 1.65 times the usual one. Less than that does not count."""
QUALITY_TAIL = (3.0, 2.0)
"""Mean and variance of block maxima of ``quality`` before the stream has shown its own."""


class Step(NamedTuple):
    """A look of ``detector`` when ``row`` documents of the stream had been heard."""

    row: int
    detector: str
    look: Look


@dataclass(frozen=True)
class Home:
    """What a release gives its listeners, computed once: its senses, baselines, and thresholds."""

    senses: Senses
    baselines: dict[str, Baseline]
    tails: dict[str, Tail]

    @classmethod
    def of(cls, senses: Senses, run_length: float = RUN_LENGTH) -> Home:
        """Thresholds for ``run_length`` documents between false alarms; takes a second or two."""
        each = run_length * len(DETECTORS)
        baselines = {name: Baseline.of(senses.home[name]) for name in DETECTORS}
        return cls(
            senses,
            baselines,
            {name: calibrate(senses.home[name], baselines[name], SIZES[name], each) for name in DETECTORS},
        )

    @property
    def armed(self) -> bool:
        return len(self.senses.reference) >= UNARMED_BELOW


class Heard(NamedTuple):
    """n scored documents of a stream: embeddings [n, H], probabilities [n, k] by head, what the feed delivered, and
    by document the labels that came with it, as an error of 0 or 1 by detector."""

    embedding: Floats
    heads: Mapping[str, Floats]
    delivered: Sequence[Delivered]
    errors: Sequence[Mapping[str, float]]


class Listener:
    """The detectors of one stream. What it says depends on the documents and their order, not on how they were cut."""

    def __init__(self, home: Home, taxonomy: str, run_length: float = RUN_LENGTH) -> None:
        self.senses = home.senses
        self._feed = Feed()
        blocks = run_length * len(DETECTORS) / (BLOCK * STEP)
        self.windows = {
            "quality": Windows(
                SIZES["quality"], len(CHECKS), None, Tail(*QUALITY_TAIL, blocks), SETTLING["quality"], slack=1.0
            )
        }
        for name in DETECTORS if home.armed else ():
            baseline = home.baselines[name]
            self.windows[name] = Windows(
                SIZES[name],
                len(baseline.mean),
                replace(baseline),
                replace(home.tails[name]),
                SETTLING[name],
                pooled=name == "novelty",
            )
        heads = {SENTIMENT_ERROR: "sentiment", TOPIC_ERROR: f"topic.{taxonomy}"}
        self.errors = {name: ErrorRate(home.senses.reference.error(head)[0]) for name, head in heads.items()}
        self.heard = 0
        self._sums = {name: np.zeros(windows.width) for name, windows in self.windows.items()}

    def hear(self, heard: Heard) -> list[Step]:
        """Take in documents; the looks they led to, in order."""
        features = self.senses.hear(heard.embedding, heard.heads)
        features["quality"] = self._feed.hear(heard.delivered) / QUALITY_SCALE
        steps: list[Step] = []
        for at, errors in enumerate(heard.errors):
            self.heard += 1
            for name, sums in self._sums.items():
                sums += features[name][at]
            for name, error in errors.items():
                steps.append(Step(self.heard, name, self.errors[name].hear(error)))
            if self.heard % STEP == 0:
                for name, sums in self._sums.items():
                    steps.append(Step(self.heard, name, self.windows[name].hear(sums.copy())))
                    sums[:] = 0.0
        return steps

    def surprise(self, embedding: Floats) -> NDArray[np.float64]:
        """How unusual each document's kind of text is in this stream [n], in nats; 0 where no kinds are known."""
        windows = self.windows.get("domain")
        if windows is None or windows.baseline is None:
            return np.zeros(len(embedding))
        usual = np.maximum(windows.baseline.mean, RAREST)
        return np.asarray(-np.log(self.senses.domains_of(embedding) @ usual))

    def units(self, detector: str) -> NDArray[np.float32]:
        """By what the features of a detector are multiplied to be shares again."""
        return QUALITY_SCALE if detector == "quality" else np.ones(1, np.float32)
