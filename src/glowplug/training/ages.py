"""How old an item was when somebody liked it, and how much of what was liked at each age the lists hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glowplug.training.arrays import Indices, Mask, Wide
from glowplug.training.dataset import Dataset
from glowplug.training.ranked import Ranked
from glowplug.training.tasks import Task

HOUR, DAY = 3_600.0, 86_400.0
STEPS: tuple[tuple[str, float], ...] = (
    ("1 hour", HOUR),
    ("1 day", DAY),
    ("1 week", 7 * DAY),
    ("1 month", 30 * DAY),
    ("3 months", 91 * DAY),
    ("6 months", 182 * DAY),
    ("1 year", 365 * DAY),
    ("3 years", 3 * 365 * DAY),
)
LEAST_SHARE = 0.05  # of the right answers; a band with fewer joins the next
NEW = "not met in training"


@dataclass(frozen=True, slots=True)
class Bands:
    """upper: seconds, the last one infinite; labels: one a band. Items that training did not meet are a band of
    their own, before the others."""

    upper: tuple[float, ...]
    labels: tuple[str, ...]

    def of(self, ages: Wide, met: Mask) -> Indices:
        """int64: 0 for what was not met, else 1 + the band of the age."""
        return np.where(met, 1 + np.searchsorted(self.upper, ages), 0)


class Ages:
    """Seconds from an item's first interaction in the data to each other one."""

    def __init__(self, data: Dataset) -> None:
        self._width = len(data.items)
        first = np.full(len(data.items), np.inf)
        np.minimum.at(first, data.item, data.time)
        pair = data.user * self._width + data.item
        order = np.argsort(pair)
        self._pair, self._age = pair[order], (data.time - first[data.item])[order]

    def asked(self, task: Task) -> tuple[Indices, Indices, Wide]:
        """Of each right answer: row and column of the task, and the item's age at that like."""
        relevant = task.relevant.tocoo()
        pair = task.users[relevant.row] * self._width + task.items[relevant.col]
        return relevant.row, relevant.col, self._age[np.searchsorted(self._pair, pair)]


def bands(ages: Wide) -> Bands:
    """As many of STEPS as leave each band its share of `ages`."""
    upper: list[float] = []
    labels: list[str] = []
    below, last = 0.0, ""
    for label, limit in STEPS:
        share = float((ages <= limit).mean()) if len(ages) else 0.0
        if share - below >= LEAST_SHARE and 1 - share >= LEAST_SHARE:
            upper.append(limit)
            labels.append(f"{last} to {label}" if last else f"up to {label}")
            below, last = share, label
    return Bands((*upper, np.inf), (*labels, f"over {last}" if last else "met in training"))


def recall_by_band(ranked: Ranked, rows: Indices, columns: Indices, band: Indices, count: int) -> list[Wide]:
    """Of each band, recall of those users who have a right answer in it: float64 (such users,) each."""
    n, width = len(ranked.listed), int(max(columns.max(initial=0), ranked.listed.max(initial=0))) + 1
    listed = np.sort((np.arange(n)[:, None] * width + ranked.listed).ravel())
    pair = rows * width + columns
    found = listed[np.minimum(np.searchsorted(listed, pair), len(listed) - 1)] == pair
    return [_recall(rows[band == one], found[band == one], n) for one in range(count)]


def _recall(rows: Indices, found: Mask, n: int) -> Wide:
    asked, right = np.bincount(rows, minlength=n), np.bincount(rows[found], minlength=n)
    recall: Wide = right[asked > 0] / asked[asked > 0]
    return recall


def pooled(parts: Sequence[Wide]) -> list[Wide]:
    """Without draws in which nobody is asked."""
    return [part for part in parts if len(part)]
