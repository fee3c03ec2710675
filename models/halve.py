"""The fp16 graph of a release: the encoder in half precision, what reads it in full.

Made from the verified fp32 graph while it is loaded, so that a release needs no file for it. Everything up to
the last product with a weight is halved; the last residual and layer norm, the mean over the tokens and the
heads, which decide and cost little, stay as they are. Pure: a graph in, a graph out.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from models.errors import MislabelledReleaseError
from models.quantise import encoder_products

LARGEST = float(np.finfo(np.float16).max)


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of ``model`` whose encoder computes in half precision; inputs and outputs stay what they are.

    Raises:
        MislabelledReleaseError: the encoder branches, or has a weight that half precision cannot hold.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    inside = _before_the_heads(made)
    if any(attribute.HasField("g") or attribute.graphs for node in inside for attribute in node.attribute):
        raise MislabelledReleaseError("the encoder branches: it cannot be halved")
    floats = _floats(made)
    produced = {name for node in inside for name in node.output}
    kept = [node for node in graph.node if not any(name in produced for name in node.output)]
    outside = {name for node in kept for name in node.input} | {output.name for output in graph.output}
    weights = {held.name: held for held in graph.initializer if held.data_type == TensorProto.FLOAT}
    halved = {name for node in inside for name in (*node.input, *node.output) if name in floats or name in weights}
    for name in sorted(halved & weights.keys()):
        graph.initializer.append(_half(weights[name]))
    for held in [held for name, held in weights.items() if name in halved and name not in outside]:
        graph.initializer.remove(held)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        if not any(name in produced for name in node.output):
            continue
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                names[at] = f"{name}.half" if name in halved else name
        if node.op_type == "Cast":
            for attribute in node.attribute:
                if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.FLOAT16
        for name in [name.removesuffix(".half") for name in node.output]:
            if name in halved and name in outside:
                nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    made_nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(made_nodes)
    return made


def _before_the_heads(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The encoder's products with a weight and everything that they depend on, in the graph's order."""
    makers = {name: node for node in model.graph.node for name in node.output}
    needed: set[str] = set()
    pending = [name for node, _ in encoder_products(model) for name in node.output]
    while pending:
        name = pending.pop()
        if name not in needed:
            needed.add(name)
            pending += makers[name].input if name in makers else ()
    return [node for node in model.graph.node if any(name in needed for name in node.output)]


def _floats(model: onnx.ModelProto) -> set[str]:
    """Names of the values inside the graph that are single-precision floats."""
    hollow = onnx.ModelProto()
    hollow.CopyFrom(model)
    for held in hollow.graph.initializer:
        if np.prod(held.dims) > 4096:  # types need no weights
            held.ClearField("raw_data")
    known = shape_inference.infer_shapes(hollow).graph.value_info
    return {value.name for value in known if value.type.tensor_type.elem_type == TensorProto.FLOAT}


def _half(held: onnx.TensorProto) -> onnx.TensorProto:
    value = numpy_helper.to_array(held)
    if not (np.abs(value) <= LARGEST).all():
        raise MislabelledReleaseError(f"{held.name!r:.100} has values beyond half precision")
    return numpy_helper.from_array(value.astype(np.float16), f"{held.name}.half")
