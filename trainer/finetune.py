"""Fine-tune: LoRA on the encoder, the heads in full, one masked loss over every kind of label.

The lowest layers are frozen and their activations computed once (:class:`Prefix`): on a CPU that is a third
of each epoch. Same seed, same data, same machine: same weights, unless the time budget cuts the run short.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from models.base import find_base
from models.labels import TAXONOMIES
from models.text import open_tokenizer, write_rules
from trainer.batches import MISSING, Batch, Encoded, collate, encode, grouped
from trainer.data import Example, parts, read_set, sample
from trainer.errors import DataError
from trainer.measure import Answer, questions, summary
from trainer.network import Adapter, Network, Outputs, build, load_lora, lora_matrices

SOURCES: dict[str, int] = {
    "twitter_fin_news_topic": 100_000,
    "twitter_fin_news_sentiment": 100_000,
    "sentfin": 100_000,
    "newsmtsc": 100_000,
    "hu_liu_product_reviews": 4_000,
    "liu_pros_cons": 4_000,
    "goemotions": 6_000,
}
"""The sets of the shipped release, and the most training rows taken of each."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, besides the data."""

    seed: int = 20
    epochs: int = 4
    batch: int = 64
    max_tokens: int = 96
    rate: float = 5e-4
    head_rate: float = 1e-3
    warmup: float = 0.05
    smoothing: float = 0.05
    entity_weight: float = 0.7
    gate_weight: float = 0.3
    topic_balance: float = 0.25
    minutes: float = 0.0
    adapter: Adapter = field(default_factory=Adapter)


class Prefix:
    """Activations after the frozen layers, one row of tokens after another, in bfloat16: 768 bytes a token."""

    def __init__(self, network: Network, encoded: Sequence[Encoded], layers: int, progress: Progress) -> None:
        self.starts = [0]
        for one in encoded:
            self.starts.append(self.starts[-1] + len(one.ids))
        hidden_size = int(network.encoder.config.hidden_size)
        self.flat = torch.empty(self.starts[-1], hidden_size, dtype=torch.bfloat16)
        batches = list(grouped([len(one.ids) for one in encoded], 128))
        task = progress.add_task("frozen layers", total=len(batches))
        network.eval()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for rows in batches:
                batch = collate(encoded, rows, ())
                hidden = network.transform(network.embed(batch.ids), batch.mask, 0, layers)
                for at, row in enumerate(rows):
                    first, last = self.starts[row], self.starts[row + 1]
                    self.flat[first:last] = hidden[at, : last - first]
                progress.advance(task)

    def of(self, batch: Batch) -> Tensor:
        """Activations [B, S, H] of the batch's rows, zero where there is padding."""
        hidden = torch.zeros(*batch.ids.shape, self.flat.shape[1], dtype=torch.bfloat16)
        for at, row in enumerate(batch.rows):
            first, last = self.starts[row], self.starts[row + 1]
            hidden[at, : last - first] = self.flat[first:last]
        return hidden


def class_weights(encoded: Sequence[Encoded], taxonomy: str, balance: float) -> Tensor:
    """Weights of the taxonomy's labels: frequency to the power of minus ``balance``, mean 1 over the rows."""
    counts = torch.ones(len(TAXONOMIES[taxonomy]))
    for one in encoded:
        for name, label in one.example.topics:
            counts[label] += float(name == taxonomy)
    weights = counts**-balance
    return weights * counts.sum() / (weights * counts).sum()


def loss_of(outputs: Outputs, batch: Batch, recipe: Recipe, weights: dict[str, Tensor]) -> Tensor:
    """The loss of one batch: each row counts the same, what is not labelled counts nothing."""
    rows = batch.ids.shape[0]
    total = torch.zeros(())
    for name, logits in outputs.topics.items():
        total = total + functional.cross_entropy(
            logits, batch.topics[name], weights[name], ignore_index=MISSING,
            label_smoothing=recipe.smoothing, reduction="sum",
        )  # fmt: skip
    for logits, chosen in ((outputs.price, batch.price > 0), (outputs.tone, batch.price == 0)):
        known = chosen & (batch.sentiment != MISSING)
        for polar in (False, True):
            picked = known & (batch.polar == polar)
            if not bool(picked.any()):
                continue
            shown = logits[picked][:, [0, 2]] if polar else logits[picked]
            target = batch.sentiment[picked] // (2 if polar else 1)
            total = total + functional.cross_entropy(shown, target, label_smoothing=recipe.smoothing, reduction="sum")
    total = total + recipe.gate_weight * functional.binary_cross_entropy_with_logits(
        outputs.gate[:, 0], batch.price, reduction="sum"
    )
    total = total + recipe.entity_weight * functional.cross_entropy(
        outputs.entities.flatten(0, 1), batch.entities.flatten(), ignore_index=MISSING,
        label_smoothing=recipe.smoothing, reduction="sum",
    )  # fmt: skip
    return total / rows


def answer(network: Network, encoded: Sequence[Encoded], size: int = 128) -> list[Answer]:
    """The network's logits over ``encoded``, in full precision, batch by batch: not in the order given."""
    network.eval()
    answers: list[Answer] = []
    with torch.inference_mode():
        for rows in grouped([len(one.ids) for one in encoded], size):
            batch = collate(encoded, rows, tuple(network.topics))
            said = network(batch.ids, batch.mask, batch.spans)
            topics = {name: logits.double().numpy() for name, logits in said.topics.items()}
            sentiment, toward = said.sentiment.double().numpy(), said.entities.double().numpy()
            heads = {"price": said.price.double().numpy(), "tone": said.tone.double().numpy()}
            for at, row in enumerate(rows):
                named = tuple(
                    None if span is None else toward[at, column] for column, span in enumerate(encoded[row].spans)
                )
                answers.append(
                    Answer(
                        encoded[row].example,
                        {name: logits[at] for name, logits in topics.items()},
                        sentiment[at],
                        named,
                        {name: logits[at] for name, logits in heads.items()},
                    )
                )
    return answers


def gather(root: Path, sources: dict[str, int], seed: int, fraction: float = 1.0) -> dict[str, list[Example]]:
    """Training rows (sampled) and all validation and test rows of ``sources``, each normalised text on one side."""
    gathered: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for name, most in sources.items():
        split = parts(read_set(root, name))
        gathered["train"] += sample(split["train"], int(min(most, len(split["train"])) * fraction), seed)
        gathered["validation"] += sample(split["validation"], 1_000, seed)
        gathered["test"] += sample(split["test"], 1_000, seed)
    return gathered


def run(
    data: Path,
    output: Path,
    *,
    sources: dict[str, int] | None = None,
    recipe: Recipe | None = None,
    fraction: float = 1.0,
    base: Path | None = None,
    start: Path | None = None,
) -> Path:
    """Train on the sets under ``data`` and write a checkpoint directory ``output``; returns it.

    ``start`` is an earlier checkpoint to go on from, its adapter of the same shape.

    The checkpoint holds ``adapter.safetensors``, ``heads.safetensors``, ``tokenizer.json``, ``recipe.json``
    and ``log.jsonl`` (a line per 50 steps and per epoch). ``recipe.minutes`` bounds the wall-clock time:
    the learning rate then falls with the time spent where that is further on than the steps.

    Raises:
        DataError: a set is missing or unusable.
        BaseEncoderError: the base encoder is not on this machine.
    """
    recipe = recipe or Recipe()
    sources = sources or SOURCES
    base = base or find_base()
    output.mkdir(parents=True, exist_ok=True)
    tokenizer_file = output / "tokenizer.json"
    write_rules(base / "tokenizer.json", tokenizer_file)
    tokenizer = open_tokenizer(tokenizer_file)
    rows = gather(data, sources, recipe.seed, fraction)
    if not rows["train"]:
        raise DataError("no training rows: name at least one set")
    encoded = {part: encode(examples, tokenizer, recipe.max_tokens) for part, examples in rows.items()}
    taxonomies = {name: len(labels) for name, labels in TAXONOMIES.items()}
    network = build(base, taxonomies, recipe.adapter, seed=recipe.seed)
    if start is not None:
        load_lora(network, {name: value.float() for name, value in load_file(start / "adapter.safetensors").items()})
        network.load_state_dict(load_file(start / "heads.safetensors"), strict=False)
    (output / "recipe.json").write_text(
        json.dumps(
            {
                "recipe": asdict(recipe),
                "sources": sources,
                "rows": {part: len(some) for part, some in rows.items()},
                "after": json.loads((start / "recipe.json").read_text(encoding="utf-8")) if start else None,
            },
            indent=2,
        )
    )
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), refresh_per_second=1,
    ) as progress, (output / "log.jsonl").open("w", encoding="utf-8") as log:  # fmt: skip
        _train(network, encoded, recipe, output, progress, log)
    return output


def _train(
    network: Network,
    encoded: dict[str, list[Encoded]],
    recipe: Recipe,
    output: Path,
    progress: Progress,
    log: TextIO,
) -> None:
    train = encoded["train"]
    lengths = [len(one.ids) for one in train]
    frozen = recipe.adapter.frozen_layers
    prefix = Prefix(network, train, frozen, progress)
    weights = {name: class_weights(train, name, recipe.topic_balance) for name in network.topics}
    matrices = [value for name, value in network.named_parameters() if "lora_" in name]
    heads = [value for name, value in network.named_parameters() if not name.startswith("encoder.")]
    trained = matrices + heads
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "lr": recipe.rate}, {"params": heads, "lr": recipe.head_rate}], weight_decay=0.01
    )
    peaks = (recipe.rate, recipe.head_rate)
    order = random.Random(recipe.seed)  # noqa: S311 - no secret
    torch.manual_seed(recipe.seed)
    steps = recipe.epochs * -(-len(train) // recipe.batch)
    task = progress.add_task("training", total=steps)
    began, step, best, done = time.monotonic(), 0, -1.0, False
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        running, seen = 0.0, 0
        for rows in grouped(lengths, recipe.batch, order):
            spent = (time.monotonic() - began) / 60
            part = max(step / steps, spent / recipe.minutes if recipe.minutes else 0.0)
            if part >= 1.0:
                done = True
                break
            scale = min(part / recipe.warmup, (1 - part) / (1 - recipe.warmup))
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * max(scale, 0.01)
            batch = collate(train, rows, tuple(network.topics))
            with torch.autocast("cpu", torch.bfloat16):
                hidden = network.transform(prefix.of(batch), batch.mask, frozen)
            loss = loss_of(network.read(hidden, batch.mask, batch.spans), batch, recipe, weights)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            step += 1
            running, seen = running + float(loss.detach()), seen + 1
            progress.update(task, advance=1, description=f"epoch {epoch} loss {running / seen:.3f}")
            if step % 50 == 0:
                _note(log, step=step, epoch=epoch, loss=round(running / seen, 4), part=round(part, 4), minutes=spent)
        report = summary(questions(answer(network, encoded["validation"])))
        _note(log, step=step, epoch=epoch, validation=report, minutes=(time.monotonic() - began) / 60)
        if report["score"] > best:
            best = report["score"]
            save(network, output)
        if done:
            break


def _note(log: TextIO, **line: Any) -> None:
    log.write(json.dumps(line) + "\n")
    log.flush()


def save(network: Network, output: Path) -> None:
    """Write adapter and heads in half precision: what is shipped is what is measured and exported."""
    for name, tensors in (("adapter", lora_matrices(network)), ("heads", network.heads())):
        halved = {key: value.detach().to(torch.float16).contiguous() for key, value in tensors.items()}
        partial = output / f".{name}.safetensors"
        save_file(halved, partial)
        partial.replace(output / f"{name}.safetensors")
