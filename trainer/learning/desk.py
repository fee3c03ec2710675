"""What lies on the desk at an update: the champion as a network with a fresh adapter, and rows as tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.release import Temperatures, read_manifest
from trainer.batches import MISSING, Batch, Encoded, collate, encode, grouped
from trainer.data import Example, normalised
from trainer.learning.replay import Remembered
from trainer.measure import Answer
from trainer.network import Adapter, Network, Outputs, build
from trainer.passes import TrainingPass
from trainer.refill import Tensors, read_weights

HELD_PERCENT = 10
"""Rows that are never trained on and choose the part of the way, by a hash of their texts."""


@dataclass(frozen=True)
class Rates:
    """What decides an update besides its rows.

    ``rows`` new ones are taken at a step, and as many remembered ones. They are passed over ``epochs`` times at most;
    without a number, as often as their own asks for (:func:`passes`). ``stored`` weighs the distance from remembered
    logits, ``teacher`` the divergence from the champion, ``anchor`` the squared distance of the weights; ``mean`` is of
    the moving mean of weights. ``seconds`` is a hard limit. With ``plain`` the new rows are learnt and nothing else is
    done: what others call fine-tuning.
    """

    seed: int = 20
    rows: int = 16
    epochs: int | None = None
    rate: float = 5e-4
    head_rate: float = 5e-4
    warmup: int = 20
    stored: float = 0.1
    teacher: float = 0.3
    anchor: float = 1e-4
    mean: float = 0.98
    smoothing: float = 0.02
    patience: int = 3
    least_gain: float = 0.002
    max_tokens: int = 96
    seconds: float = 1_200.0
    plain: bool = False
    adapter: Adapter = field(default_factory=lambda: Adapter(rank=16, alpha=32))


@dataclass(frozen=True)
class Model:
    """What an update begins with and what it ends with: dense weights, temperatures, topics and their labels."""

    weights: Tensors
    temperatures: Temperatures
    taxonomies: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, release: Path) -> Model:
        """Read a release; topics of which it has no trained head are left alone."""
        manifest, weights = read_manifest(release), read_weights(release)
        topics = manifest.labels.topics.items()
        known = {name: labels for name, labels in topics if f"topics.{name}.weight" in weights}
        return cls(weights, manifest.temperatures, known)


def passes(rows: int) -> int:
    """How often to pass over so many new rows: three times, and once more for each 300 beyond 450, at most six times.

    Of some 360 rows the passes after the third taught little that is new and turned more known answers wrong than the
    gate allows; of 1,350 they brought a tenth of the gain (``docs/benchmarks.md``).
    """
    return min(6, 3 + max(0, rows - 450 + 299) // 300)


def is_held(text: str) -> bool:
    """Whether rows with this text are held back from training, now and in every later update."""
    drawn = hashlib.sha256(b"held back " + normalised(text).encode()).digest()[:4]
    return int.from_bytes(drawn, "big") % 100 < HELD_PERCENT


@dataclass(frozen=True)
class Lessons:
    new: list[Encoded]
    rehearsed: list[Encoded]
    stored: list[tuple[float, ...] | None]
    """Of each rehearsed row, the sentiment's logits to hold on to."""
    held_new: list[Encoded]
    held_known: list[Encoded]


class Desk:
    """The champion as a network with a fresh adapter, and rows as tokens."""

    def __init__(self, champion: Model, tokenizer: Tokenizer, base: Path, rates: Rates) -> None:
        self.champion = champion
        self.tokenizer = tokenizer
        self.max_tokens = rates.max_tokens
        sizes = {name: len(labels) for name, labels in champion.taxonomies.items()}
        self.network: Network = build(base, sizes, rates.adapter, seed=rates.seed)
        state = self.network.state_dict()
        held: dict[str, Tensor] = {}
        for name, value in champion.weights.items():
            stem, _, leaf = name.rpartition(".")
            adapted = f"{stem}.base_layer.{leaf}"
            held[adapted if adapted in state else name] = torch.from_numpy(np.array(value, np.float32))
        self.network.load_state_dict(held, strict=False)
        self.encoder = TrainingPass(self.network, rates.adapter.scale)

    def encoded(self, examples: Sequence[Example]) -> list[Encoded]:
        known = [
            Example(**{**vars(one), "topics": tuple(t for t in one.topics if t[0] in self.champion.taxonomies)})
            for one in examples
        ]
        return encode(known, self.tokenizer, self.max_tokens)

    def lessons(self, new: Sequence[Example], memory: Sequence[Remembered], unlabelled: Sequence[str]) -> Lessons:
        fresh = {normalised(example.text) for example in new}
        known = [row for row in memory if normalised(row.example.text) not in fresh]
        rehearsed = [row for row in known if not is_held(row.example.text)]
        taught = [example for example in new if not is_held(example.text)]
        silent = [Example(text, "unlabelled") for text in unlabelled if normalised(text) not in fresh]
        stored = [row.logits.get("sentiment") for row in rehearsed]
        return Lessons(
            self.encoded([example for example in taught if teaches(example)]),
            self.encoded([*(row.example for row in rehearsed), *silent]),
            [*stored, *([None] * len(silent))],
            self.encoded([example for example in new if is_held(example.text)]),
            self.encoded([row.example for row in known if is_held(row.example.text)]),
        )

    def say(self, batch: Batch, generator: torch.Generator | None) -> Outputs:
        hidden = self.encoder.hidden(batch.ids, batch.mask, generator)
        return self.network.read(hidden, batch.mask, _probed(batch))

    def answers(self, encoded: Sequence[Encoded]) -> list[tuple[Answer, dict[str, Tensor]]]:
        """In the order given: what the network says now, with and without form."""
        found: list[tuple[Answer, dict[str, Tensor]] | None] = [None] * len(encoded)
        with torch.inference_mode():
            for rows in grouped([len(one.ids) for one in encoded], 64):
                batch = collate(encoded, rows, tuple(self.network.topics))
                said = self.say(batch, None)
                for at, row in enumerate(rows):
                    logits = {f"topic:{name}": table[at] for name, table in said.topics.items()}
                    logits |= {"sentiment": said.sentiment[at], "entities": said.entities[at, 0]}
                    spans = encoded[row].spans
                    toward = said.entities[at].double().numpy()
                    answer = Answer(
                        encoded[row].example,
                        {name: table[at].double().numpy() for name, table in said.topics.items()},
                        said.sentiment[at].double().numpy(),
                        tuple(None if span is None else toward[column] for column, span in enumerate(spans)),
                    )
                    found[row] = (answer, {name: value.clone() for name, value in logits.items()})
        return [one for one in found if one is not None]


def teaches(example: Example) -> bool:
    return example.sentiment is not None or bool(example.topics) or bool(example.entities)


def _probed(batch: Batch) -> Tensor:
    """The batch's spans; a row without labelled entities is asked about its first token, so that the champion can
    tell what the entity head has to keep saying."""
    spans = batch.spans.clone()
    silent = (batch.entities == MISSING).all(1)
    spans[silent, 0] = torch.tensor([1, 2])
    return spans
