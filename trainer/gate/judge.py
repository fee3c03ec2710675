"""The story of a verdict: is the candidate whole, does its graph say what its weights say, is it as fast, and is it
at least as good where that can be known?

Cheap checks come first, and a candidate that cannot be loaded is asked nothing more. Otherwise every check runs, so
that a verdict tells everything that is wrong at once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import ModelError
from models.release import read_manifest, write_durably
from models.scorer import Scorer
from trainer.data import Example, normalised
from trainer.evaluate import answers
from trainer.gate import behaviour, checks, soundness
from trainer.gate.checks import Check
from trainer.gate.items import Heard, Item, heard, items_of
from trainer.measure import Answer
from trainer.parity import AWKWARD

VERDICTS = ".verdicts"
"""Directory of a registry in which verdicts are kept; hidden, so that no release is called so."""
PARITY_TEXTS = 512
LEARNT = "learnt"
"""Where a manifest's ``training`` tells the marks of the texts that an update was trained on."""


@dataclass(frozen=True)
class Sets:
    """What a candidate is judged on: labelled ``anchors`` and ``recent`` documents, and ``unlabelled`` texts."""

    anchors: Sequence[Example]
    recent: Sequence[Example] = ()
    unlabelled: Sequence[str] = ()

    @property
    def sha256(self) -> str:
        """Names the anchors: verdicts on the same ones leak, little by little, what is in them."""
        digest = hashlib.sha256()
        for text in sorted(normalised(example.text) for example in self.anchors):
            digest.update(text.encode() + b"\n")
        return digest.hexdigest()


@dataclass(frozen=True)
class Verdict:
    """Every check of a candidate against a champion. ``consulted`` counts the verdicts on the same anchors so far."""

    candidate: str
    champion: str
    drifted: bool
    checks: tuple[Check, ...]
    seconds: float
    anchors_sha256: str
    at: str
    consulted: int = 1

    @property
    def passed(self) -> bool:
        return all(check.held for check in self.checks)

    @property
    def refused_by(self) -> list[str]:
        """The names of the checks that failed."""
        return [check.name for check in self.checks if not check.held]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "candidate": self.candidate, "champion": self.champion, "passed": self.passed,
            "refused_by": self.refused_by, "drifted": self.drifted, "at": self.at,
            "seconds": round(self.seconds, 1), "anchors_sha256": self.anchors_sha256, "consulted": self.consulted,
            "checks": [check.as_row() for check in self.checks],
        }  # fmt: skip

    def summary(self) -> str:
        """One line for a registry's history."""
        if self.passed:
            return f"passed {len(self.checks)} checks against {self.champion}"
        return "; ".join(f"{check.name}: {check.why}" for check in self.checks if not check.held)


def mark_of(text: str) -> str:
    """A short name of a text and its copies, from which nobody can read the text."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()[:12]


def judge(
    candidate: Path,
    champion: Path,
    sets: Sets,
    *,
    base: Path,
    drifted: bool = False,
    reports: Sequence[Check] = (),
) -> Verdict:
    """Judge the release in directory ``candidate`` against the one in ``champion``.

    ``base`` is the encoder's directory, ``drifted`` says that drift asked for the candidate, ``reports`` are checks
    that others have made. Needs torch, for parity.

    Raises:
        ReleaseError: the champion itself cannot be loaded.
    """
    began = time.monotonic()
    done = [soundness.integrity(candidate, champion)]
    if done[-1].held:
        done.append(soundness.heads(candidate, champion))
    if done[-1].held:
        done.append(soundness.parity(candidate, base, _parity_texts(sets)))
    if all(check.held for check in done[:2]):
        done += _asked(candidate, champion, sets, drifted)
    return Verdict(
        candidate.name,
        champion.name,
        drifted,
        (*done, *reports),
        time.monotonic() - began,
        sets.sha256,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _asked(candidate: Path, champion: Path, sets: Sets, drifted: bool) -> list[Check]:
    """The checks for which both releases answer."""
    before = Scorer.load(champion, provider="cpu", threads=1)
    try:
        after = Scorer.load(candidate, provider="cpu", threads=1)
    except ModelError as exc:
        return [Check("integrity", f"it cannot be loaded: {exc}")]
    texts = [example.text for example in (*sets.anchors, *sets.recent)] or list(sets.unlabelled)
    done = [soundness.latency(after, before, texts)]
    try:
        said = _said(sets.anchors, before, after)
        items, old, new = _heard(before, *said)
        recent_items, recent_old, recent_new = _heard(before, *_said(sets.recent, before, after))
        churned = _churned(before, after, sets.unlabelled)
        behaved = [behaviour.shares(told) for told in _said(behaviour.texts(), before, after)]
    except ModelError as exc:
        return [*done, Check("integrity", f"it cannot answer: {exc}")]
    mended = float((recent_new.right & ~recent_old.right).mean()) if drifted and recent_items else 0.0
    learnt = set(read_manifest(candidate).training.get(LEARNT) or ())
    shared = sum(mark_of(example.text) in learnt for example in sets.anchors)
    return [
        *done,
        checks.anchors(items, old, new),
        checks.recent(recent_items, recent_old, recent_new, drifted=drifted),
        checks.memorised(items, old, new, recent_items, recent_old, recent_new, shared),
        checks.classes(items, old, new),
        checks.calibration(items, old, new),
        checks.flips(items, old, new, churned, len(sets.unlabelled), mended=mended),
        checks.topics(_unwatched(items, *said)),
        checks.behaviour(*behaved),
    ]


def _said(examples: Sequence[Example], before: Scorer, after: Scorer) -> tuple[list[Answer], list[Answer]]:
    return list(answers(before, examples)), list(answers(after, examples))


def _heard(scorer: Scorer, old: Sequence[Answer], new: Sequence[Answer]) -> tuple[list[Item], Heard, Heard]:
    """What the labels ask in the topics that ``scorer`` serves, and how both releases answered."""
    items = items_of([answer.example for answer in old], scorer.taxonomies)
    return items, heard(items, old), heard(items, new)


def _unwatched(items: Sequence[Item], old: Sequence[Answer], new: Sequence[Answer]) -> dict[str, Any]:
    """Probabilities of both releases in each taxonomy that no item asks about."""
    watched = {item.head for item in items}
    names = [name for name in (old[0].topics if old else ()) if f"topic:{name}" not in watched]
    return {
        name: tuple(np.exp(np.stack([answer.topics[name] for answer in some])) for some in (old, new)) for name in names
    }


def _churned(before: Scorer, after: Scorer, texts: Sequence[str]) -> int:
    """On how many texts the two name another sentiment."""
    if not texts:
        return 0
    one, other = (scorer.score(list(texts)).sentiment.argmax(1) for scorer in (before, after))
    return int(np.sum(one != other))


def _parity_texts(sets: Sets) -> list[str]:
    """Real texts, spread over what there is, and the awkward ones."""
    real = [example.text for example in (*sets.anchors, *sets.recent)] + list(sets.unlabelled)
    step = max(1, len(real) // PARITY_TEXTS)
    return [*real[::step][:PARITY_TEXTS], *AWKWARD]


def keep(verdict: Verdict, registry: Path) -> Verdict:
    """Write the verdict into the registry, with the number of verdicts there on the same anchors."""
    directory = registry / VERDICTS
    directory.mkdir(parents=True, exist_ok=True)
    asked = sum(_asks_of(path) == verdict.anchors_sha256 for path in directory.glob("*.json"))
    kept = Verdict(**{**vars(verdict), "consulted": asked + 1})
    stamp = verdict.at.replace(":", "").replace("+0000", "Z")
    name = f"{stamp}-{verdict.candidate}.json"
    write_durably(directory / name, json.dumps(kept.as_dict(), indent=2, ensure_ascii=False).encode() + b"\n")
    return kept


def _asks_of(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes()).get("anchors_sha256", ""))
    except (OSError, ValueError):
        return ""
