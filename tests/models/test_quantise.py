"""The int8 graph says nearly the same, and of each document always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from models import graphs
from models.errors import MislabelledReleaseError
from models.quantise import Grid, quantisable, quantise, read_grids
from trainer.calibrate import smoothed, tensors_of

DRAW = np.random.default_rng(4)
WIDTH = 48


def encoder() -> onnx.ModelProto:
    """[B, S, 48] through a product with a bias, one without, and a head that must stay as it is."""
    first, second, head = (DRAW.normal(0, 0.2, shape).astype(np.float32) for shape in ((48, 96), (96, 48), (48, 3)))
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "first"], ["wide"]),
        node("Add", ["wide", "bias"], ["biased"]),
        node("Relu", ["biased"], ["kept"]),
        node("MatMul", ["kept", "second"], ["embedding"]),
        node("MatMul", ["embedding", "head"], ["sentiment"]),
    ]
    held = {"first": first, "second": second, "head": head, "bias": DRAW.normal(0, 1, 96).astype(np.float32)}
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "encoder",
        [value("x", TensorProto.FLOAT, ["B", "S", WIDTH])],
        [value(name, TensorProto.FLOAT, None) for name in ("embedding", "sentiment")],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto, x: np.ndarray, *names: str) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(list(names), {"x": x})


def inputs(rows: int) -> np.ndarray:
    """Like an encoder's activations: one channel is thirty times as loud as the others."""
    x = DRAW.normal(0, 1, (rows, 8, WIDTH)).astype(np.float32)
    x[:, :, 7] *= 30
    return x


def grids(model: onnx.ModelProto, x: np.ndarray) -> dict[str, Grid]:
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.append(helper.make_tensor_value_info("kept", TensorProto.FLOAT, None))
    (kept,) = run(watched, x, "kept")
    weights = {held.name: np.abs(numpy_helper.to_array(held)).max(-1) for held in model.graph.initializer}
    return {
        name: smoothed(value.min((0, 1)), value.max((0, 1)), weights[weight])
        for name, value, weight in (("x", x, "first"), ("kept", kept, "second"))
    }


def test_it_says_nearly_the_same_in_eight_bits() -> None:
    model, x = encoder(), inputs(64)
    assert quantisable(model) == ["x", "kept"]
    rounded = quantise(model, grids(model, x))
    kinds = [node.op_type for node in rounded.graph.node]
    assert kinds.count("MatMulIntegerToFloat") == 2
    assert kinds.count("MatMul") == 1, "the head is computed in full"
    graphs.refuse_unsafe(rounded)
    before, after = run(model, x, "embedding")[0], run(rounded, x, "embedding")[0]
    assert np.abs(before - after).mean() < 0.03 * np.abs(before).mean()


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    model, x = encoder(), inputs(40)
    rounded = quantise(model, grids(model, x))
    loud = x.copy()
    loud[1:] *= 50
    assert np.array_equal(run(rounded, x, "sentiment")[0][0], run(rounded, loud, "sentiment")[0][0])
    assert np.array_equal(run(rounded, x, "sentiment")[0][:2], run(rounded, x[:2], "sentiment")[0])


def test_grids_survive_their_file() -> None:
    model, x = encoder(), inputs(16)
    found = grids(model, x)
    read = read_grids(tensors_of(found))
    assert quantise(model, read).SerializeToString(deterministic=True) == quantise(
        model, read_grids(tensors_of(read))
    ).SerializeToString(deterministic=True)
    assert read.keys() == found.keys()


@pytest.mark.parametrize(
    "grid",
    [
        None,
        Grid(np.ones(WIDTH, np.float32), 0.0, 0.0),
        Grid(np.ones(WIDTH, np.float32), float("nan"), 1.0),
        Grid(np.zeros(WIDTH, np.float32), -1.0, 1.0),
        Grid(np.ones(WIDTH + 1, np.float32), -1.0, 1.0),
    ],
)
def test_a_grid_that_cannot_be_is_refused(grid: Grid | None) -> None:
    model, x = encoder(), inputs(4)
    found: dict[str, Grid] = grids(model, x)
    if grid is None:
        del found["x"]
    else:
        found["x"] = grid
    with pytest.raises(MislabelledReleaseError, match="grid"):
        quantise(model, found)


def test_a_grid_without_a_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MislabelledReleaseError, match="no range"):
        read_grids({"x.smooth": np.ones(3, np.float32)})
