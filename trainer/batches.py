"""Examples as token ids, grouped by length into batches of tensors."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.text import padded, tokens_of_span
from trainer.data import Example

MISSING = -100
"""Label of what is not known; the loss leaves it out."""
PRICE = {"price": 1.0, "both": 0.5, "tone": 0.0}


@dataclass(frozen=True)
class Hiding:
    """Which share of the rows has its entities masked, by which token, and what draws them."""

    share: float
    token: int
    draw: random.Random


@dataclass(frozen=True)
class Encoded:
    """An example as tokens; ``spans`` are its entities as half-open token ranges, ``None`` where cut off."""

    example: Example
    ids: tuple[int, ...]
    spans: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class Batch:
    """B rows of S tokens. Labels that are not known are :data:`MISSING`.

    ``rows`` are positions in the encoded list; ``price`` is 1 where sentiment means the direction of a
    price, 0 where it means tone and one half where both; ``polar`` is true where neutral is masked. ``soft`` [B, 3]
    is the sentiment by degrees, times what the row counts, where the label has degrees, and else 0.
    """

    rows: tuple[int, ...]
    ids: Tensor
    mask: Tensor
    spans: Tensor
    topics: dict[str, Tensor]
    sentiment: Tensor
    price: Tensor
    polar: Tensor
    entities: Tensor
    soft: Tensor


def encode(examples: Sequence[Example], tokenizer: Tokenizer, max_tokens: int) -> list[Encoded]:
    """Tokenise; a longer text is cut to ``max_tokens`` and keeps its closing token, as in serving."""
    encoded: list[Encoded] = []
    for example, tokens in zip(examples, tokenizer.encode_batch([row.text for row in examples]), strict=True):
        ids = tuple(tokens.ids)
        if len(ids) > max_tokens:
            ids = (*ids[: max_tokens - 1], ids[-1])
        spans = (tokens_of_span(tokens.offsets, named.start, named.end, len(ids) - 1) for named in example.entities)
        encoded.append(Encoded(example, ids, tuple(spans)))
    return encoded


def collate(
    encoded: Sequence[Encoded],
    rows: Sequence[int],
    taxonomies: Sequence[str],
    *,
    hide: Hiding | None = None,
) -> Batch:
    """The rows as one batch, padded to the longest.

    With ``hide`` the entities of some rows are masked: where a name cannot be read, only what is said about
    it is left to learn from.
    """
    chosen = [encoded[row] for row in rows]
    length = padded(max(len(one.ids) for one in chosen))
    widest = max(2, *(len(one.spans) for one in chosen))
    ids = torch.zeros(len(chosen), length, dtype=torch.long)
    mask = torch.zeros(len(chosen), length, dtype=torch.long)
    spans = torch.zeros(len(chosen), widest, 2, dtype=torch.long)
    entities = torch.full((len(chosen), widest), MISSING)
    topics = {name: torch.full((len(chosen),), MISSING) for name in taxonomies}
    sentiment = torch.full((len(chosen),), MISSING)
    for at, one in enumerate(chosen):
        ids[at, : len(one.ids)] = torch.tensor(one.ids)
        mask[at, : len(one.ids)] = 1
        hidden = hide is not None and bool(one.spans) and hide.draw.random() < hide.share
        for column, (span, entity) in enumerate(zip(one.spans, one.example.entities, strict=True)):
            if span is not None:
                spans[at, column] = torch.tensor(span)
                if hide is not None and hidden:
                    ids[at, span[0] : span[1]] = hide.token
                entities[at, column] = entity.sentiment
        for name, label in one.example.topics:
            if name in topics:
                topics[name][at] = label
        if one.example.sentiment is not None:
            sentiment[at] = one.example.sentiment
    price = torch.tensor([PRICE[one.example.head] for one in chosen])
    polar = torch.tensor([one.example.polar for one in chosen])
    degrees = [[one.example.weight * part for part in one.example.soft or (0.0, 0.0, 0.0)] for one in chosen]
    return Batch(tuple(rows), ids, mask, spans, topics, sentiment, price, polar, entities, torch.tensor(degrees))


def grouped(lengths: Sequence[int], size: int, order: random.Random | None = None) -> Iterator[list[int]]:
    """Rows in batches of ``size`` and similar length.

    With ``order`` the rows are shuffled, sorted within pools of 50 batches, and the batches shuffled;
    without it they come sorted by length.
    """
    rows = list(range(len(lengths)))
    pool = len(rows) if order is None else 50 * size
    if order is not None:
        order.shuffle(rows)
    batches: list[list[int]] = []
    for start in range(0, len(rows), max(pool, 1)):
        part = sorted(rows[start : start + pool], key=lambda row: lengths[row])
        batches.extend(part[at : at + size] for at in range(0, len(part), size))
    if order is not None:
        order.shuffle(batches)
    yield from batches
