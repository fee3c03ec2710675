"""The checks of the gate: what two releases said goes in, a check comes out, held or failed, with its figures.

Pure. A check that fails says why in one sentence; what it measured is there either way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.gate.behaviour import lost
from trainer.gate.items import Heard, Item, per_document
from trainer.gate.statistics import (
    ALPHA,
    changed_where_sure,
    holm,
    mcnemar,
    more_than,
    needed,
    paired,
    worse_than_chance,
)
from trainer.measure import calibration_error

ANCHOR_MARGIN = 0.01
"""Accuracy that a candidate may lose on the anchors, by the lower bound of the paired difference."""
RECENT_MARGIN, RECENT_MARGIN_FEW, FEW = 0.01, 0.02, 2_000
"""On recent documents; the second where there are fewer than :data:`FEW`."""
LEAST_GAIN = 0.01
"""Where the log loss shows that recent documents are better understood: at least so many more are called right."""
CLASS_MARGIN = 0.03
LEAST_OF_A_CLASS = 30
ECE_ROOM, ECE_ENOUGH = 0.005, 0.02
LOSS_MARGIN = 0.02
"""Mean log loss (nats) that a candidate may add on the anchors."""
MOST_FLIPS, MOST_CHURN = 0.015, 0.08
SURE_TOPIC, MOST_TOPICS_CHANGED = 0.3, 0.03
"""By how much of a probability a topic leads that the champion is sure of, and the share of those that may change."""
MEMORISED = 0.02
"""An anchor gain this much larger than the gain on recent documents is not learnt but remembered."""


@dataclass(frozen=True)
class Check:
    """One check of a verdict. ``why`` is empty where it held."""

    name: str
    why: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        return not self.why

    def as_row(self) -> dict[str, Any]:
        return {"check": self.name, "held": self.held, "why": self.why, **self.figures}


def _differences(items: Sequence[Item], champion: Heard, candidate: Heard) -> NDArray[np.float64]:
    return per_document(items, candidate.right.astype(np.float64) - champion.right.astype(np.float64))


def anchors(items: Sequence[Item], champion: Heard, candidate: Heard) -> Check:
    """Not worse than the champion by :data:`ANCHOR_MARGIN` on the anchors, and better than the commonest answers."""
    test = paired(_differences(items, champion, candidate))
    better = int((candidate.right & ~champion.right).sum())
    worse = int((champion.right & ~candidate.right).sum())
    floor = _commonest(items)
    accuracy = float(candidate.right.mean()) if len(items) else 0.0
    figures = {
        **test.figures(),
        "accuracy": round(accuracy, 4),
        "champion": round(float(champion.right.mean()), 4) if len(items) else 0.0,
        "mcnemar_p": round(mcnemar(better, worse), 4),
        "needed": needed(max(test.discordance, 0.001), ANCHOR_MARGIN),
        "margin_points": 100 * ANCHOR_MARGIN,
        "floor": round(floor, 4),
    }
    why = ""
    if not len(items):
        why = "there is not one labelled anchor"
    elif accuracy <= floor:
        why = f"{accuracy:.1%} right is not more than always naming the commonest answer ({floor:.1%})"
    elif test.lower <= -ANCHOR_MARGIN:
        why = f"it may be worse by {-100 * test.lower:.2f} points on {test.n} documents (limit {100 * ANCHOR_MARGIN:g})"
    return Check("anchors", why, figures)


def _commonest(items: Sequence[Item]) -> float:
    """How often the commonest label of each head is right."""
    by_head: dict[str, list[int]] = {}
    for item in items:
        by_head.setdefault(item.head, []).append(item.label)
    hits = sum(int(np.bincount(labels).max()) for labels in by_head.values())
    return hits / len(items) if items else 0.0


def recent(items: Sequence[Item], champion: Heard, candidate: Heard, *, drifted: bool) -> Check:
    """On recent documents: not worse; and where drift asked for the candidate, better.

    Better is who is right more often, for sure; or whose log loss is lower for sure and who is right more often by
    :data:`LEAST_GAIN`, sure or not. The log loss, a proper score, tells two releases apart by fewer documents, as it
    knows a near miss from a far one; but it falls with doubt alone, too, and that is no lesson learnt. As there are
    two ways to be better, either is asked to be twice as sure (Bonferroni).
    """
    alpha = ALPHA / 2 if drifted else ALPHA
    test = paired(_differences(items, champion, candidate), alpha=alpha)
    nats = paired(per_document(items, champion.loss - candidate.loss), alpha=alpha)
    margin = RECENT_MARGIN_FEW if test.n < FEW else RECENT_MARGIN
    figures = {
        **test.figures(),
        "log_loss_gain": round(nats.difference, 4),
        "log_loss_gain_lower": round(nats.lower, 4),
        "drifted": drifted,
        "margin_points": 0.0 if drifted else 100 * margin,
    }
    if test.n == 0:
        return Check("recent", "drift asked for it, and no recent document is labelled" if drifted else "", figures)
    gains = test.lower > 0 or (nats.lower > 0 and test.difference >= LEAST_GAIN)
    why = ""
    if drifted and not gains:
        why = (
            f"drift asked for a gain on recent documents: {100 * test.difference:+.2f} points are none for sure, "
            f"and the log loss falls by {nats.difference:.4f} (at least {nats.lower:.4f})"
        )
    elif not drifted and test.lower <= -margin:
        why = f"it may be worse by {-100 * test.lower:.2f} points on {test.n} recent documents"
    return Check("recent", why, figures)


def memorised(
    items: Sequence[Item], champion: Heard, candidate: Heard,
    recent_items: Sequence[Item], recent_champion: Heard, recent_candidate: Heard, shared: int,
) -> Check:  # fmt: skip
    """The anchors were not trained on: none is among the rows told of, and they gain no more than other documents."""
    on_anchors = _differences(items, champion, candidate)
    elsewhere = _differences(recent_items, recent_champion, recent_candidate)
    gap = float(on_anchors.mean() - elsewhere.mean()) if len(on_anchors) and len(elsewhere) else 0.0
    spread = float(np.sqrt(sum(some.var() / max(1, len(some)) for some in (on_anchors, elsewhere))))
    figures = {"anchors_trained_on": shared, "gap_points": round(100 * gap, 2), "error_points": round(100 * spread, 2)}
    why = ""
    if shared:
        why = f"{shared} of the anchors are among the texts it was trained on"
    elif len(elsewhere) and gap - 1.645 * spread > MEMORISED:
        why = f"it gains {100 * gap:.1f} points more on the anchors than elsewhere, as if it had seen them"
    return Check("memorised", why, figures)


def classes(items: Sequence[Item], champion: Heard, candidate: Heard) -> Check:
    """No class and no source loses :data:`CLASS_MARGIN`; of many tests together one in twenty is wrong (Holm)."""
    groups: dict[str, list[int]] = {}
    for at, item in enumerate(items):
        groups.setdefault(item.group, []).append(at)
        groups.setdefault(f"source {item.source}", []).append(at)
    p_values: dict[str, float] = {}
    losses: dict[str, float] = {}
    for name, rows in groups.items():
        if len(rows) < LEAST_OF_A_CLASS:
            continue
        one, other = champion.right[rows], candidate.right[rows]
        p_values[name] = worse_than_chance(int((other & ~one).sum()), int((one & ~other).sum()))
        losses[name] = float(other.mean() - one.mean())
    corrected = holm(p_values)
    lost = [name for name, p in corrected.items() if p < ALPHA and losses[name] <= -CLASS_MARGIN]
    worst = sorted(losses, key=lambda name: losses[name])[:5]
    figures = {
        "groups": len(losses),
        "worst": {name: {"points": round(100 * losses[name], 2), "p": round(corrected[name], 4)} for name in worst},
        "margin_points": 100 * CLASS_MARGIN,
    }
    why = ""
    if lost:
        told = ", ".join(f"{name} ({100 * losses[name]:+.1f})" for name in lost[:4])
        why = f"{len(lost)} of {len(losses)} classes and sources lose more than chance: {told}"
    return Check("classes", why, figures)


def calibration(items: Sequence[Item], champion: Heard, candidate: Heard) -> Check:
    """Probabilities are as true as the champion's: calibration error of each head, and log loss over all."""
    heads = np.array([item.head for item in items])
    figures: dict[str, Any] = {"ece_percent": {}}
    why = ""
    for head in sorted(set(heads.tolist())):
        chosen = heads == head
        before = calibration_error(champion.confidence[chosen], champion.right[chosen])
        after = calibration_error(candidate.confidence[chosen], candidate.right[chosen])
        # Of few documents even true probabilities show an error; it shrinks with their root.
        room = max(before + ECE_ROOM, ECE_ENOUGH) + 0.5 / np.sqrt(chosen.sum())
        figures["ece_percent"][head] = {"champion": round(100 * before, 2), "candidate": round(100 * after, 2),
                                        "limit": round(100 * room, 2)}  # fmt: skip
        if after > room and not why:
            why = f"the calibration error of {head} is {100 * after:.1f} % (limit {100 * room:.1f} %)"
    losses = paired(per_document(items, candidate.loss - champion.loss))
    figures["log_loss"] = {"difference": round(losses.difference, 4), "upper": round(losses.upper, 4),
                           "limit": LOSS_MARGIN}  # fmt: skip
    if not why and losses.upper > LOSS_MARGIN:
        why = f"its log loss may be higher by {losses.upper:.3f} (limit {LOSS_MARGIN:g})"
    return Check("calibration", why, figures)


def flips(
    items: Sequence[Item], champion: Heard, candidate: Heard, churned: int, unlabelled: int, *, mended: float = 0.0
) -> Check:
    """Few answers that were right become wrong, and few documents change their sentiment at all.

    ``mended`` is the share of recent answers that became right where drift asked for it: so many more may change.
    """
    most = MOST_CHURN + mended
    share = float((champion.right & ~candidate.right).mean()) if len(items) else 0.0
    churn = churned / unlabelled if unlabelled else 0.0
    gained = float((candidate.right & ~champion.right).mean()) if len(items) else 0.0
    figures = {
        "negative_flips_percent": round(100 * share, 2),
        "positive_flips_percent": round(100 * gained, 2),
        "limit_percent": 100 * MOST_FLIPS,
        "churn_percent": round(100 * churn, 2),
        "churn_limit_percent": round(100 * most, 2),
        "unlabelled": unlabelled,
    }
    why = ""
    if share > MOST_FLIPS:
        why = f"{100 * share:.2f} % of the answers that were right are wrong now (limit {100 * MOST_FLIPS:g} %)"
    elif churn > most:
        why = f"{100 * churn:.1f} % of {unlabelled} documents change their sentiment (limit {100 * most:.3g} %)"
    return Check("flips", why, figures)


def topics(pairs: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Check:
    """Topics of which no anchor has a label stay what they were, wherever the champion was sure of one.

    ``pairs`` are the probabilities [n, k] of champion and candidate for the same n texts, by taxonomy. No label says
    which of the two is right; but nobody taught the candidate such topics, so it has no reason to change its mind.
    """
    changed: dict[str, float] = {}
    figures: dict[str, Any] = {"limit_percent": 100 * MOST_TOPICS_CHANGED, "taxonomies": {}}
    for name, (before, after) in sorted(pairs.items()):
        other, sure = changed_where_sure(before, after, SURE_TOPIC)
        if more_than(MOST_TOPICS_CHANGED, other, sure):
            changed[name] = other / sure
        figures["taxonomies"][name] = {"sure": sure, "changed": other}
    told = ", ".join(f"{name} ({100 * share:.1f} %)" for name, share in changed.items())
    why = f"documents change a topic that the champion was sure of, and no anchor says why: {told}" if changed else ""
    return Check("topics", why, figures)


def behaviour(champion: Mapping[str, Sequence[float]], candidate: Mapping[str, Sequence[float]]) -> Check:
    """In no kind of behaviour text does the candidate fall behind (:func:`trainer.gate.behaviour.lost`)."""
    before, after = ({kind: fmean(forms) for kind, forms in told.items()} for told in (champion, candidate))
    figures = {kind: {"champion": round(before[kind], 3), "candidate": round(after[kind], 3)} for kind in before}
    told = ", ".join(f"{kind} ({before[kind]:.0%} to {after[kind]:.0%})" for kind in lost(champion, candidate))
    return Check("behaviour", f"it behaves worse: {told}" if told else "", {"kinds": figures})
