"""A release from its parent's graph: each weight that changes is exchanged, also one that is a single number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.trainer.conftest import Court
from trainer.errors import ExportError
from trainer.gate import soundness
from trainer.refill import read_weights, refill


def test_every_weight_of_the_heads_reaches_the_graph(court: Court) -> None:
    """Also the gate's bias, which is one number among many constants."""
    draw = np.random.default_rng(5)

    def move(weights: dict[str, Any]) -> None:
        for name, value in weights.items():
            if not name.startswith("encoder."):
                value += draw.normal(0, 0.3, value.shape).astype(np.float32)

    moved = court.candidate("moved", move)
    assert any(value.size == 1 for value in read_weights(moved).values())
    check = soundness.parity(moved, court.base, ["acme awful quarter", "hooli great week", "same plain bond"])
    assert check.figures["largest_gap"] <= check.figures["limit"], check.why


def test_a_weight_that_the_graph_does_not_hold_cannot_change(court: Court) -> None:
    import onnx

    old = read_weights(court.champion)
    graph = onnx.load(court.champion / "model.onnx")
    new = {name: value.copy() for name, value in old.items()}
    new["tone.bias"] += 1.0
    del graph.graph.initializer[next(i for i, x in enumerate(graph.graph.initializer) if x.name == "network.tone.bias")]
    with pytest.raises(ExportError, match=r"tone\.bias"):
        refill(graph, old, new)
