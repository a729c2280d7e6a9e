"""The items that can be recommended, as rows that are searchable at once: the Index seam and its FAISS form."""

from __future__ import annotations

import hashlib
from typing import Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from glowplug.index.exact import Single
from glowplug.vectors import Half


class Index(Protocol):
    """Rows of float16 vectors by item id. Nominates by float32 scores; what decides is exact.exact_scores.

    Row numbers change when items are removed: they hold only until the next upsert or remove.
    """

    @property
    def dim(self) -> int: ...
    @property
    def ids(self) -> list[bytes]:
        """Item ids by row."""
        ...

    @property
    def hashes(self) -> list[int]:
        """item_hash by row."""
        ...

    def __len__(self) -> int: ...
    def __contains__(self, item_id: str) -> bool: ...
    def upsert(self, item_id: str, vector: Half) -> None:
        """Insert or replace. vector: float16 (dim,)."""

    def remove(self, item_id: str) -> None:
        """Unknown ids are no error: a delete may come twice."""

    def rows(self, rows: NDArray[np.int64] | list[int]) -> Half:
        """float16 (n, dim), a copy."""
        ...

    def row_of(self, item_id: str) -> int | None: ...
    def columns(self, columns: NDArray[np.int64]) -> Half:
        """float16 (rows, columns), a copy: these columns of all rows."""
        ...

    def write_columns(self, columns: slice, values: Half) -> None:
        """Replace these columns of all rows at once. values: float16 (rows, width)."""

    def nominate(self, users: Single, n: int) -> tuple[Single, NDArray[np.int64]]:
        """The n rows of the greatest float32 scores per user, descending: scores and rows, both (users, n)."""
        ...


def item_hash(item_id: str) -> int:
    """64 bits that stand for an item in seen sets: a wrong match needs billions of items."""
    return int.from_bytes(hashlib.blake2b(item_id.encode(), digest_size=8).digest(), "little")


class FaissIndex:
    """FAISS's flat fp16 scalar quantiser. Our vectors are float16, so the quantiser stores them as they are.

    It has no fast delete of its own (remove_ids moves everything behind the gap): a removed row is overwritten
    with the last one instead, in the index's own memory.
    """

    def __init__(self, dim: int) -> None:
        self._faiss = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        self._rows: dict[str, int] = {}
        self._dim = dim
        self.ids: list[bytes] = []
        self.hashes: list[int] = []

    @property
    def dim(self) -> int:
        return self._dim

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._rows

    def row_of(self, item_id: str) -> int | None:
        return self._rows.get(item_id)

    def upsert(self, item_id: str, vector: Half) -> None:
        row = self._rows.get(item_id)
        if row is not None:
            self._memory()[row] = vector
            return
        self._rows[item_id] = len(self.ids)
        self.ids.append(item_id.encode())
        self.hashes.append(item_hash(item_id))
        self._faiss.add(vector.astype(np.float32)[None])

    def remove(self, item_id: str) -> None:
        row = self._rows.pop(item_id, None)
        if row is None:
            return
        last_id, last_hash = self.ids.pop(), self.hashes.pop()
        if row < len(self.ids):
            memory = self._memory()
            memory[row] = memory[len(self.ids)]
            self.ids[row], self.hashes[row] = last_id, last_hash
            self._rows[last_id.decode()] = row
        self._faiss.codes.resize(len(self.ids) * self._faiss.code_size)
        self._faiss.ntotal = len(self.ids)

    def rows(self, rows: NDArray[np.int64] | list[int]) -> Half:
        if not len(self.ids):
            return np.empty((0, self._dim), np.float16)
        return self._memory()[rows]

    def columns(self, columns: NDArray[np.int64]) -> Half:
        return self._memory()[:, columns]

    def write_columns(self, columns: slice, values: Half) -> None:
        if len(self.ids):
            self._memory()[:, columns] = values

    def nominate(self, users: Single, n: int) -> tuple[Single, NDArray[np.int64]]:
        faiss.omp_set_num_threads(1)  # per thread: one query has nothing to share out, a second one would only wait
        scores, rows = self._faiss.search(users, n)
        return scores, rows

    def _memory(self) -> Half:
        """The index's own codes, float16 (rows, dim), writable; invalid after the next add or resize."""
        codes = faiss.rev_swig_ptr(self._faiss.codes.data(), self._faiss.codes.size())
        view: Half = codes.view(np.float16).reshape(self._faiss.ntotal, self._dim)
        return view
