"""The learned blocks on disk: safetensors with what serving multiplies, and JSON with how attributes are read.

No ids and no texts of users; of users only the attributes of landmarks, as numbers. No pickle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import scipy.sparse as sparse
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from glowplug.errors import BadInputFile, shown
from glowplug.index.exact import exact_scores
from glowplug.settings import DomainSettings
from glowplug.training.arrays import Floats, Indices, Wide
from glowplug.training.calibration import Calibration
from glowplug.training.channels import Channel, kernel
from glowplug.training.dataset import Dataset
from glowplug.training.factors import Factors
from glowplug.training.fold_in import UserModel, with_one
from glowplug.training.item_block import Head
from glowplug.training.scales import Scale, Values, scale_of
from glowplug.training.trending import Trending
from glowplug.training.vectors import Rounding

TENSORS, READING = "head.safetensors", "head.json"
FORMAT = 3  # raise it when an old file would be read wrongly
SAMPLED = 500  # users whose scores tell how far those are spread
FINGERPRINT_CHARS = 12  # as those of encoders
MISSHAPEN = (
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
)  # what reading JSON of another shape raises


@dataclass(frozen=True, slots=True)
class Kernel:
    """exp(-sum of weight x distance) to landmarks. channels: (name, source, weight, scale, landmarks' values)."""

    channels: tuple[tuple[str, str, float, Scale, Any], ...]
    landmarks: int

    def of(self, fields: Mapping[str, Values], texts: Sequence[str], embeddings: Floats, count: int) -> Wide:
        """float64 (count, landmarks). A field that is not given counts as missing everywhere."""
        distances = (
            (weight, scale.apart(scale.read(self._raw(name, source, fields, texts, embeddings, count)), landmarks))
            for name, source, weight, scale, landmarks in self.channels
        )
        return kernel(distances, (count, self.landmarks))

    @property
    def reads_words(self) -> bool:
        return any(source == "text" and name != "text embedding" for name, source, *_ in self.channels)

    @staticmethod
    def _raw(
        name: str, source: str, fields: Mapping[str, Values], texts: Sequence[str], embeddings: Floats, count: int
    ) -> Any:
        if source == "text":
            return embeddings if name == "text embedding" else texts
        return fields.get(source, (None,) * count)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that training found. trained: int64, the items of `data` that it saw. factors: with the profile
    beside them, if there is one. taste: how `factors` are rounded. directions: float32 (landmarks of `head`, 1 +
    e), from the kernel to [p | L] of a new item. weak: what an interaction that is no yes counts. trending: what
    the popularity of the day counts beside it."""

    data: Dataset
    encoder: str
    trained: Indices
    factors: Factors
    taste: Rounding
    head: Head
    channels: Sequence[Channel]
    weak: float
    model: UserModel
    directions: Floats
    user_channels: Sequence[Channel]
    trending: Trending = field(default_factory=Trending)


@dataclass(frozen=True, slots=True)
class Artifact:
    """items: ids of trained items. outputs, inputs: float32 (items, rank), as in Factors. directions: float32
    (items, 1 + e), [p | L] of the user model, and noise: float64 (items,), what a like of each leaves uncertain.
    new_outputs, new_directions: float32 (landmarks, …): a new item's rows are its kernel times them. pull:
    float64 (user landmarks, e), likewise of a new user's prior. calibration: of a user's place after some likes.
    taste, fold: how the two blocks are rounded.

    weak: what an interaction that is no yes counts. least_value: of a rating that is one; None: all are. spread:
    standard deviation of a score over items, by block. trending: as in Fitted. domain: whose template makes texts
    of items.
    """

    fingerprint: str
    encoder: str
    items: tuple[str, ...]
    outputs: Floats
    inputs: Floats
    directions: Floats
    noise: Wide
    new_outputs: Floats
    new_directions: Floats
    pull: Wide
    calibration: Calibration
    taste: Rounding
    fold: Rounding
    of_items: Kernel
    of_users: Kernel
    weak: float
    least_value: float | None
    spread: Mapping[str, float]
    trending: Trending
    domain: DomainSettings


def write_artifact(folder: Path, found: Fitted) -> str:
    """Returns the fingerprint: a hash of both files."""
    model, met, by = found.model, found.trained, found.model.rounding
    tensors: dict[str, Any] = {
        "outputs": found.factors.items[met],
        "inputs": found.factors.inputs[met],
        "directions": model.items[met],
        "noise": model.noise[met],
        "new_outputs": found.head.matrix,
        "new_directions": found.directions,
        "pull": model.pull,
        "shift": model.calibration.shift,
        "slope": model.calibration.slope,
        "taste.balance": found.taste.balance,
        "fold.balance": by.balance,
    }
    reading = {
        "format": FORMAT,
        "encoder": found.encoder,
        "items": [found.data.items.ids[at] for at in met],
        "of_items": _channels("items", found.channels, found.head.weights, found.head.landmarks, tensors),
        "of_users": _channels("users", found.user_channels, model.choice, model.landmarks, tensors),
        "longest": {"taste": found.taste.longest, "fold": by.longest},
        "weak": found.weak,
        "least_value": found.data.least_value,
        "spread": {
            "taste": _spread(found.factors.users, found.factors.items[met], found.taste),
            "fold": _spread(with_one(model.places), model.items[met], by),
        },
        "trending": asdict(found.trending),
        "domain": found.data.domain.model_dump(mode="json"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    save_file(plain, folder / TENSORS)
    (folder / TENSORS).chmod(0o644)  # a service under another account reads it, and safetensors makes it private
    (folder / READING).write_bytes(orjson.dumps(reading, option=orjson.OPT_SORT_KEYS))
    return fingerprint_of(folder)


def read_artifact(folder: Path) -> Artifact:
    """Raises BadInputFile."""
    try:
        body, text = (folder / TENSORS).read_bytes(), (folder / READING).read_bytes()
        tensors, reading = load(body), orjson.loads(text)
        if reading["format"] != FORMAT:
            raise BadInputFile(
                f"{shown(str(folder))} has format {reading['format']}, this version reads {FORMAT}: train it anew"
            )
        return _artifact(tensors, reading, _digest(body, text))
    except (OSError, SafetensorError, orjson.JSONDecodeError) as error:
        raise BadInputFile(
            f"{shown(str(folder))} holds no head ({error}): train one with `glowplug train`"
        ) from error
    except MISSHAPEN as error:
        raise BadInputFile(
            f"{shown(str(folder))} holds a head with something missing ({type(error).__name__} {error}): "
            "train it anew"
        ) from error


def fingerprint_of(folder: Path) -> str:
    """Raises BadInputFile."""
    try:
        return _digest((folder / TENSORS).read_bytes(), (folder / READING).read_bytes())
    except OSError as error:
        raise BadInputFile(
            f"{shown(str(folder))} holds no head ({error}): train one with `glowplug train`"
        ) from error


def _artifact(tensors: Mapping[str, Any], reading: Mapping[str, Any], fingerprint: str) -> Artifact:
    longest = reading["longest"]
    return Artifact(
        fingerprint=fingerprint,
        encoder=reading["encoder"],
        items=tuple(reading["items"]),
        outputs=tensors["outputs"],
        inputs=tensors["inputs"],
        directions=tensors["directions"],
        noise=tensors["noise"],
        new_outputs=tensors["new_outputs"],
        new_directions=tensors["new_directions"],
        pull=tensors["pull"],
        calibration=Calibration(tensors["shift"], tensors["slope"]),
        taste=Rounding(tensors["taste.balance"], longest["taste"]),
        fold=Rounding(tensors["fold.balance"], longest["fold"]),
        of_items=_kernel("items", reading["of_items"], tensors, len(tensors["new_outputs"])),
        of_users=_kernel("users", reading["of_users"], tensors, len(tensors["pull"])),
        weak=reading["weak"],
        least_value=reading["least_value"],
        spread={part: float(reading["spread"][part]) for part in ("taste", "fold")},
        trending=_trending(reading.get("trending")),
        domain=DomainSettings.model_validate(reading["domain"]),
    )


def _trending(reading: Mapping[str, Any] | None) -> Trending:
    """Heads written before there was any have none."""
    if reading is None:
        return Trending()
    weights = tuple((int(known), float(weight)) for known, weight in reading["weights"])
    return Trending(weights, float(reading["spread"]))


def _spread(users: Floats | Wide, items: Floats, by: Rounding) -> float:
    """Mean over some users of the standard deviation of their scores."""
    some = users[np.linspace(0, len(users) - 1, min(len(users), SAMPLED)).astype(np.int64)]
    return float(exact_scores(by.users(some), by.items(items)).std(axis=1).mean())


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


def _kernel(side: str, channels: Sequence[Mapping[str, Any]], tensors: Mapping[str, Any], landmarks: int) -> Kernel:
    found: list[tuple[str, str, float, Scale, Any]] = []
    for at, one in enumerate(channels):
        key = f"{side}.{at}"
        if key in tensors:
            values = tensors[key]
        else:
            parts = (tensors[f"{key}.data"], tensors[f"{key}.indices"], tensors[f"{key}.indptr"])
            rows = sparse.csr_array(parts, shape=tuple(tensors[f"{key}.shape"].tolist()))
            values = sparse.csr_array(
                rows.T
            ).T  # so that its transpose, which each distance asks for, costs nothing
        found.append((one["name"], one["source"], float(one["weight"]), scale_of(one["scale"]), values))
    return Kernel(tuple(found), landmarks)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return f"head:{digest.hexdigest()[:FINGERPRINT_CHARS]}"
