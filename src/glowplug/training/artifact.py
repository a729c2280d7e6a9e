"""The learned blocks on disk: safetensors with what serving multiplies, and JSON with how attributes are read.

No ids and no texts of users; of users only the attributes of landmarks, as numbers. No pickle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import scipy.sparse as sparse
from safetensors.numpy import load_file, save_file

from glowplug.errors import BadInputFile, shown
from glowplug.training.arrays import Floats
from glowplug.training.channels import Channel
from glowplug.training.factors import Factors
from glowplug.training.fold_in import UserModel
from glowplug.training.item_block import Head
from glowplug.training.scales import Scale, Values, scale_of

TENSORS, READING = "head.safetensors", "head.json"
FORMAT = 1  # raise it when an old file would be read wrongly
FINGERPRINT_CHARS = 12  # as those of encoders


@dataclass(frozen=True, slots=True)
class Kernel:
    """exp(-sum of weight x distance) to landmarks. channels: (name, source, weight, scale, landmarks' values)."""

    channels: tuple[tuple[str, str, float, Scale, Any], ...]

    def of(self, fields: Mapping[str, Values], texts: Sequence[str], embeddings: Floats, count: int) -> Floats:
        """float32 (count, landmarks). A field that is not given counts as missing everywhere."""
        exponent: Floats | None = None
        for name, source, weight, scale, landmarks in self.channels:
            if source == "text":
                raw: Any = embeddings if name == "text embedding" else texts
            else:
                raw = fields.get(source, (None,) * count)
            part = np.float32(weight) * scale.apart(scale.read(raw), landmarks)
            exponent = part if exponent is None else exponent + part
        if exponent is None:
            raise BadInputFile("this head weighs no attribute: it can place nothing new")
        kernel: Floats = np.exp(-exponent)
        return kernel


@dataclass(frozen=True, slots=True)
class Artifact:
    """items: ids of trained items. outputs, inputs: float32 (items, rank), as in Factors. directions: float32
    (items, 1 + d), [p | L] of the user model. new_outputs, new_directions: float32 (landmarks, …): a new
    item's rows are its kernel times them. places: float32 (user landmarks, d)."""

    items: tuple[str, ...]
    outputs: Floats
    inputs: Floats
    directions: Floats
    new_outputs: Floats
    new_directions: Floats
    places: Floats
    of_items: Kernel
    of_users: Kernel
    fingerprint: str


def write_artifact(
    folder: Path,
    items: Sequence[str],
    factors: Factors,
    head: Head,
    channels: Sequence[Channel],
    model: UserModel,
    new_directions: Floats,
    user_channels: Sequence[Channel],
) -> str:
    """Returns the fingerprint: a hash of both files."""
    tensors: dict[str, Any] = {
        "outputs": factors.items,
        "inputs": factors.inputs,
        "directions": model.items,
        "new_outputs": head.matrix,
        "new_directions": new_directions,
        "places": model.places,
    }
    reading = {
        "format": FORMAT,
        "items": list(items),
        "of_items": _channels("items", channels, head.weights, head.landmarks, tensors),
        "of_users": _channels("users", user_channels, model.choice, model.landmarks, tensors),
    }
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    save_file(plain, folder / TENSORS)
    (folder / TENSORS).chmod(0o644)  # a service under another account reads it, and safetensors makes it private
    (folder / READING).write_bytes(orjson.dumps(reading, option=orjson.OPT_SORT_KEYS))
    return _fingerprint(folder)


def read_artifact(folder: Path) -> Artifact:
    """Raises BadInputFile."""
    try:
        tensors = load_file(folder / TENSORS)
        reading = orjson.loads((folder / READING).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BadInputFile(
            f"{shown(str(folder))} holds no head ({error}): train one with `glowplug train`"
        ) from error
    if reading["format"] != FORMAT:
        raise BadInputFile(f"{shown(str(folder))} has format {reading['format']}, this version reads {FORMAT}")
    return Artifact(
        items=tuple(reading["items"]),
        outputs=tensors["outputs"],
        inputs=tensors["inputs"],
        directions=tensors["directions"],
        new_outputs=tensors["new_outputs"],
        new_directions=tensors["new_directions"],
        places=tensors["places"],
        of_items=_kernel("items", reading["of_items"], tensors),
        of_users=_kernel("users", reading["of_users"], tensors),
        fingerprint=_fingerprint(folder),
    )


def _channels(
    side: str, channels: Sequence[Channel], weights: Mapping[str, float], landmarks: Any, tensors: dict[str, Any]
) -> list[dict[str, Any]]:
    """The channels that weigh something; their landmarks' values go into `tensors`."""
    found: list[dict[str, Any]] = []
    for channel in channels:
        if not weights[channel.name]:
            continue
        key = f"{side}.{len(found)}"
        values = channel.values[landmarks]
        if sparse.issparse(values):
            tensors |= {
                f"{key}.data": values.data,
                f"{key}.indices": values.indices.astype(np.int64),
                f"{key}.indptr": values.indptr.astype(np.int64),
                f"{key}.shape": np.array(values.shape, np.int64),
            }
        else:
            tensors[key] = values
        found.append(
            {
                "name": channel.name,
                "source": channel.source,
                "weight": weights[channel.name],
                "scale": channel.scale.state(),
            }
        )
    return found


def _kernel(side: str, channels: Sequence[Mapping[str, Any]], tensors: Mapping[str, Any]) -> Kernel:
    found: list[tuple[str, str, float, Scale, Any]] = []
    for at, one in enumerate(channels):
        key = f"{side}.{at}"
        if key in tensors:
            values = tensors[key]
        else:
            parts = (tensors[f"{key}.data"], tensors[f"{key}.indices"], tensors[f"{key}.indptr"])
            values = sparse.csr_array(parts, shape=tuple(tensors[f"{key}.shape"].tolist()))
        found.append((one["name"], one["source"], float(one["weight"]), scale_of(one["scale"]), values))
    return Kernel(tuple(found))


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in (TENSORS, READING):
        digest.update((folder / name).read_bytes())
    return f"head:{digest.hexdigest()[:FINGERPRINT_CHARS]}"
