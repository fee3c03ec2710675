"""From parts to a release: the base encoder, our adapter and heads, and a graph that is still empty.

The repository ships what training made, a few megabytes (``deploy/release``); the base encoder's weights
come from elsewhere (:mod:`models.base`). Assembling folds the adapter into the base, fills the graph, and
writes a release, in seconds and without torch. The sums are exact in double precision, so every machine
assembles the same weights.

::

    deploy/release/
        assembly.json        version, labels, temperatures, metrics; the base it needs; checksums of the parts
        adapter.safetensors  LoRA matrices in half precision: <linear>.lora_A [r, in], <linear>.lora_B [out, r]
        heads.safetensors    the heads in half precision
        graph.onnx           the graph; an initialiser without data says in its doc string what fills it
        grids.safetensors    how the int8 graph rounds activations (models.quantise), where the release has one
        reference.npz        what the drift detectors compare with (models.reference), where the release has one
        tokenizer.json, README.md, NOTICE
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from msgspec import Struct
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save_file

from models import graphs
from models.base import WEIGHTS, find_base, sha256_of
from models.errors import BaseEncoderError, CorruptReleaseError, MislabelledReleaseError
from models.quantise import quantise, read_grids
from models.reference import REFERENCE
from models.registry import CHAMPION, Registry
from models.release import FileEntry, Labels, Manifest, Temperatures, read_file, write

Tensors = dict[str, NDArray[np.float32]]

RECIPE = "assembly.json"
GRIDS = "grids.safetensors"
FILLED_FROM = "filled from "
"""How an empty initialiser's doc string begins; then the tensor's name, and ``^T`` where it is transposed."""


class Parts(Struct, frozen=True, forbid_unknown_fields=True):
    """What ``assembly.json`` says: the manifest to be, and what it is made of."""

    version: str
    labels: Labels
    base_sha256: str
    adapter_scale: float
    files: dict[str, FileEntry]
    temperatures: Temperatures = Temperatures()
    base: dict[str, str] = {}
    languages: tuple[str, ...] = ("en",)
    created: str = ""
    metrics: dict[str, Any] = {}
    training: dict[str, Any] = {}
    licence: str = ""
    data: tuple[dict[str, str], ...] = ()
    notes: str = ""


def shipped_parts() -> Path:
    """The directory of the shipped parts: in a checkout ``deploy/release``, in a wheel ``tocsin_release``."""
    beside = Path(__file__).resolve().parent.parent
    for place in (beside / "deploy" / "release", beside / "tocsin_release"):
        if (place / RECIPE).is_file():
            return place
    raise CorruptReleaseError(f"the shipped release is missing: there is no {beside / 'deploy' / 'release' / RECIPE}")


def read_parts(directory: Path) -> Parts:
    """``assembly.json`` of ``directory``.

    Raises:
        CorruptReleaseError: it is missing or not what it should be.
    """
    try:
        return msgspec.json.decode((directory / RECIPE).read_bytes(), type=Parts)
    except (OSError, msgspec.DecodeError) as exc:
        raise CorruptReleaseError(f"{directory / RECIPE}: {exc}") from exc


def ensure_shipped(registry_root: str | Path) -> Path:
    """The shipped release in the registry, assembled there if it is not yet; champion where there is none.

    Safe to call from several processes at once: releases appear whole or not at all.

    Raises:
        BaseEncoderError: the base encoder is not on this machine; the text says how to get it.
        ReleaseError: a shipped part is corrupt.
    """
    registry = Registry(registry_root)
    parts = shipped_parts()
    version = read_parts(parts).version
    if version not in registry.versions():
        with registry.staging() as staged:
            assemble(parts, find_base(), staged)
            registry.publish(staged, reason="assembled from the shipped parts")
    if CHAMPION not in registry.aliases():
        registry.promote(version, reason="the first release")
    return registry.resolve(version)


def assemble(directory: Path, base: Path, target: Path) -> Manifest:
    """Write the release made of the parts in ``directory`` and the encoder in ``base`` into ``target``.

    Raises:
        BaseEncoderError: ``base`` holds another encoder than the adapter was trained on.
        ReleaseError: a part is missing, changed, or does not fit the others.
    """
    parts = read_parts(directory)
    # Checked through a manifest of their own: the same code, the same errors.
    shell = Manifest(parts.version, parts.labels, {}, parts.files)
    held = {name: read_file(directory, shell, name) for name in parts.files}
    dense = fold(_base_tensors(base, parts), _tensors(held, "adapter.safetensors"), parts.adapter_scale)
    heads = _tensors(held, "heads.safetensors")
    model = graphs.parse(held["graph.onnx"])
    graphs.check_shapes(model, {name: len(labels) for name, labels in parts.labels.topics.items()})
    fill(model, {**{f"encoder.{name}": value for name, value in dense.items()}, **heads})
    made = {"fp32": ("model.onnx", model)}
    if GRIDS in held:
        made["int8"] = ("model.int8.onnx", quantise(model, read_grids(_tensors(held, GRIDS))))
    for name, graph in made.values():
        (target / name).write_bytes(graph.SerializeToString(deterministic=True))
    save_file(dense, target / "encoder.safetensors")
    save_file(heads, target / "heads.safetensors")
    for name in ("tokenizer.json", "README.md", "NOTICE", *({REFERENCE} & held.keys())):
        (target / name).write_bytes(held[name])
    return write(
        target,
        Manifest(
            parts.version,
            parts.labels,
            {precision: name for precision, (name, _) in made.items()},
            {},
            created=parts.created,
            languages=parts.languages,
            temperatures=parts.temperatures,
            base=parts.base,
            metrics=parts.metrics,
            training=parts.training,
            licence=parts.licence,
            data=parts.data,
            notes=parts.notes,
        ),
    )


def fold(base: Mapping[str, NDArray[Any]], adapter: Mapping[str, NDArray[Any]], scale: float) -> Tensors:
    """The base's tensors with ``scale * B @ A`` added to every adapted weight (Hu et al. 2021, equation 3).

    The factors are half precision, so their products and, with ranks of this size, their sums are exact in
    double precision: the order of summation, and with it the machine, does not matter.

    Raises:
        MislabelledReleaseError: the adapter names a layer that the base lacks, or is of another shape.
    """
    folded = {name: np.ascontiguousarray(value, np.float32) for name, value in base.items()}
    for name, down in adapter.items():
        if not name.endswith(".lora_A"):
            continue
        layer = name.removesuffix(".lora_A")
        up, weight = adapter.get(f"{layer}.lora_B"), folded.get(f"{layer}.weight")
        if up is None or weight is None or (up.shape[0], down.shape[1]) != weight.shape:
            raise MislabelledReleaseError(f"the adapter's {layer} does not fit the base encoder")
        delta = up.astype(np.float64) @ down.astype(np.float64)
        folded[f"{layer}.weight"] = (weight.astype(np.float64) + scale * delta).astype(np.float32)
    return folded


def fill(model: onnx.ModelProto, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Give every empty initialiser of ``model`` the data its doc string names, in place.

    Raises:
        MislabelledReleaseError: a tensor is missing or of another shape.
    """
    for initializer in model.graph.initializer:
        if not initializer.doc_string.startswith(FILLED_FROM):
            continue
        source = initializer.doc_string.removeprefix(FILLED_FROM)
        value = tensors.get(source.removesuffix("^T"))
        if value is None:
            raise MislabelledReleaseError(f"the graph asks for a tensor {source} that the parts do not hold")
        if source.endswith("^T"):
            value = value.T
        if tuple(initializer.dims) != value.shape or initializer.data_type != onnx.TensorProto.FLOAT:
            raise MislabelledReleaseError(f"the graph expects {source} as {tuple(initializer.dims)}, not {value.shape}")
        initializer.raw_data = np.ascontiguousarray(value, "<f4").tobytes()
        initializer.ClearField("doc_string")


def _base_tensors(base: Path, parts: Parts) -> dict[str, NDArray[Any]]:
    path = base / WEIGHTS
    found = sha256_of(path)
    if found != parts.base_sha256:
        raise BaseEncoderError(f"{path} has sha256 {found}; release {parts.version} needs {parts.base_sha256}")
    # The pooler is not ours, and positions are counted, not learnt.
    return {
        name: value
        for name, value in load_tensors(path.read_bytes()).items()
        if not name.startswith("pooler.") and not name.endswith("position_ids")
    }


def _tensors(held: Mapping[str, bytes], name: str) -> Tensors:
    try:
        return {key: value.astype(np.float32) for key, value in load_tensors(held[name]).items()}
    except KeyError as exc:
        raise CorruptReleaseError(f"the parts hold no {name}") from exc
    except Exception as exc:  # safetensors raises its own error, which derives from Exception
        raise CorruptReleaseError(f"{name} is not safetensors: {exc}") from exc
