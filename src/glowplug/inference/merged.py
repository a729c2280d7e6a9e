"""A model with low-rank updates merged into its weights, beside the model itself (Hu et al., "LoRA", 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import nn

Update = tuple[torch.Tensor, torch.Tensor]


def beside(model: nn.Module) -> nn.Module:
    """A second model over the same tensors: layers put into it leave the first as it is."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return deepcopy(model, memo=shared)


def merged(model: nn.Module, updates: Mapping[str, Update], scale: float) -> nn.Module:
    """`model` with weight + scale * up down in each layer that `updates` names (section 4.1); all else is shared.

    down: (rank, in); up: (out, rank). Added up in float32: what is rounded is the sum, once.
    """
    out = beside(model)
    for name, (down, up) in updates.items():
        layer = out.get_submodule(name)
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"{name} is no linear layer")
        own = layer.weight
        weight = own.float() + scale * (up.to(own.device).float() @ down.to(own.device).float())
        layer.weight = nn.Parameter(weight.to(own.dtype), requires_grad=False)
    return out
