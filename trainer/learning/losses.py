"""What an update is pulled by: labels, the champion's answers where there is no label, and remembered logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from trainer.batches import MISSING, Batch
from trainer.losses import sentiment_losses
from trainer.network import Outputs


def label_loss(said: Outputs, batch: Batch, smoothing: float) -> Tensor:
    """Summed cross entropy of every label: the sentiment as it is served, topics, entities."""
    total = torch.zeros(())
    for name, logits in said.topics.items():
        total = total + functional.cross_entropy(
            logits, batch.topics[name], ignore_index=MISSING, label_smoothing=smoothing, reduction="sum"
        )
    degrees = batch.soft.sum(1) > 0
    for _, each in sentiment_losses(said.sentiment, batch, (batch.sentiment != MISSING) & ~degrees, smoothing):
        total = total + each.sum()
    if bool(degrees.any()):
        total = total - (batch.soft[degrees] * torch.log_softmax(said.sentiment[degrees], 1)).sum()
    return total + functional.cross_entropy(
        said.entities.flatten(0, 1)[: batch.entities.numel()], batch.entities.flatten(),
        ignore_index=MISSING, label_smoothing=smoothing, reduction="sum",
    )  # fmt: skip


def teacher_loss(said: Outputs, batch: Batch, teacher: Mapping[str, Tensor]) -> Tensor:
    """Summed divergence from the ``teacher``'s answers, of each head on the rows that have no label for it."""
    unlabelled = {f"topic:{name}": batch.topics[name] == MISSING for name in said.topics}
    unlabelled |= {"sentiment": batch.sentiment == MISSING, "entities": (batch.entities == MISSING).all(1)}
    logits = {f"topic:{name}": table for name, table in said.topics.items()}
    logits |= {"sentiment": said.sentiment, "entities": said.entities[:, 0]}
    total = torch.zeros(())
    for head, rows in unlabelled.items():
        if bool(rows.any()):
            target = torch.softmax(teacher[head][rows], 1)
            total = total + functional.kl_div(torch.log_softmax(logits[head][rows], 1), target, reduction="sum")
    return total


def stored_loss(said: Outputs, stored: Sequence[tuple[float, ...] | None]) -> Tensor:
    """Summed mean squared distance of the sentiment's logits from those that were stored."""
    rows = [row for row, logits in enumerate(stored) if logits is not None]
    if not rows:
        return torch.zeros(())
    target = torch.tensor([stored[row] for row in rows])
    return (said.sentiment[rows] - target).square().mean(1).sum()
