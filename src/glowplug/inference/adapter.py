"""What is learned on top of a frozen encoder to class its tokens: low-rank updates, and a layer over the tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glowplug.inference.weights_file import read_weights, write_weights

Weights = NDArray[np.float32]
DOWN, UP, HEAD, BIAS = ".down", ".up", "head.weight", "head.bias"
KIND = "adapter"


@dataclass(frozen=True, slots=True)
class Adapter:
    """encoder: fingerprint of what it was learned on, and is worth something for.

    updates: by name of a linear layer, down (rank, in) and up (out, rank): what the layer puts out for x gains
             scale * up down x (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, section 4.1).
    weight, bias: (classes, width) and (classes,), over the last hidden state of each token.
    """

    encoder: str
    classes: tuple[str, ...]
    scale: float
    updates: Mapping[str, tuple[Weights, Weights]]
    weight: Weights
    bias: Weights
    hash: str = ""


def read_adapter(path: Path) -> Adapter:
    """Of a file of `write_adapter`."""
    told, tensors, digest = read_weights(path, KIND)
    names = [name.removesuffix(DOWN) for name in tensors if name.endswith(DOWN)]
    return Adapter(
        encoder=told["encoder"],
        classes=tuple(told["classes"]),
        scale=told["scale"],
        updates={name: (tensors[name + DOWN], tensors[name + UP]) for name in sorted(names)},
        weight=tensors[HEAD],
        bias=tensors[BIAS],
        hash=digest,
    )


def write_adapter(adapter: Adapter, path: Path) -> None:
    """As float16, which a verdict of four classes does not feel, at half the size."""
    tensors = {HEAD: adapter.weight, BIAS: adapter.bias}
    for name, (down, up) in adapter.updates.items():
        tensors |= {name + DOWN: down, name + UP: up}
    told = {"encoder": adapter.encoder, "classes": adapter.classes, "scale": adapter.scale}
    write_weights(path, KIND, told, tensors)
