"""From a trained checkpoint to parts that assemble into a release: graph, temperatures, card, then parity.

The graph is exported once from the dense network, and then emptied: every large initialiser is replaced by
the name of the tensor that fills it (see :mod:`models.assembly`). What is shipped is what was measured: the
half-precision adapter and heads are folded first, by the very function that assembles the release.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from models.assembly import FILLED_FROM, GRIDS, RECIPE, Parts, assemble, fold, read_parts
from models.base import REPOSITORY, REVISION, WEIGHTS, find_base, sha256_of
from models.errors import ModelError
from models.graphs import refuse_unsafe
from models.labels import TAXONOMIES
from models.quantise import Grid
from models.release import FileEntry, Labels, Temperatures
from trainer.calibrate import tensors_of
from trainer.errors import ExportError, ParityError
from trainer.network import Adapter, Network, build
from trainer.parity import say, serve_apart

OPSET = 20
LARGEST_CONSTANT = 4096
"""Initialisers with more elements than this are weights and are left out of the shipped graph."""
EXPORTED = "said."
"""Prefix of the outputs during export: their plain names may already be taken inside the graph."""
TOLERANCE = 1e-4
"""Largest difference of a probability between the network and the release."""


class Serving(nn.Module):  # type: ignore[misc]
    """The network as a release's graph: flat inputs, flat outputs, in the order of :func:`output_names`."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor, spans: Tensor) -> tuple[Tensor, ...]:
        said = self.network(input_ids, attention_mask, spans)
        return (*said.topics.values(), said.sentiment, said.entities, said.embedding)


def output_names(network: Network) -> list[str]:
    """Names of the graph's outputs."""
    return [*(f"topic.{name}" for name in network.topics), "sentiment", "entities", "embedding"]


def read_training(checkpoint: Path) -> dict[str, Any]:
    """How a checkpoint was made: ``recipe``, ``sources`` and numbers of ``rows``.

    Raises:
        ExportError: the directory is no checkpoint.
    """
    try:
        training: dict[str, Any] = json.loads((checkpoint / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ExportError(f"{checkpoint} is no checkpoint: {exc}") from exc
    return training


def taxonomies_of(training: dict[str, Any]) -> tuple[str, ...]:
    """The taxonomies that the network of a checkpoint has heads for, in the order of its outputs."""
    return tuple(training.get("taxonomies") or TAXONOMIES)


def dense_network(checkpoint: Path, base: Path) -> tuple[Network, dict[str, NDArray[np.float32]], Adapter]:
    """The network of a checkpoint with its adapter folded in, its tensors by name, and the adapter's shape."""
    training = read_training(checkpoint)
    adapter = Adapter(**training["recipe"]["adapter"])
    tensors = load_file(base / WEIGHTS)
    network = build(base, {name: len(TAXONOMIES[name]) for name in taxonomies_of(training)}, None, seed=0)
    names = set(network.encoder.state_dict())
    dense = fold(
        {name: value for name, value in tensors.items() if name in names},
        load_file(checkpoint / "adapter.safetensors"),
        adapter.scale,
    )
    heads = {name: value.astype(np.float32) for name, value in load_file(checkpoint / "heads.safetensors").items()}
    whole = {**{f"encoder.{name}": value for name, value in dense.items()}, **heads}
    state = network.state_dict()
    missing = [name for name in state if name not in whole and not name.endswith(("position_ids", "token_type_ids"))]
    if missing:
        raise ExportError(f"{checkpoint} lacks {missing[0]}")
    network.load_state_dict({name: torch.from_numpy(value) for name, value in whole.items()}, strict=False)
    return network.eval(), whole, adapter


def export_graph(network: Network) -> onnx.ModelProto:
    """The dense network as an ONNX model with dynamic batch, length and number of entities."""
    example = (
        torch.full((3, 16), 5),
        torch.ones(3, 16, dtype=torch.long),
        torch.tensor([[[1, 3], [4, 6], [0, 0]]] * 3),
    )
    batch, length, entities = (torch.export.Dim(name) for name in ("B", "S", "E"))
    program = torch.onnx.export(
        Serving(network).eval(),
        example,
        dynamo=True,
        opset_version=OPSET,
        external_data=False,
        input_names=["input_ids", "attention_mask", "spans"],
        output_names=[f"{EXPORTED}{name}" for name in output_names(network)],
        dynamic_shapes={
            "input_ids": {0: batch, 1: length},
            "attention_mask": {0: batch, 1: length},
            "spans": {0: batch, 1: entities},
        },
        verbose=False,
    )
    model: onnx.ModelProto = program.model_proto
    _strip_traces(model)
    _name_outputs(model)
    refuse_unsafe(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def empty(model: onnx.ModelProto, tensors: Mapping[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """A copy of ``model`` without weights: each large initialiser names the tensor that fills it.

    Raises:
        ExportError: an initialiser is none of the tensors, as it is or transposed.
    """
    by_bytes: dict[tuple[tuple[int, ...], bytes], str] = {}
    for name, value in tensors.items():
        by_bytes.setdefault((value.shape, _digest(value)), name)
        if value.ndim == 2:
            by_bytes.setdefault((value.T.shape, _digest(value.T)), f"{name}^T")
    hollow = onnx.ModelProto()
    hollow.CopyFrom(model)
    for initializer in hollow.graph.initializer:
        value = numpy_helper.to_array(initializer)
        source = by_bytes.get((value.shape, _digest(value))) if value.dtype == np.float32 else None
        if source is not None and value.size > 1:
            for field in ("raw_data", "float_data"):
                initializer.ClearField(field)
            initializer.doc_string = FILLED_FROM + source
        elif value.size > LARGEST_CONSTANT:
            raise ExportError(f"initialiser {initializer.name} {value.shape} is no tensor of the network")
    return hollow


def write_parts(
    checkpoint: Path,
    target: Path,
    *,
    version: str,
    card: str,
    notice: str,
    base: Path | None = None,
    temperatures: Temperatures | None = None,
    metrics: dict[str, Any] | None = None,
    data: tuple[dict[str, str], ...] = (),
    notes: str = "",
    created: str = "",
) -> Path:
    """Write the parts of a release into ``target``: adapter, heads, empty graph, tokenizer, card, recipe."""
    base = base or find_base()
    network, tensors, adapter = dense_network(checkpoint, base)
    target.mkdir(parents=True, exist_ok=True)
    hollow = empty(export_graph(network), tensors)
    (target / "graph.onnx").write_bytes(hollow.SerializeToString(deterministic=True))
    for name in ("adapter.safetensors", "heads.safetensors", "tokenizer.json"):
        (target / name).write_bytes((checkpoint / name).read_bytes())
    (target / "README.md").write_text(card, encoding="utf-8")
    (target / "NOTICE").write_text(notice, encoding="utf-8")
    parts = Parts(
        version,
        Labels({name: TAXONOMIES[name] for name in taxonomies_of(read_training(checkpoint))}),
        sha256_of(base / WEIGHTS),
        adapter.scale,
        {
            path.name: FileEntry(sha256_of(path), path.stat().st_size)
            for path in sorted(target.iterdir())
            if path.name != RECIPE
        },
        temperatures=temperatures or Temperatures(),
        base={"name": REPOSITORY, "revision": REVISION, "licence": "Apache-2.0"},
        created=created,
        metrics=metrics or {},
        training=read_training(checkpoint),
        licence="Apache-2.0",
        data=data,
        notes=notes,
    )
    (target / RECIPE).write_bytes(msgspec.json.format(msgspec.json.encode(parts), indent=2) + b"\n")
    return target


def add_grids(parts: Path, grids: Mapping[str, Grid]) -> None:
    """Give the parts of a release what its int8 graph is made with."""
    save_file(tensors_of(grids), parts / GRIDS)
    _retell(parts, GRIDS)


def revise(parts: Path, card: str, metrics: dict[str, Any]) -> None:
    """Put another card and other figures into the parts of a release: those that could only be taken of them."""
    (parts / "README.md").write_text(card, encoding="utf-8")
    _retell(parts, "README.md", metrics=metrics)


def _retell(parts: Path, name: str, **changes: Any) -> None:
    """Write the recipe of the parts anew: file ``name`` as it now is, and ``changes``."""
    told = read_parts(parts)
    entry = FileEntry(sha256_of(parts / name), (parts / name).stat().st_size)
    told = msgspec.structs.replace(told, files={**told.files, name: entry}, **changes)
    (parts / RECIPE).write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")


def check_parity(network: Network, parts: Path, base: Path, texts: list[str]) -> float:
    """Assemble the parts and score ``texts`` in a fresh process; the largest difference of a probability.

    Every text is asked about its first word as an entity, so that the entity head is compared too.

    Raises:
        ParityError: it is above :data:`TOLERANCE`, or the release cannot be assembled or loaded.
    """
    with tempfile.TemporaryDirectory() as place:
        release = Path(place) / "release"
        release.mkdir()
        try:
            assemble(parts, base, release)
        except ModelError as exc:
            raise ParityError(f"the parts do not assemble: {exc}") from exc
        try:
            served = serve_apart(release, texts)
        except subprocess.CalledProcessError as exc:
            raise ParityError(f"the release cannot be scored in a fresh process: {exc.stderr[-2000:]}") from exc
        expected = say(network, release, texts)
    gaps = {name: float(np.abs(served[name] - value).max()) for name, value in expected.items()}
    where, worst = max(gaps.items(), key=lambda gap: gap[1])
    if not worst <= TOLERANCE:
        raise ParityError(f"{where} differs by {worst:.2e} between the network and the release ({len(texts)} texts)")
    return worst


def _digest(value: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(value).tobytes()).digest()


def _strip_traces(model: onnx.ModelProto) -> None:
    """Drop what tells of the machine that exported: source paths, stack traces, tool metadata."""
    del model.metadata_props[:]
    model.doc_string = ""
    for holder in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info,
                   *model.graph.initializer):  # fmt: skip
        del holder.metadata_props[:]
        holder.doc_string = ""
    # Shapes inside the graph are inferred anew by whoever runs it.
    del model.graph.value_info[:]


def _name_outputs(model: onnx.ModelProto) -> None:
    """Give the outputs their plain names, and whatever inside has such a name another one."""
    plain = {output.name: output.name.removeprefix(EXPORTED) for output in model.graph.output}
    renamed = {name: f"inner.{name}" for name in plain.values()} | plain
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = renamed.get(name, name)
    for value in (*model.graph.output, *model.graph.initializer):
        value.name = renamed.get(value.name, value.name)
