"""The int8 graph of a release: eight-bit products in the encoder, everything else as it was.

Weights get a scale per column. Activations get one fixed range each, found beforehand on real text
(:mod:`trainer.calibrate`): ranges that are taken from each batch as it comes would make a document's numbers
depend on its neighbours. A few channels of an encoder are many times louder than the others; each channel is
divided by a number of its own first, and its weights multiplied by it (Xiao et al. 2022, equation 3).
Pure: a graph and grids in, a graph out, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.errors import MislabelledReleaseError


@dataclass(frozen=True)
class Grid:
    """How an activation of C channels is rounded: ``smooth`` [C] divides it, then ``low``..``high`` has 256 steps."""

    smooth: NDArray[np.float32]
    low: float
    high: float


Grids = Mapping[str, Grid]
"""Grids by the name of the activation in the graph."""


def quantisable(model: onnx.ModelProto) -> list[str]:
    """Names of the activations that enter a product of the encoder with a weight, in the graph's order."""
    return list(dict.fromkeys(node.input[0] for node, _ in encoder_products(model)))


def largest_weights(model: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """For each activation that is rounded, the greatest weight [C] that reads each of its channels."""
    found: dict[str, NDArray[np.float32]] = {}
    for node, weight in encoder_products(model):
        loudest = np.abs(numpy_helper.to_array(weight)).max(1)
        found[node.input[0]] = np.maximum(found.get(node.input[0], loudest), loudest)
    return found


def quantise(model: onnx.ModelProto, grids: Grids) -> onnx.ModelProto:
    """A copy of ``model`` whose encoder multiplies in eight bits; heads decide, and cost little: they stay.

    Raises:
        MislabelledReleaseError: a grid is missing, empty, not finite, or has other channels than its weight.
    """
    missing = [name for name in quantisable(model) if name not in grids]
    if missing:
        raise MislabelledReleaseError(f"there is no grid for {missing[0]}")
    made = onnx.ModelProto()
    made.CopyFrom(model)
    weights = {node.output[0]: weight for node, weight in encoder_products(made)}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in made.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    constants = {held.name: held for held in made.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    added: dict[str, onnx.TensorProto] = {}
    absorbed: set[str] = set()
    for node in made.graph.node:
        if node.output and node.output[0] in absorbed:
            continue
        if not node.output or node.output[0] not in weights:
            nodes.append(node)
            continue
        source, result = node.input[0], node.output[0]
        if f"{source}.q8" not in added:
            nodes += _rounded(source, grids[source], added)
        weight, smooth = numpy_helper.to_array(weights[result]), grids[source].smooth
        if smooth.shape != weight.shape[:1]:
            raise MislabelledReleaseError(
                f"the grid of {source} has {smooth.shape} channels, its weight {weight.shape}"
            )
        column, scale = _per_column(weight * smooth[:, None])
        for name, value in ((f"{result}.weight", column), (f"{result}.scale", scale)):
            added[name] = numpy_helper.from_array(value, name)
        inputs = [f"{source}.q8", f"{result}.weight", f"{source}.step", f"{result}.scale", f"{source}.zero", ""]
        addition = _bias_after(result, consumers, constants)
        if addition is not None:
            absorbed.add(addition.output[0])
            inputs.append(next(name for name in addition.input if name != result))
            result = addition.output[0]
        nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, [result], domain="com.microsoft"))
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [held for held in made.graph.initializer if held.name in used]
    del made.graph.initializer[:]
    made.graph.initializer.extend([*kept, *(held for held in added.values() if held.data_type)])
    if not any(entry.domain == "com.microsoft" for entry in made.opset_import):
        made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return made


def encoder_products(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, onnx.TensorProto]]:
    """Products with a constant matrix that the embedding depends on: the encoder's, and no head's."""
    makers = {name: node for node in model.graph.node for name in node.output}
    needed: set[str] = set()
    pending = ["embedding"]
    while pending:
        name = pending.pop()
        if name not in needed and name in makers:
            pending += makers[name].input
        needed.add(name)
    constants = {held.name: held for held in model.graph.initializer}
    for node in model.graph.node:
        weight = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is not None and len(weight.dims) == 2 and node.output[0] in needed:
            yield node, weight


def _rounded(source: str, grid: Grid, added: dict[str, onnx.TensorProto]) -> list[onnx.NodeProto]:
    """The nodes that smooth ``source`` and put it on its grid, zero among the steps."""
    low, high = min(grid.low, 0.0), max(grid.high, 0.0)
    sound = np.isfinite([low, high]).all() and high > low and bool((grid.smooth > 0).all())
    if not sound or not np.isfinite(grid.smooth).all():
        raise MislabelledReleaseError(f"the grid of {source} is empty or not finite")
    step = np.float32((high - low) / 255)
    held = {
        "inverse": np.float32(1) / grid.smooth.astype(np.float32),
        "step": np.array(step, np.float32),
        "zero": np.array(np.clip(np.rint(-low / step), 0, 255), np.uint8),
    }
    for name, value in held.items():
        added[f"{source}.{name}"] = numpy_helper.from_array(value, f"{source}.{name}")
    added[f"{source}.q8"] = TensorProto()  # a mark that the nodes are there
    return [
        helper.make_node("Mul", [source, f"{source}.inverse"], [f"{source}.smooth"]),
        helper.make_node("QuantizeLinear", [f"{source}.smooth", f"{source}.step", f"{source}.zero"], [f"{source}.q8"]),
    ]


def read_grids(tensors: Mapping[str, NDArray[np.float32]]) -> dict[str, Grid]:
    """Grids from tensors ``<activation>.smooth`` [C] and ``<activation>.range`` [2].

    Raises:
        MislabelledReleaseError: one of a pair is missing, or a range has not two ends.
    """
    found: dict[str, Grid] = {}
    for name, smooth in tensors.items():
        if name.endswith(".smooth"):
            source = name.removesuffix(".smooth")
            ends = tensors.get(f"{source}.range")
            if ends is None or ends.shape != (2,):
                raise MislabelledReleaseError(f"the grid of {source} has no range")
            found[source] = Grid(smooth, float(ends[0]), float(ends[1]))
    return found


def _per_column(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    scale = np.maximum(np.abs(weight).max(0), 1e-12).astype(np.float32) / np.float32(127)
    return np.rint(weight / scale).astype(np.int8), scale


def _bias_after(
    result: str, consumers: Mapping[str, list[onnx.NodeProto]], constants: Mapping[str, onnx.TensorProto]
) -> onnx.NodeProto | None:
    """The addition of a bias that alone reads ``result``, if there is one."""
    readers = consumers.get(result, [])
    if len(readers) != 1 or readers[0].op_type != "Add":
        return None
    others = [constants.get(name) for name in readers[0].input if name != result]
    return readers[0] if len(others) == 1 and others[0] is not None and len(others[0].dims) == 1 else None
