"""One model on one task: its lists, and what each is worth, in blocks of users so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glowplug.training.arrays import Floats, Indices, Mask, Wide
from glowplug.training.metrics import METRICS, best, per_user
from glowplug.training.tasks import Task

BLOCK_SCORES = 10_000_000  # scores held at once: 80 MB in float64
Scorer = Callable[[Task, slice], Floats | Wide]
"""(task, rows) -> float (rows, candidates): scores for those of the task's users."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """values: float64 (users,) by metric. listed: int64 (users, k), columns among the task's candidates. hits: bool
    (users, k), which of them are right."""

    values: dict[str, Wide]
    listed: Indices
    hits: Mask


def rank(task: Task, scorer: Scorer, k: int) -> Ranked:
    n, m = task.relevant.shape
    k = min(k, m)
    step = max(1, BLOCK_SCORES // m)
    listed = np.empty((n, k), np.int64)
    right = np.empty((n, k), bool)
    values = {name: np.empty(n) for name in METRICS}
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        scores: NDArray[np.floating] = np.array(scorer(task, rows))
        hidden, relevant = task.hidden[rows].tocoo(), task.relevant[rows]
        scores[hidden.row, hidden.col] = -np.inf
        listed[rows] = best(scores, k)
        right[rows] = np.take_along_axis(relevant.toarray() > 0, listed[rows], axis=1)
        candidates = m - np.diff(task.hidden[rows].indptr)
        for name, found in per_user(right[rows], np.diff(relevant.indptr), candidates).items():
            values[name][rows] = found
    return Ranked(values, listed, right)
