"""How far two items, or two users, are apart in one respect: each typed attribute, by its kind, is a channel.

A kernel exp(-sum of weight x distance) over channels is a product of kernels, one an attribute: Laplace for
numbers, and positive definite for the others, since 1 - cosine and "not the same" are conditionally negative
definite (Schoenberg 1938). What a channel learned of a data set (its scale) can be written down, so that serving
reads an attribute as training did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glowplug.training.arrays import Floats, Indices, Sparse, Wide
from glowplug.training.dataset import Side
from glowplug.training.fields import Field
from glowplug.training.scales import Cosines, Entries, Names, Numbers, Scale, Values, Words


@dataclass(frozen=True, slots=True)
class Channel:
    """source: the field whose values it reads, or "text". values: of all items (users), as `scale` reads them."""

    name: str
    source: str
    scale: Scale
    values: Any
    is_words: bool = False

    def distance(self, rows: Indices, columns: Indices) -> Floats:
        """float32 (rows, columns), at least 0, about 1 for two at random."""
        return self.scale.apart(self.values[rows], self.values[columns])


def kernel(distances: Iterable[tuple[float, Floats]], shape: tuple[int, int]) -> Wide:
    """float64 (rows, landmarks): exp(-sum of weight x distance), each pair by itself."""
    exponent = np.zeros(shape)
    for weight, distance in distances:
        exponent -= weight * distance
    return np.exp(exponent, out=exponent)


def word_channels(texts: Sequence[str], vectors: Floats) -> tuple[tuple[Channel, ...], Sparse]:
    """Of item texts: by the encoder's vectors, float32 (items, dim), unit rows, and by words; and their TF-IDF,
    float32 csr (items, words), unit rows."""
    scale = Words.fitted(texts)
    words = scale.read(texts)
    return (
        Channel("text embedding", "text", Cosines(), vectors, is_words=True),
        Channel("text words", "text", scale, words, is_words=True),
    ), words


def attribute_channels(side: Side) -> tuple[Channel, ...]:
    """Of every field that tells some apart: its value by its type, and its size.

    The size (entries of a list, letters of a text, whether a value is there at all) says how well described, and so
    often how well known, something is.
    """
    found: list[Channel] = []
    for field in side.fields:
        scales = [*_by_value(field), (f"{field.name} (size)", Numbers.fitted(field.values, of_size=True))]
        found += [
            Channel(name, field.name, scale, scale.read(field.values))
            for name, scale in scales
            if scale is not None
        ]
    return tuple(found)


def _by_value(field: Field) -> list[tuple[str, Scale | None]]:
    values: Values = field.values
    if all(value is None for value in values):
        return []
    if field.kind == "number":
        return [(field.name, Numbers.fitted(values))]
    if field.kind == "category":
        return [(field.name, Names.fitted(values))]
    if field.kind == "list":
        found: list[tuple[str, Scale | None]] = [(field.name, Entries.fitted(values, decay=0.0))]
        if sum(len(value) for value in values if isinstance(value, tuple)) > 2 * len(values):
            # Credits and tags come with the most important first; whether that holds here, validation decides.
            found.append((f"{field.name} (first)", Entries.fitted(values, decay=0.5)))
        return found
    return []
