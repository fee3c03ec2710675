"""Fine-tune: LoRA on the encoder, the heads in full, one masked loss over every kind of label.

Every random decision of a step (which rows, which values are dropped) follows from the seed and the number
of the step, and the halves of a batch are always summed in the same order. So a training that was killed goes
on from its checkpoint to the very weights it would have reached, on the same machine.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.base import find_base
from models.labels import TAXONOMIES
from models.text import open_tokenizer, write_rules
from trainer.batches import Batch, Encoded, Hiding, collate, encode, grouped
from trainer.errors import DataError
from trainer.losses import class_weights, loss_of, teacher_loss, untold
from trainer.measure import Answer, questions, summary
from trainer.network import Network, Outputs, build, load_lora, lora_matrices
from trainer.passes import TrainingPass
from trainer.progress import Position, read_position, write_position
from trainer.recipe import Recipe, chosen, gather, identity, taught

LOGGED = 50
"""Steps between two lines of the log."""
JUDGED = 400
"""Validation rows of each source that are judged after an epoch, at most."""


def answer(network: Network, encoded: Sequence[Encoded], size: int = 128) -> list[Answer]:
    """The network's logits over ``encoded``, in full precision, batch by batch: not in the order given."""
    network.eval()
    answers: list[Answer] = []
    with torch.inference_mode():
        for rows in grouped([len(one.ids) for one in encoded], size):
            batch = collate(encoded, rows, tuple(network.topics))
            answers += _answers(encoded, rows, network(batch.ids, batch.mask, batch.spans))
    return answers


def _answers(encoded: Sequence[Encoded], rows: Sequence[int], said: Any) -> list[Answer]:
    topics = {name: logits.double().numpy() for name, logits in said.topics.items()}
    sentiment, toward = said.sentiment.double().numpy(), said.entities.double().numpy()
    heads = {"price": said.price.double().numpy(), "tone": said.tone.double().numpy()}
    return [
        Answer(
            encoded[row].example,
            {name: logits[at] for name, logits in topics.items()},
            sentiment[at],
            tuple(None if span is None else toward[at, column] for column, span in enumerate(encoded[row].spans)),
            {name: logits[at] for name, logits in heads.items()},
        )
        for at, row in enumerate(rows)
    ]


def run(
    data: Path,
    output: Path,
    *,
    recipe: Recipe | None = None,
    fraction: float = 1.0,
    base: Path | None = None,
    start: Path | None = None,
    stop_after: int | None = None,
) -> Path:
    """Train on the sets under ``data`` and write a checkpoint directory ``output``; returns it.

    ``start`` is an earlier checkpoint to go on from, its adapter of the same shape. Where ``output`` holds an
    unfinished run of the same recipe and data, that one goes on. ``stop_after`` steps the run is left
    unfinished.

    The checkpoint holds ``adapter.safetensors``, ``heads.safetensors`` (the best epoch's), ``tokenizer.json``,
    ``recipe.json``, ``log.jsonl`` (a line per 50 steps and per epoch) and, until it is finished,
    ``position.safetensors``, from which it goes on. A directory ``epoch-N`` holds the weights of an epoch that the
    recipe keeps.

    Raises:
        DataError: a set is missing or unusable, or ``output`` holds another run.
        BaseEncoderError: the base encoder is not on this machine.
    """
    recipe = recipe or Recipe()
    base = base or find_base()
    output.mkdir(parents=True, exist_ok=True)
    tokenizer_file = output / "tokenizer.json"
    write_rules(base / "tokenizer.json", tokenizer_file)
    tokenizer = open_tokenizer(tokenizer_file)
    rows = gather(data, recipe, fraction)
    if not rows["train"]:
        raise DataError("no training rows: name at least one set")
    encoded = {part: encode(examples, tokenizer, recipe.max_tokens) for part, examples in rows.items()}
    labels = recipe.taxonomies or taught(rows["train"])
    network, teacher = _begun(base, labels, recipe, start)
    told = {
        "recipe": asdict(recipe),
        "taxonomies": labels,
        "rows": {part: len(some) for part, some in rows.items()},
        "after": json.loads((start / "recipe.json").read_text(encoding="utf-8")) if start else None,
        "identity": identity(recipe, rows),
    }
    recipe_file = output / "recipe.json"
    if (output / "position.safetensors").is_file():
        before = json.loads(recipe_file.read_text(encoding="utf-8"))
        if before["identity"] != told["identity"]:
            raise DataError(f"{output} holds an unfinished run of another recipe or other data: name another directory")
    recipe_file.write_text(json.dumps(told, indent=2), encoding="utf-8")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), refresh_per_second=1,
    ) as progress:  # fmt: skip
        Training(network, encoded, recipe, output, tokenizer.token_to_id("[MASK]"), teacher).go(progress, stop_after)
    return output


def _begun(base: Path, labels: Sequence[str], recipe: Recipe, start: Path | None) -> tuple[Network, Network | None]:
    """The network to train and, where the recipe asks for it, the teacher: both as ``start`` left them."""
    if recipe.teacher and (start is None or "finance" not in labels):
        raise DataError("a recipe with a teacher needs finance texts, and weights to begin with that know their topics")

    def network() -> Network:
        made = build(base, {name: len(TAXONOMIES[name]) for name in labels}, recipe.adapter, seed=recipe.seed)
        if start is not None:
            load_lora(made, {name: value.float() for name, value in load_file(start / "adapter.safetensors").items()})
            made.load_state_dict(load_file(start / "heads.safetensors"), strict=False)
        return made

    return network(), network().requires_grad_(False) if recipe.teacher else None


class Training:
    """One run: the network, its optimiser, and where it stands."""

    def __init__(
        self,
        network: Network,
        encoded: dict[str, list[Encoded]],
        recipe: Recipe,
        output: Path,
        mask: int | None,
        teacher: Network | None = None,
    ) -> None:
        self.network, self.recipe, self.output, self.mask = network, recipe, output, mask
        self.rows = encoded["train"]
        self.judged = _some_of_each(encoded["validation"])
        self.weights = {name: class_weights(self.rows, name, recipe.topic_balance) for name in network.topics}
        self.encoder = TrainingPass(network, recipe.adapter.scale)
        self.teacher = None if teacher is None else (teacher, TrainingPass(teacher, recipe.adapter.scale))
        self.trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
        matrices = [value for name, value in self.trained.items() if "lora_" in name]
        heads = [value for name, value in self.trained.items() if "lora_" not in name]
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "lr": recipe.rate}, {"params": heads, "lr": recipe.head_rate}], weight_decay=0.01
        )
        # Rows of a source are drawn anew for each epoch, so the steps of an epoch are the same in number.
        self.epoch_steps = len(self.batches_of(0))
        self.steps = recipe.epochs * self.epoch_steps
        self.position = Position()

    def batches_of(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch, counted from 0: rows of the training list."""
        rows = chosen([one.example.source for one in self.rows], self.recipe, epoch)
        order = random.Random(f"{self.recipe.seed}-{epoch}")  # noqa: S311 - no secret
        lengths = [len(self.rows[row].ids) for row in rows]
        return [[rows[at] for at in batch] for batch in grouped(lengths, self.recipe.batch, order)]

    def go(self, progress: Progress, stop_after: int | None) -> None:
        """Train to the end, or for ``stop_after`` steps of this call."""
        self.position = read_position(self.output, self.trained, self.optimiser)
        task = progress.add_task("training", total=self.steps, completed=self.position.step)
        first, saved, epoch, batches = self.position.step, time.monotonic(), -1, []
        last = self.steps if stop_after is None else min(self.steps, first + stop_after)
        with ThreadPoolExecutor(self.recipe.halves, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            while self.position.step < last and self.position.stale < self.recipe.patience:
                step = self.position.step
                if step // self.epoch_steps != epoch:
                    epoch = step // self.epoch_steps
                    batches = self.batches_of(epoch)
                begun = time.monotonic()
                loss = self._step(step, batches[step % self.epoch_steps], pool)
                self.position.advance(loss, time.monotonic() - begun)
                progress.update(task, advance=1, description=f"epoch {epoch + 1} loss {self.position.loss:.3f}")
                if (step + 1) % LOGGED == 0:
                    self._note(epoch=epoch + 1, loss=round(self.position.loss, 4))
                if (step + 1) % self.epoch_steps == 0:
                    self._judge(epoch + 1, pool)
                if time.monotonic() - saved > self.recipe.checkpoint_seconds or self.position.step == last:
                    write_position(self.output, self.position, self.trained, self.optimiser)
                    saved = time.monotonic()
        if self.position.step == self.steps or self.position.stale >= self.recipe.patience:
            (self.output / "position.safetensors").unlink(missing_ok=True)

    def _step(self, step: int, rows: list[int], pool: ThreadPoolExecutor) -> float:
        left = (1 - step / self.steps) / self.recipe.decay
        scale = min(1.0, left, (step + 1) / max(1, min(self.recipe.warmup, self.steps // 4)))
        for group, peak in zip(self.optimiser.param_groups, (self.recipe.rate, self.recipe.head_rate), strict=True):
            group["lr"] = peak * max(scale, 0.01)
        halves = [rows[at :: self.recipe.halves] for at in range(self.recipe.halves)]
        work = [
            pool.submit(self._gradients, half, 1_000_003 * step + at, len(rows))
            for at, half in enumerate(halves)
            if half
        ]
        done = [future.result() for future in work]
        for index, value in enumerate(self.trained.values()):
            value.grad = torch.stack([gradients[index] for _, gradients in done]).sum(0)
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), 1.0)
        self.optimiser.step()
        return sum(loss for loss, _ in done)

    def _gradients(self, rows: list[int], seed: int, count: int) -> tuple[float, list[Tensor]]:
        """Loss and gradients of some rows of a batch of ``count``."""
        generator = torch.Generator().manual_seed(self.recipe.seed * 7_919 + seed)
        draw = random.Random(f"{self.recipe.seed}-{seed}")  # noqa: S311 - no secret
        hide = None if self.mask is None else Hiding(self.recipe.hide, self.mask, draw)
        batch = collate(self.rows, rows, tuple(self.network.topics), hide=hide)
        hidden = self.encoder.hidden(batch.ids, batch.mask, generator)
        outputs = self.network.read(hidden, batch.mask, batch.spans)
        loss = (loss_of(outputs, batch, self.recipe, self.weights) + self._taught(outputs, batch)) / count
        found = torch.autograd.grad(loss, list(self.trained.values()), allow_unused=True)
        gradients = [
            torch.zeros_like(value) if grad is None else grad
            for value, grad in zip(self.trained.values(), found, strict=True)
        ]
        return float(loss.detach()), gradients

    def _taught(self, outputs: Outputs, batch: Batch) -> Tensor | float:
        """What the teacher adds to the loss; it is asked only where it is needed."""
        if self.teacher is None or not any(bool(rows.any()) for rows in untold(batch)):
            return 0.0
        network, encoder = self.teacher
        with torch.no_grad():
            said = network.read(encoder.hidden(batch.ids, batch.mask, None), batch.mask, batch.spans)
        return teacher_loss(outputs, said, batch, self.recipe)

    def _judge(self, epoch: int, pool: ThreadPoolExecutor) -> None:
        """Figures over a part of the validation rows; the best epoch's weights are kept."""
        taxonomies = tuple(self.network.topics)

        def ask(rows: list[int]) -> list[Answer]:
            with torch.inference_mode():
                batch = collate(self.judged, rows, taxonomies)
                hidden = self.encoder.hidden(batch.ids, batch.mask, None)
                return _answers(self.judged, rows, self.network.read(hidden, batch.mask, batch.spans))

        batches = grouped([len(one.ids) for one in self.judged], 64)
        report = summary(questions(one for some in pool.map(ask, batches) for one in some))
        self._note(epoch=epoch, validation=report)
        if epoch in self.recipe.kept:
            save(self.network, self.output / f"epoch-{epoch}")
        if report["score"] > self.position.best:
            self.position.best, self.position.stale = report["score"], 0
            save(self.network, self.output)
        else:
            self.position.stale += 1

    def _note(self, **line: Any) -> None:
        told = {"step": self.position.step, "of": self.steps, "minutes": round(self.position.seconds / 60, 2), **line}
        with (self.output / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")


def _some_of_each(encoded: Sequence[Encoded]) -> list[Encoded]:
    kept: dict[str, list[Encoded]] = {}
    for one in encoded:
        kept.setdefault(one.example.source, []).append(one)
    # Spread over each set: some are sorted by label.
    return [one for some in kept.values() for one in some[:: -(-len(some) // JUDGED)]]


def save(network: Network, output: Path) -> None:
    """Write adapter and heads in half precision: what is shipped is what is measured and exported."""
    output.mkdir(parents=True, exist_ok=True)
    for name, tensors in (("adapter", lora_matrices(network)), ("heads", network.heads())):
        halved = {key: value.detach().to(torch.float16).contiguous() for key, value in tensors.items()}
        partial = output / f".{name}.{os.getpid()}"
        save_file(halved, partial)
        partial.replace(output / f"{name}.safetensors")
