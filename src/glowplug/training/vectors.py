"""Learned vectors as they are served: float16, rows no longer than 1, one exact inner product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glowplug.index.exact import exact_scores
from glowplug.training.arrays import Floats
from glowplug.training.ranked import Scorer
from glowplug.vectors import Half


@dataclass(frozen=True, slots=True)
class Served:
    """users: float16 (n, d), of unit length or zero. items: float16 (m, d), the longest of unit length."""

    users: Half
    items: Half


def served(users: Floats, items: Floats) -> Served:
    """A user's own factor and one factor for all items change no list; so nothing is lost but rounding.

    Columns are balanced first, so that both sides are equally large in each and float16 rounds both alike.
    """
    of_users, of_items = np.sqrt((users**2).mean(axis=0)), np.sqrt((items**2).mean(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        balance = np.sqrt(of_users / of_items)
    balance = np.where(np.isfinite(balance) & (balance > 0), balance, 1.0)
    left, right = users / balance, items * balance
    lengths = np.linalg.norm(left, axis=1, keepdims=True)
    longest = float(np.linalg.norm(right, axis=1).max(initial=0)) or 1.0
    return Served(
        (left / np.where(lengths > 0, lengths, 1)).astype(np.float16), (right / longest).astype(np.float16)
    )


def scorer(vectors: Served) -> Scorer:
    """vectors: users and items of the data set by row."""
    return lambda task, rows: exact_scores(vectors.users[task.users[rows]], vectors.items[task.items])
