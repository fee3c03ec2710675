"""The fp16 graph: the encoder in half precision, the heads in full, and nearly the same numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from models import graphs
from models.errors import MislabelledReleaseError
from models.halve import halve
from models.quantise import encoder_products

DRAW = np.random.default_rng(6)
WIDTH = 32


def weights() -> dict[str, np.ndarray]:
    """Of one block: a table of 40 words, two products with their norms, and a head that stays in full."""

    def drawn(*shape: int) -> np.ndarray:
        return DRAW.normal(0, 0.2, shape).astype(np.float32)

    return {
        "table": drawn(40, WIDTH), "wide": drawn(WIDTH, 64), "narrow": drawn(64, WIDTH), "bias": drawn(64),
        "gain": np.ones(WIDTH, np.float32), "shift": drawn(WIDTH), "head": drawn(WIDTH, 3),
        "far": np.array(-10_000, np.float32), "one": np.array(1, np.float32),
        "last": np.array([2], np.int64), "tokens": np.array([1], np.int64),
    }  # fmt: skip


def encoder(held: dict[str, np.ndarray]) -> onnx.ModelProto:
    """ids and mask [B, S] to an embedding [B, 32] and three logits, with a mask that both halves read."""
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "ids"], ["words"]),
        node("LayerNormalization", ["words", "gain", "shift"], ["x"]),
        node("Cast", ["mask"], ["present"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["present", "last"], ["present3"]),
        node("Sub", ["one", "present3"], ["absent"]),
        node("Mul", ["absent", "far"], ["away"]),
        node("MatMul", ["x", "wide"], ["product"]),
        node("Add", ["product", "bias"], ["biased"]),
        node("Add", ["biased", "away"], ["masked"]),
        node("Softmax", ["masked"], ["shares"], axis=1),
        node("MatMul", ["shares", "narrow"], ["heard"]),
        node("Add", ["heard", "x"], ["residual"]),
        node("LayerNormalization", ["residual", "gain", "shift"], ["hidden"]),
        node("Mul", ["hidden", "present3"], ["kept"]),
        node("ReduceSum", ["kept", "tokens"], ["embedding"], keepdims=0),
        node("MatMul", ["embedding", "head"], ["sentiment"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "encoder",
        [value(name, TensorProto.INT64, ["B", "S"]) for name in ("ids", "mask")],
        [
            value("embedding", TensorProto.FLOAT, ["B", WIDTH]),
            value("sentiment", TensorProto.FLOAT, ["B", 3]),
        ],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def feeds() -> dict[str, np.ndarray]:
    mask = np.ones((5, 8), np.int64)
    mask[0, 3:] = 0
    return {"ids": DRAW.integers(0, 40, (5, 8)), "mask": mask}


def test_every_step_of_the_encoder_is_rounded_to_half_and_the_heads_are_not() -> None:
    """The reference evaluator computes each operator in the type that the graph says, unlike a CPU's kernels."""
    model = encoder(weights())
    halved, given = halve(model), feeds()
    onnx.checker.check_model(halved, full_check=True)
    graphs.refuse_unsafe(halved)
    before = ReferenceEvaluator(model).run(None, given)
    after = ReferenceEvaluator(halved).run(None, given)
    for one, two in zip(before, after, strict=True):
        assert two.dtype == np.float32
        assert np.abs(one - two).max() < 0.01 * np.abs(one).max()
        assert not np.array_equal(one, two)
    kinds = {held.name: held.data_type for held in halved.graph.initializer}
    assert {name for name, kind in kinds.items() if kind == TensorProto.FLOAT} == {"head", "gain", "shift"}
    assert {"table.half", "wide.half", "narrow.half", "bias.half", "gain.half"} <= kinds.keys()


def test_the_graph_it_is_made_of_stays_as_it_was() -> None:
    model = encoder(weights())
    before = model.SerializeToString(deterministic=True)
    halve(model)
    assert model.SerializeToString(deterministic=True) == before


def test_a_graph_without_an_encoder_stays_in_full() -> None:
    held = weights()
    model = encoder(held)
    for name in ("wide", "narrow"):
        tensor = next(one for one in model.graph.initializer if one.name == name)
        model.graph.initializer.remove(tensor)
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(held[name].shape)))
    assert not list(encoder_products(model))
    assert halve(model).SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


@pytest.mark.parametrize("value", [1e5, float("inf"), float("nan")])
def test_a_weight_that_half_precision_cannot_hold_is_refused(value: float) -> None:
    held = weights()
    held["wide"][3, 3] = value
    with pytest.raises(MislabelledReleaseError, match="wide"):
        halve(encoder(held))
