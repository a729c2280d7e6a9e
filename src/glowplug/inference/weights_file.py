"""Small learned weights as a file: safetensors in float16 or as codes, what has to be told of them, and a hash."""

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


def write_weights(path: Path, kind: str, told: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """kind: what they are of; read again under the same word. tensors: float32, which is rounded to float16,
    or codes as uint8. Raises TypeError for others."""
    stored = {name: np.ascontiguousarray(tensor, _stored(tensor)) for name, tensor in tensors.items()}
    save_file(stored, path, metadata={kind: json.dumps(told)})
    path.chmod(0o644)  # safetensors writes for the owner alone, and a service runs as somebody else


def read_weights(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]], str]:
    """What was told, the tensors as float32 or uint8, and the hash."""
    with safe_open(path, framework="numpy") as file:
        told: dict[str, Any] = json.loads(file.metadata()[kind])
        read = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
    tensors = {name: one if one.dtype == np.uint8 else one.astype(np.float32) for name, one in read.items()}
    return told, tensors, hashlib.sha256(path.read_bytes()).hexdigest()[:HASH_CHARS]


def _stored(tensor: NDArray[Any]) -> type[np.generic]:
    if tensor.dtype not in (np.float32, np.uint8):
        raise TypeError(f"weights are float32 or uint8, not {tensor.dtype}")
    return np.uint8 if tensor.dtype == np.uint8 else np.float16
