"""Many vectors in little space: a byte for each number, or for a few (product quantisation: Jégou et al., "Product
Quantization for Nearest Neighbor Search", 2011)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glowplug.inference.encoder import Vectors, unit

CHUNK = 2_048  # rows that are decoded at once: what lies between is several times as large as the result


@dataclass(frozen=True, slots=True)
class Quantised:
    """codes: uint8 (n, parts). codebook: float32 (parts, 256, dim / parts), what each code of a part stands for."""

    codes: NDArray[np.uint8]
    codebook: NDArray[np.float32]

    def rows(self) -> Vectors:
        """float32 (n, dim), of unit length: in decoding directions are kept better than lengths."""
        parts, _, width = self.codebook.shape
        out = np.empty((len(self.codes), parts * width), np.float32)
        for at in range(0, len(out), CHUNK):
            decoded = self.codebook[np.arange(parts), self.codes[at : at + CHUNK]]
            out[at : at + CHUNK] = unit(decoded.reshape(-1, parts * width))
        return out


MIDDLE = 128  # the code of zero


@dataclass(frozen=True, slots=True)
class Scaled:
    """codes: uint8 (n, dim) of unit rows, whose cosines are kept to some thousandths."""

    codes: NDArray[np.uint8]

    @classmethod
    def of(cls, rows: Vectors) -> Scaled:
        largest = np.abs(rows).max(axis=1, keepdims=True, initial=np.finfo(np.float32).tiny)
        return cls((np.rint(rows / largest * (MIDDLE - 1)) + MIDDLE).astype(np.uint8))

    def rows(self) -> Vectors:
        """float32 (n, dim), of unit length."""
        out = np.empty(self.codes.shape, np.float32)
        for at in range(0, len(out), CHUNK):
            out[at : at + CHUNK] = unit(self.codes[at : at + CHUNK].astype(np.float32) - MIDDLE)
        return out
