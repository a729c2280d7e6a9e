"""What all items of a catalogue have in common, so that it does not count as taste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glowplug.index.exact import Scores
from glowplug.vectors import Half, pack, unpack
from glowplug.vectors import Vector as Packed

AXES = 3  # as many as Mu and Viswanath remove from vectors of a few hundred dimensions (dim / 100)
FEWEST = 100  # items: below it the axes would be topics, not what all have in common
MOST = 20_000  # items that the axes are taken from: more would not move them
EPSILON = 1e-6  # an item at the very mean has nothing particular


@dataclass(frozen=True, slots=True)
class Frame:
    """centre: float64 (text,), the mean item. axes: float64 (r, text), orthonormal rows.

    Mu and Viswanath (2018, All-but-the-top, ICLR): a common mean and a few dominating directions carry how texts of
    a kind are written, not what they are about. Taking them out of what a user liked is enough: with P the
    projection that removes the axes, <P u, v> = <P u, P v>, and the mean of v moves all scores of a user alike.
    """

    encoder: str
    centre: Scores
    axes: Scores

    def turn(self, items: Scores) -> Scores:
        """What is particular to each item, at unit length. items: float64 (n, text); the result likewise."""
        rows = items - self.centre
        rows -= (rows @ self.axes.T) @ self.axes
        lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
        turned: Scores = rows / np.maximum(lengths, EPSILON)
        return turned

    @property
    def packed(self) -> tuple[Packed, tuple[Packed, ...]]:
        return pack(self.centre), tuple(pack(axis) for axis in self.axes)


def unpacked(encoder: str, centre: Packed | None, axes: Sequence[Packed]) -> Frame | None:
    if centre is None:
        return None
    mean = unpack(centre).astype(np.float64)
    rows = np.array([unpack(axis) for axis in axes], np.float64).reshape(len(axes), mean.size)
    return Frame(encoder, mean, rows)


def fit(encoder: str, texts: Sequence[Half]) -> Frame | None:
    """The frame of these items' text vectors, float16 (text,) each; None where there are too few."""
    if len(texts) < FEWEST:
        return None
    rows = np.array(texts, np.float64)
    centre: Scores = rows.mean(axis=0)
    rows -= centre
    _, axes = np.linalg.eigh(rows.T @ rows)  # ascending eigenvalues
    return Frame(encoder, centre, np.ascontiguousarray(axes[:, -AXES:].T))
