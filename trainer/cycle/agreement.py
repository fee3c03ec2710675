"""How sure the release was, and how right, by what people say of documents that were drawn blindly.

Only those: what was chosen for what it would teach is not like the stream, and would make the release look worse than
it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from streams.lessons import DocumentFeedback, DriftSample
from trainer.measure import calibration_error


@dataclass(frozen=True)
class Agreement:
    """Of ``words`` on the sentiment: the share in which the release was ``right``, its mean ``confidence``, and the
    expected calibration error. NaN where there are none."""

    words: int
    right: float
    confidence: float
    calibration_error: float


def agreement(samples: Iterable[DriftSample], words: Iterable[DocumentFeedback], release: str) -> Agreement:
    """What ``words`` make of the samples that ``release`` read; a word for each person and document."""
    drawn = {sample.id: sample for sample in samples if sample.slice == "random" and sample.release == release}
    confidence: list[float] = []
    right: list[bool] = []
    for word in words:
        sample = drawn.get(word.id)
        if sample is not None and word.sentiment is not None:
            said = sample.sentiment_probs
            chances = {"negative": said.negative, "neutral": said.neutral, "positive": said.positive}
            call = max(chances, key=lambda name: chances[name])
            confidence.append(chances[call])
            right.append(call == word.sentiment)
    if not right:
        return Agreement(0, float("nan"), float("nan"), float("nan"))
    sure, held = np.array(confidence), np.array(right)
    return Agreement(len(right), float(held.mean()), float(sure.mean()), calibration_error(sure, held))
