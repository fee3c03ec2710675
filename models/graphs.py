"""What a graph from outside must be before ONNX Runtime sees it.

A model file can name other files as its weights (external data) and operators of foreign domains. Both are
refused wherever they can hide: initialisers, sparse ones, constants, subgraphs and local functions. Graphs
are only ever loaded from bytes whose checksum was verified, so a path inside them has nothing to stand on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

from models.errors import CorruptReleaseError, MislabelledReleaseError, UnsafeReleaseError

OWN_DOMAINS = {"", "ai.onnx"}
FUSED = {
    "Attention", "BiasGelu", "DynamicQuantizeMatMul", "EmbedLayerNormalization", "FastGelu", "FusedMatMul", "Gelu",
    "MatMulIntegerToFloat", "MultiHeadAttention", "QAttention", "QGemm", "QLinearAdd", "QLinearMul", "QuickGelu",
    "SkipLayerNormalization",
}  # fmt: skip
"""Operators of ONNX Runtime's own domain ``com.microsoft`` that quantised and fused encoders use."""

INPUTS = {"input_ids": 2, "attention_mask": 2, "spans": 3}
"""Inputs of every release's graph and their ranks, all int64: [B, S], [B, S] and [B, E, 2] (token ranges)."""


def parse(data: bytes) -> onnx.ModelProto:
    """The model in ``data``, or an error that says what it is not.

    Raises:
        CorruptReleaseError: the bytes are no ONNX model.
        UnsafeReleaseError: it has external data, or operators of an unknown domain or name.
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as exc:
        raise CorruptReleaseError(f"the graph is not an ONNX model: {exc}") from exc
    if not model.graph.node or not model.opset_import:
        raise CorruptReleaseError("the graph is not an ONNX model: it has no nodes or no operator set")
    refuse_unsafe(model)
    return model


def refuse_unsafe(model: onnx.ModelProto) -> None:
    """Raise :class:`UnsafeReleaseError` if the model reaches outside itself."""
    if model.training_info:
        raise UnsafeReleaseError("the graph carries training information")
    local = {(function.domain, function.name) for function in model.functions}
    for node in _nodes(model):
        known = (
            (node.domain in OWN_DOMAINS and onnx.defs.has(node.op_type))
            or (node.domain == "com.microsoft" and node.op_type in FUSED)
            or (node.domain, node.op_type) in local
        )
        if not known:
            raise UnsafeReleaseError(f"the graph uses the unknown operator {node.domain or 'ai.onnx'}:{node.op_type}")
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise UnsafeReleaseError(f"tensor {tensor.name!r:.100} keeps its data outside the graph")


def check_shapes(model: onnx.ModelProto, topics: Mapping[str, int]) -> None:
    """Inputs and outputs are those of a release with these taxonomies (name to number of labels).

    Raises:
        MislabelledReleaseError: one is missing, of another rank, or of another width than its labels.
    """
    given = {value.name: value.type.tensor_type for value in model.graph.input}
    if set(given) != set(INPUTS):
        raise MislabelledReleaseError(f"the graph reads {sorted(given)}, expected {sorted(INPUTS)}")
    for name, rank in INPUTS.items():
        kind = given[name]
        if kind.elem_type != onnx.TensorProto.INT64 or len(kind.shape.dim) != rank:
            raise MislabelledReleaseError(f"input {name} is not an int64 tensor of rank {rank}")
    widths: dict[str, tuple[int, int | None]] = {"sentiment": (2, 3), "entities": (3, 3), "embedding": (2, None)}
    widths |= {f"topic.{taxonomy}": (2, count) for taxonomy, count in topics.items()}
    said = {value.name: value.type.tensor_type for value in model.graph.output}
    if set(said) != set(widths):
        raise MislabelledReleaseError(f"the graph says {sorted(said)}, the labels expect {sorted(widths)}")
    for name, (rank, width) in widths.items():
        dims = said[name].shape.dim
        if len(dims) != rank:
            raise MislabelledReleaseError(f"output {name} has rank {len(dims)}, expected {rank}")
        if width is not None and dims[-1].HasField("dim_value") and dims[-1].dim_value != width:
            raise MislabelledReleaseError(f"output {name} has {dims[-1].dim_value} columns for {width} labels")


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    pending = [model.graph]
    pending += [graph for function in model.functions for node in function.node for graph in _subgraphs(node)]
    while pending:
        graph = pending.pop()
        yield graph
        pending += [inner for node in graph.node for inner in _subgraphs(node)]


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for function in model.functions:
        yield from function.node
    for graph in _graphs(model):
        yield from graph.node


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in _graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
    attributes = [attribute for node in _nodes(model) for attribute in node.attribute]
    attributes += [attribute for function in model.functions for attribute in function.attribute_proto]
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for sparse in (*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
                       *attribute.sparse_tensors):  # fmt: skip
            yield sparse.values
            yield sparse.indices
