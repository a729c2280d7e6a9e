"""Low-rank updates of linear layers that can be learned (Hu et al., "LoRA", 2021)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from glowplug.inference.merged import Update


class LowRankLinear(nn.Module):
    """base(x) + scale * up down x (section 4.1). down: (rank, in); up: (out, rank)."""

    def __init__(self, base: nn.Linear, down: torch.Tensor, up: torch.Tensor, scale: float) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        self.down, self.up = nn.Parameter(down.to(base.weight)), nn.Parameter(up.to(base.weight))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        updated: torch.Tensor = self.base(rows) + (rows @ self.down.T) @ self.up.T * self.scale
        return updated


def adapt(model: nn.Module, updates: Mapping[str, Update], scale: float) -> dict[str, LowRankLinear]:
    """The layers that `updates` names replaced, each by one that is updated."""
    made: dict[str, LowRankLinear] = {}
    for name, (down, up) in updates.items():
        within, _, last = name.rpartition(".")
        parent = model.get_submodule(within)
        base = getattr(parent, last)
        if not isinstance(base, nn.Linear):
            raise TypeError(f"{name} is no linear layer")
        made[name] = LowRankLinear(base, down, up, scale)
        setattr(parent, last, made[name])
    return made
