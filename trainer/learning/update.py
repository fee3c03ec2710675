"""One update: the champion learns new rows and keeps what it knew.

A fresh adapter on the champion's dense weights; each step takes as many remembered rows as new ones. A row's labels
teach; where a head has no label for it, the champion's own answer does (distillation), and a remembered row also
holds the sentiment's logits to those of the champion that learnt it. The weights are drawn to the champion's. What
comes out is the moving mean of the weights, folded, and of the way from the champion to it as much as held-back
rows ask for and spared texts allow, which may be none at all.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.assembly import fold
from models.text import open_tokenizer
from trainer.batches import Encoded, collate, grouped
from trainer.data import Example
from trainer.errors import DataError
from trainer.gate.behaviour import MOST_LOST, lost, shares
from trainer.learning.desk import Desk, Lessons, Model, Rates, passes, teaches
from trainer.learning.losses import label_loss, stored_loss, teacher_loss
from trainer.learning.replay import Remembered
from trainer.learning.taking import ALPHAS, Taken, loss_of, refitted, taken
from trainer.measure import Answer
from trainer.network import lora_matrices
from trainer.refill import ENCODER

MOST_SPOILT = 0.8 * MOST_LOST
"""The share of a kind of spared texts that an update may lose: less than the gate allows, for rounding costs some."""


@dataclass(frozen=True)
class Updated:
    """What came of it. ``alpha`` 0 means that nothing was learnt that helped, and ``model`` is the champion's.

    ``remember`` are the new rows, held-back ones too, with what the new model says of them.
    """

    model: Model
    alpha: float
    figures: dict[str, Any]
    remember: list[Remembered]


def update(
    champion: Model,
    new: Sequence[Example],
    memory: Sequence[Remembered],
    *,
    base: Path,
    tokenizer: Path,
    unlabelled: Sequence[str] = (),
    spared: Sequence[Example] = (),
    rates: Rates | None = None,
) -> Updated:
    """Learn ``new`` rows on top of ``champion`` while rehearsing ``memory``.

    ``unlabelled`` are texts of late, on which only the champion teaches. Of ``spared`` texts, which are not learnt
    (their sources name kind and form: :func:`trainer.gate.behaviour.cases`), no kind may lose more than
    :data:`MOST_SPOILT`. ``tokenizer`` is the release's file.

    Raises:
        DataError: no new row can be trained on.
    """
    rates = rates or Rates()
    desk = Desk(champion, open_tokenizer(tokenizer), base, rates)
    lessons = desk.lessons(new, memory, unlabelled)
    if not lessons.new:
        raise DataError("no new row has a label and is for training")
    began = time.monotonic()
    trained = _Training(desk, lessons, rates)
    log = trained.go()
    part = Taken(1.0) if rates.plain else trained.sweep(spared)
    model = champion if part.alpha == 0 else trained.model(part.alpha)
    figures = {
        "new": len(lessons.new), "held": len(lessons.held_new) + len(lessons.held_known),
        "rehearsed": len(lessons.rehearsed), "steps": log["steps"], "epochs": log["losses"],
        **part.as_row(), "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    return Updated(model, part.alpha, figures, trained.remember(new, part.alpha))


class _Training:
    def __init__(self, desk: Desk, lessons: Lessons, rates: Rates) -> None:
        self.desk, self.lessons, self.rates = desk, lessons, rates
        network = desk.network
        self.trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
        self.start = {name: value.detach().clone() for name, value in self.trained.items()}
        self.mean = {name: value.detach().clone() for name, value in self.trained.items()}
        adapter = [value for name, value in self.trained.items() if "lora_" in name]
        heads = [value for name, value in self.trained.items() if "lora_" not in name]
        self.optimiser = torch.optim.AdamW(
            [{"params": adapter, "lr": rates.rate}, {"params": heads, "lr": rates.head_rate}], weight_decay=0.0
        )
        taught = [] if rates.plain else [*lessons.new, *lessons.rehearsed]
        self.teacher = [logits for _, logits in desk.answers(taught)]
        self.epochs = rates.epochs or passes(len(lessons.new))
        self.steps = self.epochs * -(-len(lessons.new) // rates.rows)

    def go(self) -> dict[str, Any]:
        """Train; the moving mean of the weights (with ``plain``, the weights) is what counts in the end."""
        rates, began = self.rates, time.monotonic()
        losses: list[float] = []
        best, kept, stale, step = float("inf"), self._copy(), 0, 0
        with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for epoch in range(self.epochs):
                for new, old in self._batches(epoch):
                    self._step(step, new, old, pool)
                    step += 1
                    if time.monotonic() - began > rates.seconds:
                        break
                if rates.plain:
                    continue
                losses.append(round(self._judged(self.mean), 4))
                if losses[-1] < best - rates.least_gain:
                    best, kept, stale = losses[-1], self._copy(self.mean), 0
                else:
                    stale += 1
                if stale >= rates.patience or time.monotonic() - began > rates.seconds:
                    break
        self.mean = self._copy() if rates.plain else kept
        return {"steps": step, "losses": losses}

    def _batches(self, epoch: int) -> Iterator[tuple[list[int], list[int]]]:
        """New rows, each once an epoch, and beside them as many rehearsed ones in an order of their own."""
        lessons, rates = self.lessons, self.rates
        draw = random.Random(f"{rates.seed} {epoch}")  # noqa: S311 - no secret
        new = list(grouped([len(one.ids) for one in lessons.new], rates.rows, draw))
        lengths = [len(one.ids) for one in lessons.rehearsed]
        old: list[list[int]] = []
        while lengths and not rates.plain and len(old) < len(new):
            old += grouped(lengths, rates.rows, draw)
        yield from zip(new, [*old, *([[]] * len(new))], strict=False)

    def _step(self, step: int, new: list[int], old: list[int], pool: ThreadPoolExecutor) -> None:
        rates = self.rates
        left = (self.steps - step) / self.steps
        for group, peak in zip(self.optimiser.param_groups, (rates.rate, rates.head_rate), strict=True):
            group["lr"] = peak * max(0.05, min((step + 1) / rates.warmup, left))
        # Two threads: new rows and rehearsed ones, or two halves of the new.
        parts = [(new, True), (old, False)] if old else [(new[::2], True), (new[1::2], True)]
        count = len(new) + len(old)
        work = [pool.submit(self._gradients, rows, fresh, 2 * step + at, count)
                for at, (rows, fresh) in enumerate(parts) if rows]  # fmt: skip
        found = [future.result() for future in work]
        pull = [] if rates.plain else self._anchor()
        for index, value in enumerate(self.trained.values()):
            value.grad = torch.stack([some[index] for some in (*found, *([pull] if pull else []))]).sum(0)
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), 1.0)
        self.optimiser.step()
        decay = min(rates.mean, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in self.trained.items():
                self.mean[name].lerp_(value, 1 - decay)

    def _gradients(self, rows: list[int], fresh: bool, seed: int, count: int) -> list[Tensor]:
        rates = self.rates
        pool = self.lessons.new if fresh else self.lessons.rehearsed
        batch = collate(pool, rows, tuple(self.desk.network.topics))
        said = self.desk.say(batch, torch.Generator().manual_seed(rates.seed * 7_919 + seed))
        loss = label_loss(said, batch, rates.smoothing)
        if not rates.plain:
            offset = 0 if fresh else len(self.lessons.new)
            teacher = {head: torch.stack([self.teacher[offset + row][head] for row in rows])
                       for head in self.teacher[0]}  # fmt: skip
            loss = loss + rates.teacher * teacher_loss(said, batch, teacher)
            if not fresh:
                loss = loss + rates.stored * stored_loss(said, [self.lessons.stored[row] for row in rows])
        return self._slope(loss / count)

    def _anchor(self) -> list[Tensor]:
        """Gradients of the squared distance of the merged weights from the champion's."""
        scale = self.rates.adapter.scale
        loss = torch.zeros(())
        for name, value in self.trained.items():
            if name.endswith("lora_A.default.weight"):
                up = self.trained[name.replace("lora_A", "lora_B")]
                # |B A|^2 is the trace of (B'B)(A A'): nothing of the size of a weight is ever formed.
                loss = loss + scale**2 * ((up.t() @ up) * (value @ value.t())).sum()
            elif "lora_" not in name:
                loss = loss + (value - self.start[name]).square().sum()
        return self._slope(self.rates.anchor * loss)

    def _slope(self, loss: Tensor) -> list[Tensor]:
        """Gradients of ``loss``, zeros where it does not depend on a weight."""
        return list(torch.autograd.grad(loss, list(self.trained.values()), materialize_grads=True))

    def _copy(self, weights: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in (weights or self.trained).items()}

    def _put(self, weights: dict[str, Tensor], alpha: float = 1.0) -> None:
        """Let the network be this part of the way: the adapter's second factor carries it, and the heads."""
        with torch.no_grad():
            for name, value in self.trained.items():
                if "lora_A" in name:
                    value.copy_(weights[name])
                elif "lora_B" in name:
                    value.copy_(alpha * weights[name])
                else:
                    value.copy_(torch.lerp(self.start[name], weights[name], alpha))

    def _judged(self, weights: dict[str, Tensor]) -> float:
        """The log loss of ``weights`` on the held-back rows; the weights in training stay as they are."""
        now = self._copy()
        self._put(weights)
        loss = self._loss()
        self._put(now)
        return loss

    def _loss(self) -> float:
        """The log loss of the network, as it stands, on the held-back rows; 0 without any."""
        new, known = (self._asked(rows) for rows in (self.lessons.held_new, self.lessons.held_known))
        champion = self.desk.champion
        return loss_of(new, known, champion.temperatures, champion.taxonomies)

    def _asked(self, rows: Sequence[Encoded]) -> list[Answer]:
        return [answer for answer, _ in self.desk.answers(rows)]

    def sweep(self, spared: Sequence[Example]) -> Taken:
        """The part of the way that held-back rows ask for and the spared texts allow."""
        losses: dict[float, float] = {}
        for alpha in ALPHAS:
            self._put(self.mean, alpha)
            losses[alpha] = self._loss()
        written = self.desk.encoded(spared)
        before = self._behaves(written, 0.0)
        return taken(
            losses, self.rates.least_gain, lambda part: lost(before, self._behaves(written, part), MOST_SPOILT)
        )

    def _behaves(self, written: Sequence[Encoded], alpha: float) -> dict[str, list[float]]:
        """The share of the spared texts of each kind and form that this part of the way gets right."""
        self._put(self.mean, alpha)
        return shares(self._asked(written))

    def model(self, alpha: float) -> Model:
        """The champion's weights with ``alpha`` of the adapter folded in, and temperatures fitted anew."""
        self._put(self.mean, alpha)
        champion = self.desk.champion
        adapter = {name: value.detach().numpy() for name, value in lora_matrices(self.desk.network).items()}
        encoder = {n.removeprefix(ENCODER): v for n, v in champion.weights.items() if n.startswith(ENCODER)}
        folded = fold(encoder, adapter, self.rates.adapter.scale)
        heads = {name: value.detach().numpy().copy() for name, value in self.desk.network.heads().items()}
        weights = {**{f"{ENCODER}{name}": value for name, value in folded.items()}, **heads}
        held = self._asked([*self.lessons.held_new, *self.lessons.held_known])
        temperatures = refitted(held, champion.temperatures, champion.taxonomies)
        return Model(weights, temperatures, champion.taxonomies)

    def remember(self, new: Sequence[Example], alpha: float) -> list[Remembered]:
        """The new rows with what the new model says of them."""
        self._put(self.mean, alpha)
        some = [example for example in new if teaches(example)]
        said = self.desk.answers(self.desk.encoded(some))
        return [
            Remembered(
                example,
                {"sentiment": tuple(round(float(value), 4) for value in logits["sentiment"])},
                _surprise(example, logits["sentiment"]),
            )
            for example, (_, logits) in zip(some, said, strict=True)
        ]


def _surprise(example: Example, logits: Tensor) -> float:
    if example.sentiment is None:
        return 0.0
    return round(float(-torch.log_softmax(logits.float(), 0)[example.sentiment]), 4)
