"""A release on trial: loaded and asked in a process of its own, before it may take another's place.

What would end a process (a graph that crashes the runtime, a session that asks for all memory) ends that one.
``python -m models.trial DIRECTORY OPTIONS`` is what runs there: it prints what the release says of
:data:`PROOF_TEXTS`, or on standard error why it may not serve. :func:`agrees` then holds the same release, loaded
here, to those words.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import ModelError, ReleaseError
from models.scorer import Scorer

TRIAL_SECONDS = 120.0
"""A release that has not said its words by then is refused; on two busy cores the shipped one takes six."""
REFUSED = 3
"""Exit status of a trial that ended in a refusal, and not in a crash."""
LARGEST_GAP = 1e-3
"""Of a probability between two processes on one machine; rounding, where thread counts differ."""

_OPENINGS = (
    "Shares of the company fell after the regulator opened an investigation.",
    "The battery died within a week and nobody answered my mails.",
    "Great quarter: revenue and profit beat every estimate.",
    "It is a phone. It makes calls.",
    "Oil prices were little changed on Tuesday.",
    "I would not call this a bad product, but I would not buy it again.",
)
PROOF_TEXTS: tuple[str, ...] = (
    *(
        f"{opening} {closing}".strip()
        for opening in _OPENINGS
        for closing in ("", "More soon.", "$ACME +3 %", "!!! 😡")
    ),
    "",
    " ",
    "?",
    "word " * 600,
    "😀 👍🏽",
    "株価が急落した",
    "a\u200bb\u0000c",
    "https://example.com/only",
)
"""Asked of every release before it serves: ordinary, empty, endless, and in no language it knows."""
_SPAN = (0, 6)


def say(scorer: Scorer) -> dict[str, list[list[float]]]:
    """The calibrated probabilities of every head for :data:`PROOF_TEXTS`, each asked about its beginning, too.

    Raises:
        ReleaseError: what the release says are no probabilities.
    """
    scores = scorer.score(PROOF_TEXTS, [[_SPAN] if len(text) >= _SPAN[1] else [] for text in PROOF_TEXTS])
    tables = {"sentiment": scores.sentiment, "entities": np.concatenate(scores.entities)}
    tables |= {f"topic:{name}": table for name, table in scores.topics.items()}
    for name, table in tables.items():
        if not np.isfinite(table).all() or np.abs(table.sum(1) - 1.0).max(initial=0.0) > 1e-3:
            raise ReleaseError(f"release {scorer.release}: {name} gives no probabilities")
    if not np.isfinite(scores.embedding).all():
        raise ReleaseError(f"release {scorer.release}: its embedding is not finite")
    return {name: table.astype(float).round(6).tolist() for name, table in tables.items()}


def try_out(release: Path, options: Mapping[str, Any], *, seconds: float = TRIAL_SECONDS) -> dict[str, Any]:
    """Load the release in directory ``release`` in a fresh process, with the keyword ``options`` of
    :meth:`Scorer.load`; returns what it said.

    Raises:
        ReleaseError: it may not serve; the text says why.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "models.trial", str(release), json.dumps(dict(options))],
            capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parent.parent,
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        raise ReleaseError(f"release {release.name} said nothing within {seconds:.0f} s of its trial") from exc
    if done.returncode == REFUSED:
        raise ReleaseError(done.stderr.strip().splitlines()[-1][:500])
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise ReleaseError(f"release {release.name} ended its trial with status {done.returncode}: {last[:300]}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def agrees(scorer: Scorer, said: Mapping[str, Any]) -> None:
    """Hold ``scorer`` to what its release ``said`` at its trial. Asking warms it up besides.

    Raises:
        ReleaseError: it says something else here.
    """
    now = say(scorer)
    for name in sorted({*now, *said}):
        here, there = np.array(now.get(name, [])), np.array(said.get(name, []))
        if here.shape != there.shape or np.abs(here - there).max(initial=0.0) > LARGEST_GAP:
            raise ReleaseError(f"release {scorer.release}: {name} is not what it was at its trial")


def main() -> None:
    """Run in the fresh process."""
    os.nice(5)  # the release that serves goes first
    release, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    try:
        said = say(Scorer.load(release, **options))
    except ModelError as exc:
        sys.stderr.write(f"{' '.join(str(exc).split())}\n")
        sys.exit(REFUSED)
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
