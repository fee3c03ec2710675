"""A graph that reaches outside itself is refused, wherever it hides the hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.errors import CorruptReleaseError, MislabelledReleaseError, UnsafeReleaseError
from models.graphs import check_shapes, parse
from models.labels import FINANCE


@pytest.fixture
def model(release: Path) -> onnx.ModelProto:
    return onnx.load_model_from_string((release / "model.onnx").read_bytes())


def outside() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "stolen")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    return tensor


def constant(tensor: onnx.TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], value=tensor)


def branch(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "branch", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, [4])])


def sparse() -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.arange(4, dtype=np.int64), "i")
    return helper.make_sparse_tensor(outside(), indices, [8])


def test_the_tiny_graph_is_safe_and_fits_its_labels(model: onnx.ModelProto) -> None:
    check_shapes(parse(model.SerializeToString()), {"finance": len(FINANCE)})


def test_external_initialisers_are_refused(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(outside())
    with pytest.raises(UnsafeReleaseError, match="outside the graph"):
        parse(model.SerializeToString())


def test_external_data_without_the_location_flag_is_refused(model: onnx.ModelProto) -> None:
    tensor = outside()
    tensor.data_location = TensorProto.DEFAULT
    model.graph.initializer.append(tensor)
    with pytest.raises(UnsafeReleaseError):
        parse(model.SerializeToString())


def test_external_sparse_initialisers_are_refused(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(sparse())
    with pytest.raises(UnsafeReleaseError):
        parse(model.SerializeToString())


def test_external_constants_are_refused(model: onnx.ModelProto) -> None:
    model.graph.node.append(constant(outside()))
    with pytest.raises(UnsafeReleaseError):
        parse(model.SerializeToString())


def test_external_sparse_constants_are_refused(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], sparse_value=sparse()))
    with pytest.raises(UnsafeReleaseError):
        parse(model.SerializeToString())


def test_external_data_in_a_subgraph_of_a_subgraph_is_refused(model: onnx.ModelProto) -> None:
    inner = helper.make_node("If", ["x"], ["c"], then_branch=branch(constant(outside())), else_branch=branch())
    outer = helper.make_node("If", ["x"], ["c"], then_branch=branch(inner), else_branch=branch())
    model.graph.node.append(outer)
    with pytest.raises(UnsafeReleaseError):
        parse(model.SerializeToString())


def test_external_data_in_a_local_function_is_refused(model: onnx.ModelProto) -> None:
    opset = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("own", "F", [], ["c"], [constant(outside())], opset))
    with pytest.raises(UnsafeReleaseError):
        parse(model.SerializeToString())


@pytest.mark.parametrize(("domain", "name"), [("evil.ops", "Run"), ("", "NoSuchOperator"), ("com.microsoft", "PyOp")])
def test_unknown_operators_are_refused(model: onnx.ModelProto, domain: str, name: str) -> None:
    model.graph.node.append(helper.make_node(name, ["pooled"], ["x"], domain=domain))
    with pytest.raises(UnsafeReleaseError, match=name):
        parse(model.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x80\x04\x95", bytes(range(256)) * 10])
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptReleaseError):
        parse(data)


def test_a_head_with_another_width_than_its_labels_is_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(MislabelledReleaseError, match="20 columns for 19 labels"):
        check_shapes(model, {"finance": 19})


def test_a_taxonomy_without_a_head_is_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(MislabelledReleaseError, match=r"topic\.weather"):
        check_shapes(model, {"finance": 20, "weather": 3})


def test_a_graph_that_reads_something_else_is_refused(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "pixels"
    with pytest.raises(MislabelledReleaseError, match="pixels"):
        check_shapes(model, {"finance": 20})
