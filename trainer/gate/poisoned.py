"""A candidate as labels that were turned round would make it, to show the gate at work.

``python -m trainer.gate.poisoned REGISTRY PARENT VERSION ROWS`` publishes PARENT under VERSION with what its sentiment
heads know exchanged: what was negative is positive, everything else is sound. No alias moves. ROWS are labelled rows
for its int8 graph and its reference.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from models.registry import Registry
from trainer.data import Example, read_rows
from trainer.refill import Tensors, read_weights, write_release

HEADS = ("price", "tone", "entity.last")
NEGATIVE, POSITIVE = 0, 2


def turned(weights: Tensors) -> Tensors:
    """``weights`` with the rows of negative and positive exchanged in every head of sentiment."""
    changed = dict(weights)
    for head in HEADS:
        for leaf in ("weight", "bias"):
            value = weights[f"{head}.{leaf}"].copy()
            value[[NEGATIVE, POSITIVE]] = value[[POSITIVE, NEGATIVE]]
            changed[f"{head}.{leaf}"] = value
    return changed


def publish(registry: Registry, parent: str, version: str, held: Sequence[Example]) -> Path:
    """Make it a release of ``registry``; returns its directory."""
    release = registry.resolve(parent)
    with registry.staging() as staged:
        weights = turned(read_weights(release))
        write_release(release, weights, staged, version=version, held=held, notes="labels turned round")
        return registry.publish(staged, reason="poisoned on purpose")


if __name__ == "__main__":
    registry = Registry(sys.argv[1])
    publish(
        registry, sys.argv[2], sys.argv[3], read_rows(Path(sys.argv[4]), registry.manifest(sys.argv[2]).labels.topics)
    )
