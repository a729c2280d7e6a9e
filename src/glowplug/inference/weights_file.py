"""Small learned weights as a file: safetensors in float16, what has to be told of them, and a hash of the bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

HASH_CHARS = 12  # 48 bits, as of an encoder's fingerprint


def write_weights(
    path: Path, kind: str, told: Mapping[str, Any], tensors: Mapping[str, NDArray[np.float32]]
) -> None:
    """kind: what they are of; read again under the same word."""
    halves = {name: np.ascontiguousarray(tensor, np.float16) for name, tensor in tensors.items()}
    save_file(halves, path, metadata={kind: json.dumps(told)})


def read_weights(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]], str]:
    """What was told, the tensors, and the hash."""
    with safe_open(path, framework="numpy") as file:
        told: dict[str, Any] = json.loads(file.metadata()[kind])
        tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118  no mapping
    return told, tensors, hashlib.sha256(path.read_bytes()).hexdigest()[:HASH_CHARS]
