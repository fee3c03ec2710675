"""One loss over every kind of label: what a row does not know costs it nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from models.labels import TAXONOMIES
from trainer.batches import MISSING, Batch, Encoded
from trainer.network import Outputs
from trainer.recipe import Recipe

SHARED = 0.6
"""Weight in either sentiment head of a row that teaches both."""
GATE_SMOOTHING = 0.05
"""The gate is not asked to be surer than this of where a text comes from: unseen kinds lie between."""


def class_weights(encoded: Sequence[Encoded], taxonomy: str, balance: float) -> Tensor:
    """Weights of the taxonomy's labels: frequency to the power of minus ``balance``, mean 1 over the rows."""
    counts = torch.ones(len(TAXONOMIES[taxonomy]))
    for one in encoded:
        for name, label in one.example.topics:
            if name == taxonomy:
                counts[label] += 1
    weights = counts**-balance
    return weights * counts.sum() / (weights * counts).sum()


def sentiment_losses(logits: Tensor, batch: Batch, told: Tensor, smoothing: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Cross entropy of ``logits`` [rows, 3] on the rows ``told`` [rows]: which rows, and the loss of each.

    Rows of two-class sets choose between the poles only.
    """
    for polar in (False, True):
        picked = told & (batch.polar == polar)
        if bool(picked.any()):
            shown = logits[picked][:, [0, 2]] if polar else logits[picked]
            target = batch.sentiment[picked] // (2 if polar else 1)
            yield picked, functional.cross_entropy(shown, target, label_smoothing=smoothing, reduction="none")


def untold(batch: Batch) -> tuple[Tensor, Tensor]:
    """Which finance texts [rows] have no sentiment, and which no finance topic.

    A headline that is good for one company and bad for another has no sentiment that could be guessed.
    """
    sentiment = (batch.sentiment == MISSING) & (batch.price == 1)
    return sentiment, (batch.topics["finance"] == MISSING) & (batch.price > 0)


def teacher_loss(outputs: Outputs, said: Outputs, batch: Batch, recipe: Recipe) -> Tensor:
    """The summed divergence from what a teacher ``said`` of finance texts, in heads for which they have no label."""

    def apart(mine: Tensor, theirs: Tensor) -> Tensor:
        return functional.kl_div(torch.log_softmax(mine, 1), torch.softmax(theirs, 1), reduction="sum")

    sentiment, topic = untold(batch)
    price = apart(outputs.price[sentiment], said.price[sentiment])
    served = apart(outputs.sentiment[sentiment], said.sentiment[sentiment])
    topics = apart(outputs.topics["finance"][topic], said.topics["finance"][topic])
    return recipe.teacher * (price + recipe.served_weight * served + topics)


def loss_of(outputs: Outputs, batch: Batch, recipe: Recipe, weights: dict[str, Tensor]) -> Tensor:
    """The summed loss of a batch's rows."""
    total = torch.zeros(())
    for name, logits in outputs.topics.items():
        total = total + functional.cross_entropy(
            logits, batch.topics[name], weights[name], ignore_index=MISSING,
            label_smoothing=recipe.smoothing, reduction="sum",
        )  # fmt: skip
    known = batch.sentiment != MISSING
    shared = torch.where(batch.price == 0.5, SHARED, 1.0)
    for logits, told, weight in (
        (outputs.price, known & (batch.price > 0), shared),
        (outputs.tone, known & (batch.price < 1), shared),
        (outputs.sentiment, known, torch.full_like(shared, recipe.served_weight)),
    ):
        for picked, each in sentiment_losses(logits, batch, told, recipe.smoothing):
            total = total + (each * weight[picked]).sum()
    sided = batch.price != 0.5
    target = batch.price.clamp(GATE_SMOOTHING, 1 - GATE_SMOOTHING)
    guess = functional.binary_cross_entropy_with_logits(outputs.gate[:, 0], target, reduction="none")
    total = total + recipe.gate_weight * (guess * sided).sum()
    return total + recipe.entity_weight * functional.cross_entropy(
        outputs.entities.flatten(0, 1), batch.entities.flatten(), ignore_index=MISSING,
        label_smoothing=recipe.smoothing, reduction="sum",
    )  # fmt: skip
