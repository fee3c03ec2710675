"""Releases that differ from the tiny one on purpose: better or worse, damaged, or made to crash."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import numpy_helper

from models.release import MANIFEST, Manifest, Temperatures, write
from tests.models.tiny import build_tiny_release


def hotter(registry: Path, version: str, temperature: float = 2.0) -> Path:
    """A sound release that names the same winners with other probabilities."""
    release = build_tiny_release(registry, version)
    return rewritten(release, temperatures=Temperatures(sentiment=temperature))


def contrary(registry: Path, version: str) -> Path:
    """A sound release that calls bad what is good."""
    release = build_tiny_release(registry, version)
    replace_weights(release, "sentiment_head", lambda value: value[:, ::-1])
    return rewritten(release)


def without_probabilities(registry: Path, version: str) -> Path:
    """A release whose sentiment is not a number, though every checksum holds."""
    release = build_tiny_release(registry, version)
    replace_weights(release, "neutral", lambda value: np.full_like(value, np.nan))
    return rewritten(release)


def of_other_topics(registry: Path, version: str) -> Path:
    """A sound release that does not know the taxonomy of the streams."""
    release = build_tiny_release(registry, version)
    path = release / "model.onnx"
    model = onnx.load(path)
    for node in model.graph.node:
        node.output[:] = [name.replace("topic.finance", "topic.weather") for name in node.output]
    for output in model.graph.output:
        output.name = output.name.replace("topic.finance", "topic.weather")
    path.write_bytes(model.SerializeToString(deterministic=True))
    labels = read(release).labels
    return rewritten(release, labels=msgspec.structs.replace(labels, topics={"weather": labels.topics["finance"]}))


def flipped(registry: Path, version: str) -> Path:
    """A release with one bit of its graph turned over."""
    release = build_tiny_release(registry, version)
    data = bytearray((release / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (release / "model.onnx").write_bytes(data)
    return release


def copied(release: Path, target: Path, **changes: object) -> Path:
    """A copy of a release under another version."""
    shutil.copytree(release, target)
    return rewritten(target, version=target.name, **changes)


def read(release: Path) -> Manifest:
    return msgspec.json.decode((release / MANIFEST).read_bytes(), type=Manifest)


def rewritten(release: Path, **changes: object) -> Path:
    """``release`` with its manifest written anew, over the files as they are now."""
    write(release, msgspec.structs.replace(read(release), **changes))
    return release


def replace_weights(release: Path, name: str, change: object, graph: str = "model.onnx") -> None:
    """Put ``change(value)`` in the place of one initialiser of a graph."""
    path = release / graph
    model = onnx.load(path)
    for initializer in model.graph.initializer:
        if initializer.name == name:
            value = np.ascontiguousarray(change(numpy_helper.to_array(initializer)))  # type: ignore[operator]
            initializer.CopyFrom(numpy_helper.from_array(value, name))
    path.write_bytes(model.SerializeToString(deterministic=True))
