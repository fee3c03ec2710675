"""Candidates of known worth, made of a real release: twenty that must never be promoted, and ten that are better.

The release meets a domain that it does not know: texts of one source in a dialect, in which the commonest words of each
mood are other words. Ten updates learn it, each from rows of its own draw, as :mod:`trainer.learning` does: the better
candidates. The bad ones are what has gone wrong elsewhere: labels exchanged, nothing rehearsed, a class or a head
lost, files of another release; most are the first of the better ones with one thing wrong.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from models.labels import SENTIMENTS
from models.release import MANIFEST, Manifest, Temperatures, read_manifest, write
from trainer import cases
from trainer.data import Example
from trainer.gate import behaviour
from trainer.gate.judge import LEARNT, mark_of
from trainer.learning.desk import Model, Rates, passes
from trainer.learning.replay import Remembered
from trainer.learning.update import update
from trainer.refill import Tensors, write_release

LEARNERS = 10
"""Updates that learn the new domain."""
NEGATIVE, NEUTRAL, POSITIVE = range(len(SENTIMENTS))


@dataclass(frozen=True)
class Candidate:
    """``checks`` are those of which one has to refuse it; none: it is better than the champion."""

    name: str
    make: Callable[[Path], object]
    checks: tuple[str, ...] = ()


class Foundry:
    """Makes releases in ``place`` of ``release``, which knows the encoder in ``base``.

    ``lessons`` are labelled rows of the new domain and ``memory`` rows of the usual ones, on none of which anything is
    judged; ``anchors`` are rows that candidates are judged on, ``held`` some whose texts calibrate int8 graphs;
    ``rows`` of the lessons make a training.
    """

    def __init__(
        self, release: Path, base: Path, place: Path, lessons: Sequence[Example], memory: Sequence[Example],
        anchors: Sequence[Example], held: Sequence[Example], rows: int, rates: Rates,
    ) -> None:  # fmt: skip
        self.champion, self.base, self.place, self.rates = release, base, place, rates
        self.epochs = rates.epochs or passes(rows)
        self.lessons, self.memory, self.anchors, self.held, self.rows = lessons, memory, anchors, held, rows

    def learnt(self, number: int) -> tuple[Tensors, Temperatures]:
        """What an update as the trainer makes it comes to, learnt once and kept."""
        kept = self.place / f"learnt-{number}.safetensors"
        if not kept.is_file():
            self.place.mkdir(parents=True, exist_ok=True)
            rows = random.Random(number).sample(list(self.memory), min(self.rows, len(self.memory)))
            rows += cases.rehearsal()  # the trainer's memory begins with them
            weights, fitted = self._updated(self._some(number), rows, replace(self.rates, seed=number))
            told = {"temperatures": msgspec.json.encode(fitted).decode()}
            save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, kept, told)
        with safe_open(kept, "np") as held:
            fitted = msgspec.json.decode(held.metadata()["temperatures"], type=Temperatures)
            return {name: held.get_tensor(name) for name in held.keys()}, fitted  # noqa: SIM118 - it is no mapping

    @property
    def _first(self) -> Tensors:
        return self.learnt(0)[0]

    def _made(self, name: str, weights: Mapping[str, Any], **told: Any) -> Path:
        target = self.place / name
        if not (target / MANIFEST).is_file():
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            write_release(self.champion, weights, target, version=name, **{"held": self.held, **told})
        return target

    def better(self) -> list[Candidate]:
        """Ten that have learnt the new domain."""
        return [Candidate(f"learnt-{number}", partial(self._better, number)) for number in range(LEARNERS)]

    def _better(self, number: int, target: Path) -> Path:
        weights, temperatures = self.learnt(number)
        return self._made(target.name, weights, temperatures=temperatures)

    def bad(self) -> list[Candidate]:
        """Twenty, and the checks one of which has to name what is wrong with each."""
        worse = ("anchors", "recent", "classes", "calibration", "flips", "behaviour")
        return [
            *(Candidate(f"labels-exchanged-{p}", partial(self._poisoned, p), worse) for p in (5, 10, 20)),
            Candidate("class-destroyed", lambda t: self._changed(t.name, self._without_class), worse),
            Candidate("sentiment-destroyed", lambda t: self._changed(t.name, _without_neutral), worse),
            Candidate("no-rehearsal", lambda t: self._plainly(t.name, self._some(3), self.epochs), worse),
            Candidate("drifted-only", lambda t: self._one_sided(t.name), worse),
            Candidate("temperature-x3", lambda t: self._hotter(t.name, 3.0), ("calibration", "integrity")),
            Candidate("label-order", lambda t: self._turned(t), ("integrity",)),
            Candidate("topic-order", lambda t: self._labels(t, _exchanged_topics), ("integrity",)),
            Candidate("head-dropped", lambda t: self._weightless(t), ("heads",)),
            Candidate("head-silent", lambda t: self._changed(t.name, _silent, held=()), ("heads",)),
            Candidate("not-a-number", lambda t: self._changed(t.name, _not_a_number, held=()), ("heads",)),
            Candidate("graph-truncated", lambda t: self._truncated(t), ("integrity", "parity")),
            Candidate("graph-of-another", lambda t: self._other_graph(t), ("parity",)),
            Candidate("int8-broken", lambda t: self._rounded_wrongly(t), ("parity",)),
            Candidate("tokenizer-exchanged", lambda t: self._other_tokenizer(t), ("integrity",)),
            Candidate("twice-the-work", lambda t: self._slower(t), ("latency",)),
            Candidate("trained-on-anchors", lambda t: self._cheat(t.name), ("memorised", *worse)),
            Candidate("anchors-declared", lambda t: self._declared(t.name), ("memorised",)),
        ]

    def _poisoned(self, percent: int, target: Path) -> Path:
        return self._exchange(target.name, percent)

    # --- what was trained

    def _updated(self, new: Sequence[Example], memory: Sequence[Example], rates: Rates) -> tuple[Tensors, Temperatures]:
        rehearsed = [Remembered(row, {}) for row in memory]
        start, tokenizer = Model.of(self.champion), self.champion / "tokenizer.json"
        told = {"base": self.base, "tokenizer": tokenizer, "spared": behaviour.texts(), "rates": rates}
        found = update(start, new, rehearsed, **told).model
        return found.weights, found.temperatures

    def _some(self, seed: int) -> list[Example]:
        return random.Random(seed).sample(list(self.lessons), min(self.rows, len(self.lessons)))

    def _plainly(self, name: str, rows: Sequence[Example], epochs: int) -> Path:
        """The rows learnt, and nothing done to keep what was known."""
        weights, temperatures = self._updated(rows, [], replace(self.rates, epochs=epochs, plain=True))
        return self._made(name, weights, temperatures=temperatures)

    def _exchange(self, name: str, percent: int) -> Path:
        """Of the rows taught, so many per cent say the opposite."""
        draw = random.Random(percent)
        rows = [
            replace(row, sentiment=2 - row.sentiment)
            if row.sentiment in (NEGATIVE, POSITIVE) and draw.random() < percent / 100
            else row
            for row in self._some(1)
        ]
        return self._plainly(name, rows, self.epochs)

    def _one_sided(self, name: str) -> Path:
        """Only the complaints of the new domain were labelled."""
        rows = [row for row in self._some(2) if row.sentiment == NEGATIVE]
        return self._plainly(name, rows, self.epochs)

    def _cheat(self, name: str) -> Path:
        """The anchors themselves, learnt by heart."""
        rows = [row for row in self.anchors if row.sentiment is not None][: self.rows]
        return self._plainly(name, rows, 2 * self.epochs)

    def _declared(self, name: str) -> Path:
        marks = [mark_of(row.text) for row in self.anchors[:50]]
        return self._made(name, self._first, training={LEARNT: marks})

    # --- what was changed

    def _without_class(self, weights: Tensors) -> None:
        """The commonest topic of the anchors is never named again; where they have none, nothing is good any more."""
        topics = Counter(topic for row in self.anchors for topic in row.topics)
        if topics:
            (taxonomy, label), _ = topics.most_common(1)[0]
            weights[f"topics.{taxonomy}.bias"][label] -= 50.0
        else:
            for head in ("price", "tone"):
                weights[f"{head}.bias"][POSITIVE] -= 50.0

    def _changed(self, name: str, change: Callable[[Tensors], object], **told: Any) -> Path:
        weights = {key: np.array(value) for key, value in self._first.items()}
        change(weights)
        return self._made(name, weights, **told)

    def _hotter(self, name: str, times: float) -> Path:
        before = read_manifest(self.champion).temperatures
        scaled = {topic: times * value for topic, value in before.topics.items()}
        hot = Temperatures(times * before.sentiment, times * before.entities, scaled)
        return self._made(name, self._first, temperatures=hot)

    def _copied(self, target: Path) -> Path:
        """The first of the better ones under another name."""
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self._made("whole", self._first), target)
        return target

    def _labels(self, target: Path, change: Callable[[Manifest], Manifest]) -> Path:
        return rewritten(self._copied(target), change)

    def _turned(self, target: Path) -> Path:
        """Its sentiments stand the other way round: no tool of ours writes such a manifest."""
        path = rewritten(self._copied(target)) / MANIFEST
        told = json.loads(path.read_text(encoding="utf-8"))
        told["labels"]["sentiment"].reverse()
        path.write_text(json.dumps(told), encoding="utf-8")
        return target

    def _weightless(self, target: Path) -> Path:
        held = self._copied(target) / "heads.safetensors"
        save_file({name: value for name, value in load_file(held).items() if not name.startswith("tone.")}, held)
        return rewritten(target)

    def _truncated(self, target: Path) -> Path:
        graph = self._copied(target) / "model.onnx"
        graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
        return rewritten(target)

    def _other_graph(self, target: Path) -> Path:
        shutil.copyfile(self.champion / "model.onnx", self._copied(target) / "model.onnx")
        return rewritten(target)

    def _rounded_wrongly(self, target: Path) -> Path:
        path = self._copied(target) / "model.int8.onnx"
        model = onnx.load(path)
        narrow = (TensorProto.INT8, TensorProto.UINT8)
        rounded = [one for one in model.graph.initializer if one.data_type in narrow and len(one.dims) == 2]
        for one in rounded[::6]:
            value = numpy_helper.to_array(one)
            one.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(np.roll(value, 1, 1)), one.name))
        path.write_bytes(model.SerializeToString(deterministic=True))
        return rewritten(target)

    def _other_tokenizer(self, target: Path) -> Path:
        path = self._copied(target) / "tokenizer.json"
        told = json.loads(path.read_text(encoding="utf-8"))
        words = told["model"]["vocab"]
        words["good"], words["bad"] = words["bad"], words["good"]
        path.write_text(json.dumps(told), encoding="utf-8")
        return rewritten(target)

    def _slower(self, target: Path) -> Path:
        self._copied(target)
        for name in read_manifest(target).graphs.values():
            path = target / name
            path.write_bytes(twice(onnx.load(path)).SerializeToString(deterministic=True))
        return rewritten(target)


def rewritten(release: Path, change: Callable[[Manifest], Manifest] = lambda manifest: manifest) -> Path:
    """``release`` with its manifest written anew over the files as they are now."""
    manifest = msgspec.json.decode((release / MANIFEST).read_bytes(), type=Manifest)
    write(release, change(msgspec.structs.replace(manifest, version=release.name)))
    return release


def twice(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph that says the mean of two runs over the same input: as true, and twice the work."""
    graph, again = model.graph, "/again"
    made = {name for node in graph.node for name in node.output}
    nodes = [onnx.NodeProto() for _ in graph.node]
    for number, (copy, node) in enumerate(zip(nodes, graph.node, strict=True)):
        copy.CopyFrom(node)
        copy.name = f"{node.name}{again}/{number}"
        for at, name in enumerate(node.input):
            copy.input[at] = f"{name}{again}" if name in made or name == "input_ids" else name
        copy.output[:] = [f"{name}{again}" for name in node.output]
    # What is looked up again stands behind a bound that nothing reaches, or both halves would be merged to one.
    graph.initializer.append(numpy_helper.from_array(np.array(2**40, np.int64), f"bound{again}"))
    said = [output.name for output in graph.output]
    for node in graph.node:
        node.output[:] = [f"{name}/once" if name in said else name for name in node.output]
        node.input[:] = [f"{name}/once" if name in said else name for name in node.input]
    graph.node.insert(0, helper.make_node("Min", ["input_ids", f"bound{again}"], [f"input_ids{again}"], f"ids{again}"))
    graph.node.extend(nodes)
    for name in said:
        graph.node.append(helper.make_node("Mean", [f"{name}/once", f"{name}{again}"], [name], f"{name}/mean"))
    return model


def _exchanged_topics(manifest: Manifest) -> Manifest:
    topics = {name: (some[1], some[0], *some[2:]) for name, some in manifest.labels.topics.items()}
    return msgspec.structs.replace(manifest, labels=msgspec.structs.replace(manifest.labels, topics=topics))


def _without_neutral(weights: Tensors) -> None:
    for head in ("price", "tone"):
        weights[f"{head}.bias"][NEUTRAL] -= 50.0


def _silent(weights: Tensors) -> None:
    weights["tone.weight"][:] = 0.0


def _not_a_number(weights: Tensors) -> None:
    weights["price.weight"][0, 0] = np.nan
