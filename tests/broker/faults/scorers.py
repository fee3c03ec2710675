"""Scorers that cannot stand one word."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from models.scorer import Scorer

CRASHED = 134
"""Exit status of a process that its scorer took down; what an abort() in native code looks like in a shell."""


def fail_on(how: str, word: str) -> None:
    """Let every scorer of this process die (``exit``) or raise (``raise``) over a text with ``word``."""
    prepare = Scorer.prepare

    def prepare_or_fail(self: Scorer, texts: Sequence[str], *arguments: Any, **named: Any) -> Any:
        if any(word in text for text in texts):
            if how == "exit":
                os._exit(CRASHED)
            raise RuntimeError(f"this scorer cannot stand {word}")
        return prepare(self, texts, *arguments, **named)

    Scorer.prepare = prepare_or_fail  # type: ignore[method-assign]
