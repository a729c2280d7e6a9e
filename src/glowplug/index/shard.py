"""The users of one instance as arrays: who does a changed item enter, and who is it best for (reverse top-k)?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glowplug.index.exact import Scores, Single, exact_scores, nomination_error
from glowplug.index.retrieve import ITEM_NORM
from glowplug.vectors import Half

CHUNK_USERS = 65_536  # a float32 score block of 64 items then takes 16 MB: it stays near the cache
CHUNK_PAIRS = (
    4_096  # pairs scored exactly at once: 25 MB of float64 rows, where all pairs of a block could be 10 GB
)
ABSENT = np.inf  # the floor of a free row: nothing enters


class Entry(NamedTuple):
    """`item` (position in the query) beats the k-th score of `user_id`, or ties with it."""

    user_id: str
    item: int
    score: float


class Shard:
    """User vectors and floors in rows, updated in place; a row stays with its user until removed."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._ids: list[str] = []
        self._vectors: Single = np.zeros((0, dim), np.float32)  # holds float16 values, exactly
        self._floors: Scores = np.zeros(0)
        self._partitions: NDArray[np.int32] = np.zeros(0, np.int32)

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, user_id: str, partition: int, vector: Half, floor: float) -> None:
        """floor: the k-th exact score of the user's list; -inf while the list has fewer than k items."""
        row = self._rows.get(user_id)
        if row is None:
            row = self._free.pop() if self._free else self._grow()
            self._rows[user_id] = row
            self._ids[row] = user_id
        self._vectors[row] = vector
        self._floors[row] = floor
        self._partitions[row] = partition

    def remove(self, user_id: str) -> None:
        row = self._rows.pop(user_id, None)
        if row is not None:
            self._vectors[row] = 0
            self._floors[row] = ABSENT
            self._free.append(row)

    def entering(self, items: Half) -> list[Entry]:
        """All pairs whose exact score is at least the user's floor. items: float16 (m, dim).

        A pair at the floor is a tie: the caller compares ids. Who has seen or blocked the item is not known here.
        """
        if not len(items) or not self._rows:
            return []
        found: list[Entry] = []
        singles = items.astype(np.float32)
        for start in range(0, len(self._ids), CHUNK_USERS):
            users = self._vectors[start : start + CHUNK_USERS]
            floors = self._floors[start : start + CHUNK_USERS]
            slack = nomination_error(self.dim, np.linalg.norm(users, axis=1).astype(np.float64) * ITEM_NORM)
            near = (users @ singles.T) >= (floors - slack)[:, None]
            rows, columns = np.nonzero(near)
            for at in range(0, len(rows), CHUNK_PAIRS):
                here, there = rows[at : at + CHUNK_PAIRS], columns[at : at + CHUNK_PAIRS]
                for row, column, score in zip(here, there, pair_scores(users[here], items[there]), strict=True):
                    if score >= floors[row]:
                        found.append(Entry(self._ids[start + row], int(column), float(score)))
        return found

    def audience(self, item: Half, partition: int, n: int) -> list[tuple[str, float]]:
        """The n users of the partition with the greatest exact score for `item`, float16 (dim,), best first."""
        rows = np.flatnonzero((self._partitions == partition) & (self._floors < ABSENT))
        if not rows.size or not n:
            return []
        users = self._vectors[rows]
        singles = users @ item.astype(np.float32)
        if rows.size > n:
            slack = nomination_error(self.dim, np.linalg.norm(users, axis=1).astype(np.float64) * ITEM_NORM)
            sure = np.partition(singles - slack, rows.size - n)[rows.size - n]
            keep = singles + slack >= sure
            rows, users = rows[keep], users[keep]
        scores = exact_scores(users, item[None])[:, 0]
        ranked = sorted(((-float(s), self._ids[row]) for s, row in zip(scores, rows, strict=True)))
        return [(user_id, -negative) for negative, user_id in ranked[:n]]

    def users_in(self, partition: int) -> int:
        return int(np.count_nonzero((self._partitions == partition) & (self._floors < ABSENT)))

    def _grow(self) -> int:
        """Doubles the arrays when full, so that a user costs amortised constant time."""
        row = len(self._ids)
        if row == len(self._floors):
            capacity = max(256, 2 * row)
            vectors = np.zeros((capacity, self.dim), np.float32)
            floors, partitions = np.full(capacity, ABSENT), np.zeros(capacity, np.int32)
            vectors[:row], floors[:row], partitions[:row] = self._vectors, self._floors, self._partitions
            self._vectors, self._floors, self._partitions = vectors, floors, partitions
        self._ids.append("")
        return row


def pair_scores(users: Half | Single, items: Half) -> Scores:
    """Exact dot products row by row, float64 (n,)."""
    scores: Scores = np.einsum("nd,nd->n", users.astype(np.float64), items.astype(np.float64))
    return scores
