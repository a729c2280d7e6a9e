"""What is learned on top of a frozen encoder to class its tokens: low-rank updates, and a layer over the tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

Weights = NDArray[np.float32]
DOWN, UP, HEAD, BIAS = ".down", ".up", "head.weight", "head.bias"
HASH_CHARS = 12


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
    """Of a file of `write_adapter`; `hash` is of its bytes."""
    with safe_open(path, framework="numpy") as file:
        told = json.loads(file.metadata()["adapter"])
        tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118  no mapping
    names = [name.removesuffix(DOWN) for name in tensors if name.endswith(DOWN)]
    return Adapter(
        encoder=told["encoder"],
        classes=tuple(told["classes"]),
        scale=told["scale"],
        updates={name: (tensors[name + DOWN], tensors[name + UP]) for name in sorted(names)},
        weight=tensors[HEAD],
        bias=tensors[BIAS],
        hash=hashlib.sha256(path.read_bytes()).hexdigest()[:HASH_CHARS],
    )


def write_adapter(adapter: Adapter, path: Path) -> None:
    """As float16, which a verdict of four classes does not feel, at half the size."""
    tensors = {HEAD: adapter.weight, BIAS: adapter.bias}
    for name, (down, up) in adapter.updates.items():
        tensors |= {name + DOWN: down, name + UP: up}
    told = {"encoder": adapter.encoder, "classes": adapter.classes, "scale": adapter.scale}
    halves = {name: np.ascontiguousarray(tensor, np.float16) for name, tensor in tensors.items()}
    save_file(halves, path, metadata={"adapter": json.dumps(told)})
