"""The encoder's training pass: what transformers computes, in bfloat16 from end to end and with fewer copies.

On a CPU half of the time of a LoRA step under autocast is spent on copies and on narrow products. Here a
linear layer and its adapter are one function whose backward pass is written out, and dropout draws eight
decisions from one random number. The random numbers come from a
generator that the caller seeds: a step can be repeated exactly.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainer.network import Network

DROPPED = 26
"""Of 256: the share of values that dropout silences, a tenth."""

Linear = tuple[Tensor, Tensor, Tensor | None, Tensor | None]
"""Weight [out, in] and bias in bfloat16, and the adapter's A [r, in] and B [out, r], if it has one."""


class _Adapted(torch.autograd.Function):  # type: ignore[misc]
    """``x W' + b + (x A') B'`` for x [T, in]; W and b are frozen, A carries the adapter's scale."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, down: Tensor, up: Tensor) -> Tensor:
        a, b = down.to(x.dtype), up.to(x.dtype)
        narrow = x @ a.t()
        y = torch.addmm(bias, x, weight.t())
        y.addmm_(narrow, b.t())
        ctx.save_for_backward(x, weight, a, b, narrow)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, narrow = ctx.saved_tensors
        back = grad @ b
        dx = None
        if ctx.needs_input_grad[0]:
            dx = grad @ weight
            dx.addmm_(back, a)
        return dx, None, None, (back.t() @ x).float(), (grad.t() @ narrow).float()


class TrainingPass:
    """A BERT-like network's frozen weights, copied once, and its adapter, read anew at each step."""

    def __init__(self, network: Network, scale: float) -> None:
        self.network = network
        self.scale = scale
        self._layers = [self._read(layer) for layer in network.layers]

    def hidden(self, ids: Tensor, mask: Tensor, generator: torch.Generator | None) -> Tensor:
        """The last layer's states [B, S, H] in bfloat16; without a ``generator`` nothing is dropped."""
        rows, length = ids.shape
        with torch.no_grad():
            x = self.network.embed(ids).to(torch.bfloat16).view(rows * length, -1)
            x = dropped(x, generator)
        heads = int(self.network.encoder.config.num_attention_heads)
        away = ((1.0 - mask.to(torch.bfloat16)) * -10_000.0)[:, None, None, :]
        for layer in self._layers:
            x = self._layer(x, layer, away, rows, length, heads, generator)
        return x.view(rows, length, -1)

    def _layer(
        self, x: Tensor, layer: dict[str, Any], away: Tensor, rows: int, length: int, heads: int,
        generator: torch.Generator | None,
    ) -> Tensor:  # fmt: skip
        width = x.shape[1] // heads
        parts = [self._linear(x, layer[name]) for name in ("query", "key", "value")]
        query, key, value = (part.view(rows, length, heads, width).transpose(1, 2) for part in parts)
        shares = torch.softmax(torch.matmul(query * (1 / math.sqrt(width)), key.transpose(2, 3)) + away, 3)
        heard = torch.matmul(shares, value).transpose(1, 2).reshape(rows * length, heads * width)
        heard = dropped(self._linear(heard, layer["attended"]), generator)
        x = functional.layer_norm(x + heard, (x.shape[1],), *layer["norm"])
        wide = functional.gelu(self._linear(x, layer["up"]))
        return functional.layer_norm(
            x + dropped(self._linear(wide, layer["down"]), generator), (x.shape[1],), *layer["last_norm"]
        )

    def _linear(self, x: Tensor, linear: Linear) -> Tensor:
        weight, bias, down, up = linear
        if down is None or up is None:
            return functional.linear(x, weight, bias)
        adapted: Tensor = _Adapted.apply(x, weight, bias, down * self.scale, up)
        return adapted

    @staticmethod
    def _read(layer: Any) -> dict[str, Any]:
        def linear(module: Any) -> Linear:
            held = getattr(module, "base_layer", module)
            adapted = hasattr(module, "lora_A")
            return (
                held.weight.detach().to(torch.bfloat16),
                held.bias.detach().to(torch.bfloat16),
                module.lora_A["default"].weight if adapted else None,
                module.lora_B["default"].weight if adapted else None,
            )

        def norm(module: Any) -> tuple[Tensor, Tensor, float]:
            return module.weight.detach().to(torch.bfloat16), module.bias.detach().to(torch.bfloat16), module.eps

        attention = layer.attention
        return {
            "query": linear(attention.self.query),
            "key": linear(attention.self.key),
            "value": linear(attention.self.value),
            "attended": linear(attention.output.dense),
            "norm": norm(attention.output.LayerNorm),
            "up": linear(layer.intermediate.dense),
            "down": linear(layer.output.dense),
            "last_norm": norm(layer.output.LayerNorm),
        }


def dropped(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """``x`` with a tenth of its values silenced and the others raised to keep the mean; as it is without generator."""
    if generator is None:
        return x
    drawn = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    keep = (drawn.view(torch.uint8)[: x.numel()] >= DROPPED).to(x.dtype).mul_(256 / (256 - DROPPED))
    return x * keep.view(x.shape)
