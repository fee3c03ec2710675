"""Where a release errs: news sentences, finance tweets and comparisons of figures, cut into kinds.

    python tests/bench/errors.py [DATA] [--release champion] [--registry DIR]

DATA is the directory of the public labelled sets (default: ../shared/data), of which the validation side is
asked. Figures are written by rule, in forms that training writes too and in forms that it does not. JSON on
stdout: for each kind of text the rows, the accuracy, and what the errors are: `far` takes negative for positive
or the reverse, the others lose or invent a neutral. `sure` is the share of rows called with .8 or more and the
accuracy on them.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.assembly import ensure_shipped
from models.registry import Registry
from models.scorer import Scorer
from trainer.data import Example, parts, read_set
from trainer.evaluate import answers

Asked = tuple[str, np.ndarray, int]
"""A text, the probabilities of its sentiment, and the true one."""

NEWS: dict[str, str] = {
    "a quotation": r"[\"“”]",
    "a negation": r"\b(not|no|never|without|n't|nor)\b|n't\b",
    "a contrast": r"\b(but|although|though|while|despite|however)\b",
    "a question": r"\?",
    "40 words or more": r"^(?:\S+\s+){39,}\S+",
    "15 words or less": r"^\S*(?:\s+\S+){0,14}$",
}
TWEETS: dict[str, str] = {
    "a rating or price target": r"(?i)price target|\bPT\b|downgrade|upgrade|initiat|outperform|underperform|overweight",
    "results, beats and misses": r"(?i)\b(eps|earnings|revenue|results|beats?|miss(es)?|guidance|profit|q[1-4])\b",
    "a move told by a verb": r"(?i)\b(up|down|higher|lower|rises?|falls?|gains?|drops?|jumps?|slides?|surges?)\b",
    "a share in per cent": r"\d\s?%",
    "a cashtag": r"\$[A-Z]",
    "none of these": r"",
}
MEASURES = (("net profit", True), ("net sales", True), ("net loss", False), ("net debt", False))
TAUGHT = (
    "{m} rose_or_fell to EUR {new} mn from EUR {old} mn",
    "{m} totalled EUR {new} mn, compared to EUR {old} mn a year earlier",
    "{m} was EUR {new} mn, against EUR {old} mn in the same period of last year",
)
UNTAUGHT = (
    "{m} was {new}, compared to {old}",
    "{m} stood at EUR {new} mn after EUR {old} mn in the spring",
    "{m}: EUR {new} mn (2011: EUR {old} mn)",
    "in 2012 {m} was EUR {old} mn, in 2013 EUR {new} mn",
    "{m} of EUR {new} mn; previous year EUR {old} mn",
)


def judged(rows: Sequence[Asked]) -> dict[str, Any]:
    """What became of some rows."""
    probs = np.stack([said for _, said, _ in rows])
    labels = np.array([label for _, _, label in rows])
    called = probs.argmax(1)
    wrong, sure = called != labels, probs.max(1) >= 0.8
    far = np.abs(called - labels) == 2
    return {
        "n": len(rows),
        "accuracy": round(float((~wrong).mean()), 3),
        "far": round(float(far.mean()), 3),
        "neutral_lost": round(float((wrong & (labels == 1)).mean()), 3),
        "neutral_invented": round(float((wrong & (called == 1)).mean()), 3),
        "sure": [round(float(sure.mean()), 3), round(float((~wrong)[sure].mean()), 3) if sure.any() else None],
    }


def cut(rows: Sequence[Asked], kinds: dict[str, str]) -> dict[str, Any]:
    """The rows as a whole, and by what their text holds."""
    found: dict[str, Any] = {"all": judged(rows)}
    for kind, pattern in kinds.items():
        if pattern:
            some = [row for row in rows if re.search(pattern, row[0])]
        else:
            some = [row for row in rows if not any(p and re.search(p, row[0]) for p in kinds.values())]
        if some:
            found[kind] = judged(some)
    return found


def documents(scorer: Scorer, examples: Iterable[Example]) -> list[Asked]:
    held = [row for row in examples if row.sentiment is not None]
    return [(said.example.text, np.exp(said.sentiment), said.example.sentiment or 0) for said in answers(scorer, held)]


def entities(scorer: Scorer, examples: Iterable[Example], keep: Callable[[Example], bool]) -> list[Asked]:
    held = [row for row in examples if row.entities and keep(row)]
    return [
        (said.example.text, np.exp(scores), entity.sentiment)
        for said in answers(scorer, held)
        for entity, scores in zip(said.example.entities, said.entities, strict=True)
        if scores is not None
    ]


def comparisons(scorer: Scorer, count: int = 60) -> dict[str, Any]:
    """Figures whose order alone, or with a verb, says whether they are good."""
    found: dict[str, Any] = {}
    for taught, forms in (("taught", TAUGHT), ("not taught", UNTAUGHT)):
        for form in forms:
            draw = random.Random(form)
            rows: list[tuple[str, int, str]] = []
            for _ in range(count):
                measure, high_is_good = draw.choice(MEASURES)
                old, share = draw.uniform(2, 90), draw.uniform(0.08, 0.6)
                up = draw.random() < 0.5
                new = old * (1 + share) if up else old * (1 - share)
                text = form.replace("rose_or_fell", "rose" if up else "fell")
                text = text.format(m=measure, new=f"{new:.1f}", old=f"{old:.1f}")
                kind = "more is good" if high_is_good else "less is good"
                rows.append((text[:1].upper() + text[1:] + ".", 2 if up == high_is_good else 0, kind))
            said = scorer.score([text for text, _, _ in rows]).sentiment
            asked = [(text, probs, label) for (text, label, _), probs in zip(rows, said, strict=True)]
            found[f"{taught}: {form}"] = judged(asked) | {
                kind: judged([one for one, row in zip(asked, rows, strict=True) if row[2] == kind])["accuracy"]
                for kind in ("more is good", "less is good")
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--release", default="champion")
    parser.add_argument("--registry", default="var/registry")
    given = parser.parse_args()
    ensure_shipped(given.registry)
    scorer = Scorer.load(Registry(given.registry).resolve(given.release))
    news, tweets, headlines = (
        parts(read_set(given.data, name))["validation"]
        for name in ("newsmtsc", "twitter_fin_news_sentiment", "sentfin")
    )

    def mixed(row: Example) -> bool:
        return len({entity.sentiment for entity in row.entities}) > 1

    report = {
        "release": scorer.release,
        "precision": scorer.precision,
        "newsmtsc, toward the target": cut(entities(scorer, news, lambda row: True), NEWS),
        "newsmtsc, targets that disagree": cut(entities(scorer, news, mixed), {}),
        "newsmtsc, the sentence": cut(documents(scorer, news), NEWS),
        "sentfin, entities that agree": cut(entities(scorer, headlines, lambda row: not mixed(row)), {}),
        "sentfin, entities that disagree": cut(entities(scorer, headlines, mixed), {}),
        "finance tweets": cut(documents(scorer, tweets), TWEETS),
        "comparisons": comparisons(scorer),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
