"""The network: a pretrained encoder, masked mean pooling, and a head for each question.

Shapes: B documents, S tokens, E entities, H hidden units (384 in the shipped encoder), k labels.
The document's sentiment mixes two heads, because the sets mean two things by the word: finance tweets are
labelled by the direction of a price, most others by tone. A gate, which learns both from where a text comes
from and from which head is right about it, says how much to listen to either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel

from models.labels import SENTIMENTS


@dataclass(frozen=True)
class Adapter:
    """LoRA of ``rank`` on the linear layers of every transformer layer from ``frozen_layers`` on."""

    rank: int = 32
    alpha: int = 64
    frozen_layers: int = 0

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


@dataclass(frozen=True)
class Outputs:
    """What the network says, before calibration. Sentiment axes in the order of ``SENTIMENTS``."""

    topics: Mapping[str, Tensor]
    price: Tensor
    tone: Tensor
    gate: Tensor
    entities: Tensor
    embedding: Tensor

    @property
    def sentiment(self) -> Tensor:
        """Logits [B, 3] of both sentiment heads, mixed by the gate.

        The gate is a softmax over two columns, not a sigmoid: ONNX Runtime computes softmax row by row, while
        its sigmoid, exponential and logarithm round differently at the end of a tensor, and a document's
        numbers would depend on its place in the batch.
        """
        share = torch.softmax(torch.cat([self.gate, torch.zeros_like(self.gate)], 1), 1)
        return share[:, :1] * self.price + share[:, 1:] * self.tone


GATE_UNITS = 64
REACH = 8
"""Distance in tokens from which on words are equally far from an entity."""


class EntityHead(nn.Module):  # type: ignore[misc]
    """Sentiment toward spans: reads a span's tokens, the whole text, and what the span attends to.

    Attention has four narrow heads; besides the match of span and token it counts, by a learnt bias, how far
    before or behind the span a token stands.
    """

    def __init__(self, hidden: int, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.width = heads, max(8, hidden // 12)
        inner = heads * self.width
        self.query, self.key, self.value = (nn.Linear(hidden, inner) for _ in range(3))
        self.distance = nn.Embedding(2 * REACH + 1, heads)
        self.first = nn.Linear(2 * hidden + inner, hidden)
        self.last = nn.Linear(hidden, len(SENTIMENTS))

    def forward(self, hidden: Tensor, pooled: Tensor, mask: Tensor, spans: Tensor) -> Tensor:
        """Logits [B, E, 3] from hidden [B, S, H], its mean [B, H], mask [B, S] and spans [B, E, 2]."""
        rows, length, entities = hidden.shape[0], hidden.shape[1], spans.shape[1]
        position = torch.arange(length, device=hidden.device)[None, None, :]
        start, end = spans[:, :, :1], spans[:, :, 1:]
        inside = ((position >= start) & (position < end)).to(hidden.dtype)
        named = torch.matmul(inside, hidden) / inside.sum(2, keepdim=True).clamp(min=1.0)

        def split(value: Tensor, count: int) -> Tensor:
            return value.view(rows, count, self.heads, self.width).transpose(1, 2)

        scores = torch.matmul(split(self.query(named), entities), split(self.key(hidden), length).transpose(2, 3))
        away = (position - start).clamp(max=0) + (position - end + 1).clamp(min=0)
        nearness = self.distance(away.clamp(-REACH, REACH) + REACH).permute(0, 3, 1, 2)
        hidden_away = (1.0 - mask.to(hidden.dtype))[:, None, None, :] * -10_000.0
        shares = torch.softmax(scores * self.width**-0.5 + nearness + hidden_away, 3)
        heard = torch.matmul(shares, split(self.value(hidden), length)).transpose(1, 2)
        context = pooled[:, None, :].expand(-1, entities, -1)
        joined = torch.cat([named, context, heard.reshape(rows, entities, self.heads * self.width)], 2)
        return self.last(functional.gelu(self.first(joined)))


class Network(nn.Module):  # type: ignore[misc]
    """Encoder and heads. ``taxonomies`` maps a name to its number of labels."""

    def __init__(self, encoder: nn.Module, taxonomies: Mapping[str, int]) -> None:
        super().__init__()
        self.encoder = encoder
        hidden = int(encoder.config.hidden_size)
        self.topics = nn.ModuleDict({name: nn.Linear(hidden, count) for name, count in taxonomies.items()})
        self.price = nn.Linear(hidden, len(SENTIMENTS))
        self.tone = nn.Linear(hidden, len(SENTIMENTS))
        self.gate = nn.Sequential(nn.Linear(hidden, GATE_UNITS), nn.GELU(), nn.Linear(GATE_UNITS, 1))
        self.entity = EntityHead(hidden)

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The encoder's transformer layers, bottom first."""
        layers: Sequence[nn.Module] = self.encoder.encoder.layer
        return layers

    def embed(self, ids: Tensor) -> Tensor:
        """Token, position and segment embeddings: ids [B, S] to [B, S, H]."""
        return self.encoder.embeddings(input_ids=ids)

    def transform(self, hidden: Tensor, mask: Tensor, first: int = 0, last: int | None = None) -> Tensor:
        """Layers ``first`` to ``last`` (half-open) over hidden [B, S, H]; ``mask`` [B, S] is 1 where a token stands."""
        added = (1.0 - mask.to(hidden.dtype))[:, None, None, :] * -10_000.0
        for layer in self.layers[first:last]:
            hidden = layer(hidden, added)
        return hidden

    def read(self, hidden: Tensor, mask: Tensor, spans: Tensor) -> Outputs:
        """The heads over the last layer's hidden [B, S, H]; ``spans`` [B, E, 2] are half-open token ranges."""
        hidden = hidden.float()
        weight = mask.to(hidden.dtype)
        pooled = (hidden * weight[:, :, None]).sum(1) / weight.sum(1, keepdim=True).clamp(min=1.0)
        return Outputs(
            topics={name: head(pooled) for name, head in self.topics.items()},
            price=self.price(pooled),
            tone=self.tone(pooled),
            gate=self.gate(pooled),
            entities=self.entity(hidden, pooled, mask, spans),
            embedding=pooled / pooled.norm(dim=1, keepdim=True).clamp(min=1e-12),
        )

    def forward(self, ids: Tensor, mask: Tensor, spans: Tensor) -> Outputs:
        return self.read(self.transform(self.embed(ids), mask), mask, spans)

    def heads(self) -> dict[str, Tensor]:
        """Every tensor that is not the encoder's, by its name."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("encoder.")}


def build(base: Path, taxonomies: Mapping[str, int], adapter: Adapter | None, *, seed: int) -> Network:
    """The network over the pretrained encoder in directory ``base``.

    With an ``adapter`` the encoder is frozen and LoRA matrices are put in (peft); without one it is dense.
    Attention dropout is off for speed; what it would gain was not measured.
    """
    torch.manual_seed(seed)
    config: Any = AutoConfig.from_pretrained(base)
    config.attention_probs_dropout_prob = 0.0
    encoder: Any = AutoModel.from_pretrained(base, config=config, attn_implementation="eager", add_pooling_layer=False)
    encoder.requires_grad_(False)
    if adapter is not None:
        trained = "|".join(str(index) for index in range(adapter.frozen_layers, config.num_hidden_layers))
        encoder = inject_adapter_in_model(
            LoraConfig(
                r=adapter.rank,
                lora_alpha=adapter.alpha,
                lora_dropout=0.0,
                target_modules=rf"encoder\.layer\.({trained})\..*(query|key|value|dense)",
            ),
            encoder,
        )
    return Network(encoder, taxonomies)


def lora_matrices(network: Network) -> dict[str, Tensor]:
    """The trained LoRA matrices as ``<linear layer>.lora_A`` [r, in] and ``.lora_B`` [out, r]."""
    found: dict[str, Tensor] = {}
    for name, value in network.encoder.state_dict().items():
        match = re.fullmatch(r"(.*)\.(lora_[AB])\.default\.weight", name)
        if match:
            found[f"{match[1]}.{match[2]}"] = value
    return found


def load_lora(network: Network, matrices: Mapping[str, Tensor]) -> None:
    """Put ``matrices`` (as :func:`lora_matrices` gives them) back into a network built with an adapter."""
    state = {
        f"{name.rsplit('.', 1)[0]}.{name.rsplit('.', 1)[1]}.default.weight": value for name, value in matrices.items()
    }
    missing = [name for name in state if name not in network.encoder.state_dict()]
    if missing:
        raise KeyError(f"the network has no {missing[0]}")
    network.encoder.load_state_dict(state, strict=False)
