"""Centring: what all texts have in common, and what only tells languages apart, is taken out of a model's vectors.

The mean: Mu & Viswanath, "All-but-the-Top" (ICLR 2018). The language directions: Xie et al., "Discovering Low-rank
Subspaces for Language-agnostic Multilingual Representations" (EMNLP 2022). Measured in
docs/decisions/0006-encoder-centring.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from glowplug.inference.cache import cache_folder, made_once
from glowplug.inference.encoder import KINDS, Kind, Vectors, unit
from glowplug.settings import EncoderSettings

# Mean cosine of unrelated texts from which on a model is centred: e5-small has .8, MiniLM .2.
ANISOTROPIC = 0.5
DIMS_PER_DIRECTION = (
    20  # at most a twentieth of the dimensions: the seventeen of e5-small, never all of a small model
)
METHOD = "mean of each kind, language directions"  # changes with the computation, so that no old file is read
GENERIC, PARALLEL = "generic_texts.txt", "parallel_texts.txt"


@dataclass(frozen=True, slots=True)
class Centre:
    """means: float32 (dim,) of unit vectors, for each kind. directions: float32 (removed, dim), orthonormal, along
    which a text moves when it is translated. learned_from: hash of the texts and the method."""

    means: dict[Kind, NDArray[np.float32]]
    directions: Vectors
    learned_from: str

    def apply(self, rows: Vectors, kind: Kind) -> Vectors:
        """float32 (n, dim): unit rows minus mean and directions, of unit length again."""
        moved = rows - self.means[kind]
        shared = moved @ self.directions.T @ self.directions
        return unit(moved - shared)


class Encodes(Protocol):
    @property
    def dim(self) -> int: ...
    def encode(self, texts: Sequence[str], kind: Kind) -> Vectors: ...


def centre_for(encoder: Encodes, fingerprint: str, settings: EncoderSettings) -> Centre | None:
    """The model's centre; None for a model whose vectors already point in all directions.

    encoder:     not centred yet. fingerprint: of it; names the file in the cache, so that it is computed once.
    """
    generic, parallel = generic_texts(), parallel_texts()
    translations = [text for texts in parallel for text in texts]
    digest = hashlib.sha256("\n".join((METHOD, *generic, *translations)).encode()).hexdigest()[:12]
    folder = cache_folder(settings.cache_dir) / "centres" / f"{fingerprint.replace(':', '-')}-{digest}"

    def make(draft: Path) -> None:
        tensors: dict[str, NDArray[np.float32]] = {k: mean_vector(encoder.encode(generic, k)) for k in KINDS}
        shape = (len(parallel), -1, encoder.dim)
        tensors["directions"] = language_directions([encoder.encode(translations, k).reshape(shape) for k in KINDS])
        save_file(tensors, draft / "centre.safetensors")

    stored = load_file(made_once(folder, make) / "centre.safetensors")
    means: dict[Kind, NDArray[np.float32]] = {kind: stored[kind] for kind in KINDS}
    is_anisotropic = max(float(mean @ mean) for mean in means.values()) >= ANISOTROPIC
    return Centre(means, stored["directions"], digest) if is_anisotropic else None


def mean_vector(rows: Vectors) -> NDArray[np.float32]:
    """float32 (dim,): the mean of unit rows. Its squared length is their mean cosine."""
    mean: NDArray[np.float32] = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def language_directions(kinds: Sequence[Vectors]) -> Vectors:
    """float32 (directions, dim): the orthonormal span of what differs between the languages' mean vectors.

    kinds: unit vectors (languages, texts, dim) of the same texts in every language, once for each kind. The
    directions are languages - 1, or as many as a twentieth of dim allows, the strongest first.
    """
    languages, _texts, dim = kinds[0].shape
    means = [vectors.mean(axis=1, dtype=np.float64) for vectors in kinds]
    apart = np.concatenate([mean - mean.mean(axis=0) for mean in means])
    count = min(languages - 1, dim // DIMS_PER_DIRECTION)
    directions: Vectors = np.linalg.svd(apart, full_matrices=False)[2][:count].astype(np.float32)
    return directions


def generic_texts() -> list[str]:
    """Short texts on everyday topics in many languages."""
    return _lines(GENERIC)


def parallel_texts() -> list[list[str]]:
    """The same short texts in the same order, one list for each language."""
    return [line.split("|")[1:] for line in _lines(PARALLEL)]


def _lines(name: str) -> list[str]:
    lines = files("glowplug.inference").joinpath(name).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
