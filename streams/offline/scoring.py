"""The scorer of the offline verbs: the release that the workers would load, asked in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from models.assembly import ensure_shipped
from models.errors import InferenceError, RegistryError
from models.registry import Registry
from models.scorer import Scorer, Scores
from streams.records import Document
from streams.scored import spans_of
from streams.settings import ScoringSettings


@dataclass(frozen=True)
class Failed:
    """A document on which the release fails, whichever way it is batched."""

    message: str


def open_scorer(settings: ScoringSettings, release: str | None = None, precision: str | None = None) -> Scorer:
    """Load ``release`` (an alias, a version or a directory; default: the settings'), assembled where need be.

    Raises:
        ModelError: there is no such release, it is not sound, or the device or precision is not there.
    """
    wanted = settings.release if release is None else release
    chosen = settings.precision if precision is None or precision == "auto" else precision
    return Scorer.load(
        _find(settings.registry, wanted),
        provider=settings.provider,
        precision=cast(Literal["auto", "fp32", "int8", "fp16"], chosen),
        threads=settings.threads,
        max_tokens=settings.max_tokens,
        batch_tokens=settings.batch_tokens,
    )


def score_each(scorer: Scorer, documents: Sequence[Document]) -> list[tuple[Scores, int] | Failed]:
    """For each document its scores (as arrays and a row), or why it has none; halves find the one that fails."""
    if not documents:
        return []
    try:
        scores = scorer.score([document.heard for document in documents], [spans_of(d) for d in documents])
    except InferenceError as exc:
        if len(documents) == 1:
            return [Failed(str(exc))]
        middle = len(documents) // 2
        return score_each(scorer, documents[:middle]) + score_each(scorer, documents[middle:])
    return [(scores, row) for row in range(len(documents))]


def _find(registry_root: Any, wanted: str) -> Path:
    directory = Path(wanted)
    if (directory / "manifest.json").is_file():
        return directory
    registry = Registry(registry_root)
    try:
        return registry.resolve(wanted)
    except RegistryError:
        ensure_shipped(registry_root)
        return registry.resolve(wanted)
