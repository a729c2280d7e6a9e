"""The Index seam in the plainest way: the oracle that the FAISS form is held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glowplug.index.exact import Single
from glowplug.index.items import item_hash
from glowplug.vectors import Half


class PlainIndex:
    """A dict of rows; nominates by sorting every score."""

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._vectors: dict[str, Half] = {}

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def ids(self) -> list[bytes]:
        return [item_id.encode() for item_id in self._vectors]

    @property
    def hashes(self) -> list[int]:
        return [item_hash(item_id) for item_id in self._vectors]

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._vectors

    def upsert(self, item_id: str, vector: Half) -> None:
        self._vectors[item_id] = vector.copy()

    def remove(self, item_id: str) -> None:
        self._vectors.pop(item_id, None)

    def rows(self, rows: NDArray[np.int64] | list[int]) -> Half:
        return self._matrix()[rows]

    def row_of(self, item_id: str) -> int | None:
        return list(self._vectors).index(item_id) if item_id in self._vectors else None

    def columns(self, columns: NDArray[np.int64]) -> Half:
        return self._matrix()[:, columns]

    def write_columns(self, columns: slice, values: Half) -> None:
        for vector, value in zip(self._vectors.values(), values, strict=True):
            vector[columns] = value

    def nominate(self, users: Single, n: int) -> tuple[Single, NDArray[np.int64]]:
        scores = users @ self._matrix().astype(np.float32).T
        rows = np.argsort(-scores, axis=1, kind="stable")[:, :n]
        return np.take_along_axis(scores, rows, axis=1), rows

    def _matrix(self) -> Half:
        return np.array(list(self._vectors.values()), np.float16).reshape(len(self), self._dim)
