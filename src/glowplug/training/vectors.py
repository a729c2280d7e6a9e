"""Learned vectors as they are served: float16, rows no longer than 1, one exact inner product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from glowplug.index.exact import exact_scores
from glowplug.training.arrays import Floats, Wide
from glowplug.training.ranked import Scorer
from glowplug.vectors import Half

BLOCK = 8_192  # rows in float64 at once: some tens of megabytes


@dataclass(frozen=True, slots=True)
class Served:
    """users: float16 (n, d), of unit length or zero. items: float16 (m, d), none longer than 1."""

    users: Half
    items: Half


@dataclass(frozen=True, slots=True)
class Rounding:
    """How rows of a block become float16. balance: float64 (d,). longest: what items are divided by.

    A user's own factor and one factor for all items change no list; so nothing is lost but rounding. All is
    computed in float64, row by row: a row has the same bits alone, among others, in training and in serving.
    """

    balance: Wide
    longest: float

    def users(self, rows: Floats | Wide) -> Half:
        """float16 (n, d). rows: (n, d)."""
        out = np.empty(rows.shape, np.float16)
        for part in _parts(len(rows)):
            left = rows[part].astype(np.float64) / self.balance
            lengths = _lengths(left)
            out[part] = left / np.where(lengths > 0, lengths, 1)
        return out

    def items(self, rows: Floats | Wide) -> Half:
        """float16 (m, d); one that would be longer than the longest of training is as long as that."""
        out = np.empty(rows.shape, np.float16)
        for part in _parts(len(rows)):
            right = rows[part].astype(np.float64) * self.balance / self.longest
            out[part] = right / np.maximum(_lengths(right), 1)
        return out


def rounding(users: Floats | Wide, items: Floats | Wide) -> Rounding:
    """Columns are balanced, so that both sides are equally large in each and float16 rounds both alike."""
    of_users, of_items = np.sqrt((users**2).mean(axis=0)), np.sqrt((items**2).mean(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        balance = np.sqrt(of_users / of_items)
    balance = np.where(np.isfinite(balance) & (balance > 0), balance, 1.0).astype(np.float64)
    longest = max((float(_lengths(items[part] * balance).max()) for part in _parts(len(items))), default=0.0)
    return Rounding(balance, longest or 1.0)


def served(users: Floats | Wide, items: Floats | Wide, by: Rounding | None = None) -> Served:
    """by: of the rows that were trained on; None: of all of these."""
    by = by or rounding(users, items)
    return Served(by.users(users), by.items(items))


def scorer(vectors: Served) -> Scorer:
    """vectors: users and items of the data set by row."""
    return lambda task, rows: exact_scores(vectors.users[task.users[rows]], vectors.items[task.items])


def _parts(rows: int) -> Iterator[slice]:
    return (slice(at, at + BLOCK) for at in range(0, rows, BLOCK))


def _lengths(rows: Wide) -> Wide:
    """float64 (n, 1)."""
    found: Wide = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return found
