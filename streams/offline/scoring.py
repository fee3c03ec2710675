"""The scorer of the offline verbs: the release that the workers would load, asked in chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from models.assembly import ensure_shipped
from models.errors import RegistryError
from models.registry import Registry
from models.scorer import Scorer, Scores
from streams.records import Document
from streams.scored import spans_of
from streams.scoring.bisect import HARMLESS, score_or_reject
from streams.settings import ScoringSettings

Result = TypeVar("Result")


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
    return Scorer.load(_find(settings.registry, wanted), **{**settings.scorer_options(), "precision": chosen})


def score_each(
    scorer: Scorer, documents: Sequence[Document], join: Callable[[Sequence[Document], Scores], Sequence[Result]]
) -> list[Result | Failed]:
    """``join(documents, scores)``, with :class:`Failed` in the place of a document on which the release fails.

    Raises:
        ModelError: the release fails on everything.
    """

    def score(some: Sequence[Document]) -> Sequence[Result | Failed]:
        return join(some, scorer.score([document.heard for document in some], [spans_of(d) for d in some]))

    return score_or_reject(
        documents, score, lambda _, error: Failed(str(error)), lambda: scorer.score([HARMLESS, HARMLESS])
    )


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
