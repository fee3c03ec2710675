"""Where a training stands, on disk: everything the next step depends on, in one file that is whole or absent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

FILE = "position.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""What AdamW remembers of a parameter."""


@dataclass
class Position:
    """Steps done, the loss as a moving mean, seconds spent in steps, the best epoch's score, epochs since."""

    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    best: float = -1.0
    stale: int = 0

    def advance(self, loss: float, seconds: float) -> None:
        """A step was made."""
        self.loss = loss if self.step == 0 else 0.98 * self.loss + 0.02 * loss
        self.step += 1
        self.seconds += seconds


def write_position(directory: Path, position: Position, trained: Mapping[str, Tensor], optimiser: Any) -> None:
    """Weights, the optimiser's memory and the position, in one step that a kill leaves either undone or done."""
    tensors: dict[str, Tensor] = {}
    for name, value in trained.items():
        tensors[f"weight/{name}"] = value.detach().contiguous()
        for moment in MOMENTS:
            if value in optimiser.state:
                tensors[f"{moment}/{name}"] = optimiser.state[value][moment].contiguous()
    partial = directory / f".{FILE}.{os.getpid()}"
    save_file(tensors, partial, metadata={"position": json.dumps(asdict(position))})
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(directory / FILE)


def read_position(directory: Path, trained: Mapping[str, Tensor], optimiser: Any) -> Position:
    """The position that was written into ``directory``, weights and optimiser set to it; or the start."""
    path = directory / FILE
    if not path.is_file():
        return Position()
    with safe_open(path, framework="pt") as held:
        with torch.no_grad():
            for name, value in trained.items():
                value.copy_(held.get_tensor(f"weight/{name}"))
                if f"step/{name}" in held.keys():  # noqa: SIM118 - the file is no mapping
                    optimiser.state[value] = {moment: held.get_tensor(f"{moment}/{name}") for moment in MOMENTS}
        return Position(**json.loads(held.metadata()["position"]))
