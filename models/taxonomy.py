"""Topics of one's own without a training run: from a name, a description and a few examples each.

The encoder's embeddings of what a topic is called, how it is described and its examples give a prototype; a
text belongs to the nearest one, or to none of them (``Other``) where it is not nearer than everyday sentences
are. Where there are examples, a logistic regression that starts at the prototypes and is held to them moves
the borders. The new head is one small product on the embedding at the end of each graph.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models import graphs
from models.errors import MislabelledReleaseError
from models.release import Labels, Manifest, check_version, read_file, read_manifest, write
from models.scorer import Scorer

OTHER = "Other"
MOST_EXAMPLES = 20
SHARPNESS = 12.0
"""Logit of a full cosine: how fast likeness turns into certainty before any example is seen."""
STEPS, RATE, HOLD = 300, 0.5, 0.02

EVERYDAY = (
    "The meeting starts at nine in the large room.", "She bought two tickets for the evening train.",
    "It rained for most of the afternoon.", "The museum opens a new wing next spring.",
    "He thanked everyone who had helped.", "The recipe needs flour, eggs and a pinch of salt.",
    "Their team won the second half.", "The road to the coast is closed for repairs.",
    "I will call you back tomorrow.", "The report has forty pages and three tables.",
    "A cat slept on the window sill.", "Prices and dates are on the last page.",
    "The mayor spoke for ten minutes.", "We walked along the river after dinner.",
    "The film runs for two hours.", "Please sign here and keep the copy.",
    "The shop sells books and maps.", "Scientists described a new kind of beetle.",
    "The school has four hundred pupils.", "They moved to another town last year.",
)  # fmt: skip
"""Sentences about nothing in particular: what no topic of one's own should take for itself."""


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A topic as its user tells of it."""

    name: str
    description: str = ""
    examples: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topic: tuple[Topic, ...]


def read_topics(path: Path) -> tuple[Topic, ...]:
    """Topics from a TOML file of ``[[topic]]`` tables with ``name``, ``description`` and ``examples``.

    Raises:
        MislabelledReleaseError: the file cannot be read, or its topics cannot be told apart.
    """
    try:
        topics = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).topic
    except (OSError, ValueError) as exc:  # TOML's, Unicode's and msgspec's errors are ValueErrors
        raise MislabelledReleaseError(f"{path}: {exc}") from exc
    names = [topic.name for topic in topics]
    if not names or len({*names, OTHER}) != len(names) + 1 or not all(name.strip() for name in names):
        raise MislabelledReleaseError(f"{path}: topics need different names, none of them empty or {OTHER}")
    if any(len(topic.examples) > MOST_EXAMPLES for topic in topics):
        raise MislabelledReleaseError(f"{path}: at most {MOST_EXAMPLES} examples a topic; with more, train a release")
    return topics


def add_taxonomy(release: Path, name: str, topics: Sequence[Topic], target: Path, *, version: str) -> Manifest:
    """Write into ``target`` the release ``version``: ``release`` with the taxonomy ``name`` besides its own.

    Raises:
        ReleaseError: the release is not sound, or has a taxonomy of that name.
    """
    check_version(version)
    check_version(name)
    manifest = read_manifest(release)
    if name in manifest.labels.topics:
        raise MislabelledReleaseError(f"release {manifest.version} already has a taxonomy {name}")
    weight, bias = make_head(Scorer.load(release, provider="cpu", precision="fp32"), topics)  # which verifies it
    for file in manifest.files:
        shutil.copyfile(release / file, target / file)
    for file in manifest.graphs.values():
        model = graphs.parse(read_file(release, manifest, file))
        _append(model, name, weight, bias)
        (target / file).write_bytes(model.SerializeToString(deterministic=True))
    labels = (OTHER, *(topic.name for topic in topics))
    return write(
        target,
        msgspec.structs.replace(
            manifest,
            version=version,
            parent=manifest.version,
            labels=Labels({**manifest.labels.topics, name: labels}),
            notes=f"{manifest.notes}\ntaxonomy {name}: made from descriptions and examples, not measured".strip(),
        ),
    )


def make_head(
    scorer: Scorer, topics: Sequence[Topic]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Weight [H, 1 + n] and bias [1 + n] over the embedding; column 0 is :data:`OTHER`."""
    told = [[topic.name, f"{topic.name}: {topic.description}", *topic.examples] for topic in topics]
    everyday = scorer.score(EVERYDAY).embedding.astype(np.float64)
    heard = [scorer.score(texts).embedding.astype(np.float64) for texts in told]
    centre = (everyday.mean(0) + np.mean([some.mean(0) for some in heard], axis=0)) / 2
    prototypes = np.stack([_unit((some - centre).mean(0)) for some in heard], axis=1)
    nearest = (_rows(everyday - centre) @ prototypes).max(1)
    weight = np.concatenate([np.zeros((len(centre), 1)), SHARPNESS * prototypes], axis=1)
    bias = np.concatenate([[SHARPNESS * float(np.quantile(nearest, 0.8))], np.zeros(len(topics))])
    inputs = _rows(np.concatenate([everyday, *heard]) - centre)
    labels = np.concatenate([np.zeros(len(everyday), int), *(np.full(len(h), at + 1) for at, h in enumerate(heard))])
    if any(topic.examples for topic in topics):
        weight, bias = _fit(inputs, labels, weight, bias)
    # Rows were centred but, unlike here, also brought to length one; the mean length stands in for each text's.
    scale = 1.0 / float(np.linalg.norm(np.concatenate([everyday, *heard]) - centre, axis=1).mean())
    return (scale * weight).astype(np.float32), (bias - scale * centre @ weight).astype(np.float32)


def _fit(
    inputs: NDArray[np.float64], labels: NDArray[np.int64], weight: NDArray[np.float64], bias: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Multinomial regression by gradient descent, each label counting the same, held to where it starts."""
    start, origin = weight, bias
    target = np.eye(weight.shape[1])[labels]
    share = (1.0 / np.maximum(target.sum(0), 1))[labels] / weight.shape[1]
    for _ in range(STEPS):
        logits = inputs @ weight + bias
        probs = np.exp(logits - logits.max(1, keepdims=True))
        error = share[:, None] * (probs / probs.sum(1, keepdims=True) - target)
        weight = weight - RATE * (inputs.T @ error + HOLD * (weight - start) / SHARPNESS)
        bias = bias - RATE * (error.sum(0) + HOLD * (bias - origin) / SHARPNESS)
    return weight, bias


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))


def _rows(table: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9))


def _append(model: onnx.ModelProto, name: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    held = {f"{name}.weight": weight, f"{name}.bias": bias}
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in held.items())
    model.graph.node.append(helper.make_node("MatMul", ["embedding", f"{name}.weight"], [f"{name}.product"]))
    model.graph.node.append(helper.make_node("Add", [f"{name}.product", f"{name}.bias"], [f"topic.{name}"]))
    model.graph.output.append(helper.make_tensor_value_info(f"topic.{name}", TensorProto.FLOAT, ["B", weight.shape[1]]))
