"""A release from its parent's: the same graph with other weights in it. Needs no export, and no torch.

Every initialiser of the parent's graph that holds one of the parent's weights gets the new weight of that name;
what is no weight (positions, constants, heads that were made without training) stays as it is.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import load, save_file

from models.quantise import quantise
from models.reference import REFERENCE, pack
from models.release import Manifest, Temperatures, read_file, read_manifest, write
from models.scorer import Scorer
from trainer.calibrate import find_grids
from trainer.data import Example
from trainer.errors import ExportError
from trainer.reference import reference_of

Tensors = dict[str, NDArray[Any]]

ENCODER = "encoder."
EXPORTED_AS = "network."
"""What stands before a weight's name in an exported graph."""
CALIBRATED = 400
"""Texts whose activations the int8 graph's grids come from."""


def read_weights(release: Path) -> Tensors:
    """The dense weights of a release: the encoder's as ``encoder.<name>``, then the heads'.

    Raises:
        ModelError: a file is missing or changed.
        ExportError: one is not safetensors.
    """
    manifest = read_manifest(release)
    encoder = _loaded(release, manifest, "encoder.safetensors")
    return {
        **{f"{ENCODER}{name}": value for name, value in encoder.items()},
        **_loaded(release, manifest, "heads.safetensors"),
    }


def _loaded(release: Path, manifest: Manifest, name: str) -> Tensors:
    data = read_file(release, manifest, name)
    try:
        return dict(load(data))
    except Exception as exc:  # safetensors raises its own error, which derives from Exception
        raise ExportError(f"{release.name}: {name} is not safetensors: {exc}") from exc


def refill(graph: onnx.ModelProto, old: Mapping[str, NDArray[Any]], new: Mapping[str, NDArray[Any]]) -> None:
    """Put ``new`` weights in the place of the ``old`` ones of the same names, in place.

    Raises:
        ExportError: a weight of ``old`` that changes is not in the graph, or two that were equal no longer are.
    """
    names: dict[tuple[tuple[int, ...], bytes], list[str]] = {}
    for name, value in old.items():
        names.setdefault(_key(value), []).append(name)
        if value.ndim == 2:
            names.setdefault(_key(value.T), []).append(f"{name}^T")
    used: set[str] = set()
    for initializer in graph.graph.initializer:
        value = numpy_helper.to_array(initializer)
        found = names.get(_key(value), []) if value.dtype == np.float32 else []
        if value.size == 1:  # constants have such values, too: a single number is known by its name alone
            found = [name for name in found if initializer.name == EXPORTED_AS + name]
        wanted = [_named(new, name) for name in found]
        if not wanted:
            continue
        if any(not np.array_equal(other, wanted[0]) for other in wanted[1:]):
            raise ExportError(f"{' and '.join(found[:3])} were one weight in the graph and are two now")
        used.update(name.removesuffix("^T") for name in found)
        initializer.raw_data = np.ascontiguousarray(wanted[0], "<f4").tobytes()
        initializer.ClearField("float_data")
    lost = [name for name, value in old.items() if name not in used and (new[name] != value).any()]
    if lost:
        raise ExportError(f"the graph holds no {lost[0]}: it cannot be given another one")


def _named(tensors: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    return tensors[name[:-2]].T if name.endswith("^T") else tensors[name]


def _key(value: NDArray[Any]) -> tuple[tuple[int, ...], bytes]:
    return value.shape, hashlib.sha256(np.ascontiguousarray(value, np.float32).tobytes()).digest()


def write_release(
    parent: Path,
    weights: Mapping[str, NDArray[Any]],
    target: Path,
    *,
    version: str,
    temperatures: Temperatures | None = None,
    held: Sequence[Example] = (),
    training: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    notes: str = "",
    now: datetime | None = None,
) -> Manifest:
    """Complete the empty directory ``target`` as the release ``version``: ``parent`` with other ``weights``.

    ``held`` are rows that the weights were not trained on. Of them come the child's reference for the drift detectors
    and, where the parent has one, its int8 graph. Temperatures are the parent's unless given.

    Raises:
        ModelError: the parent cannot be read.
        ExportError: the weights do not fit its graph.
    """
    before = read_manifest(parent)
    graph = onnx.load_model_from_string(read_file(parent, before, before.graphs["fp32"]))
    refill(graph, read_weights(parent), weights)
    (target / "model.onnx").write_bytes(graph.SerializeToString(deterministic=True))
    encoder = {name.removeprefix(ENCODER): value for name, value in weights.items() if name.startswith(ENCODER)}
    heads = {name: value for name, value in weights.items() if not name.startswith(ENCODER)}
    save_file(encoder, target / "encoder.safetensors")
    save_file(heads, target / "heads.safetensors")
    for name in before.files:
        if name not in {*before.graphs.values(), "encoder.safetensors", "heads.safetensors", "README.md", REFERENCE}:
            shutil.copyfile(parent / name, target / name)
    card = read_file(parent, before, "README.md").decode() if "README.md" in before.files else ""
    (target / "README.md").write_text(
        f"# {version}\n\nAn update of `{before.version}`{': ' + notes if notes else ''}. What follows is the card of "
        f"`{before.version}`; its figures are its own.\n\n{card}",
        encoding="utf-8",
    )
    manifest = msgspec.structs.replace(
        before,
        version=version,
        parent=before.version,
        graphs={"fp32": "model.onnx"},
        temperatures=temperatures or before.temperatures,
        created=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        metrics=dict(metrics or {}),
        training={"parent": before.version, **(training or {})},
        notes=notes,
    )
    manifest = write(target, manifest)
    if "int8" in before.graphs and held:
        step = max(1, len(held) // CALIBRATED)
        rounded = quantise(graph, find_grids(target, [row.text for row in held[::step]]))
        (target / "model.int8.onnx").write_bytes(rounded.SerializeToString(deterministic=True))
        graphs = {**manifest.graphs, "int8": "model.int8.onnx"}
        manifest = write(target, msgspec.structs.replace(manifest, graphs=graphs))
    if held:
        (target / REFERENCE).write_bytes(pack(reference_of(Scorer.load(target, provider="cpu"), held)))
        manifest = write(target, manifest)
    return manifest
