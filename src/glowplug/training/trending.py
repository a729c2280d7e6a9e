"""How much the popularity of the day counts beside a head: the more, the less is known of a user.

A head has learned the popularity of its training data, and of an item that came later only what its description
promises. What is being liked this week it cannot know; the priors of the recommender do (ranking.priors). They get
the weight that would have served the latest training interactions best.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glowplug.ratio import ratio
from glowplug.training.arrays import Indices, Wide
from glowplug.training.tasks import TASTE_FROM

# Things known of a user at which a weight of its own begins: nothing; one; several; taste speaks; it is sure.
STEPS = (0, 1, 3, TASTE_FROM, 20)
# Beside learned scores with the spread of cosines, .07, and popularity from 0 to 1: from silent to all there is.
GRID = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 4.0, 8.0, 16.0)
LEAST_USERS = 20  # of fewer the standard error itself is luck


@dataclass(frozen=True, slots=True)
class Trending:
    """weights: (things known of a user, weight from there on), ascending. spread: standard deviation of popularity
    over items."""

    weights: tuple[tuple[int, float], ...] = ()
    spread: float = 0.0

    def of(self, known: int) -> float:
        """The weight for a user of whom so much is known; 0 where nothing was found."""
        at = bisect_right(self.weights, known, key=lambda step: step[0]) - 1
        return self.weights[at][1] if at >= 0 else 0.0


@dataclass(frozen=True, slots=True)
class Played:
    """Likes that were played. user, known: int64 (n,), whose they were, and how much was known of them. values:
    float64 (n, len(GRID)), what the list with each weight was worth. hits: likewise, whether it held the like."""

    user: Indices
    known: Indices
    values: Wide
    hits: Wide


@dataclass(frozen=True, slots=True)
class Found:
    """Of users with at least `known` things: the weight, and how often their lists held the next like without and
    with it. The likes are those that it was chosen on."""

    known: int
    weight: float
    likes: int
    without: float
    beside: float


def chosen(played: Played) -> tuple[Found, ...]:
    """One a step. Of each the weight with the greatest gain at the lower end of its 95% interval, and never less
    than of those of whom more is known: what holds for everybody is no worse a guess for a stranger."""
    step = np.searchsorted(STEPS, played.known, side="right") - 1
    of_step = [step == at for at in range(len(STEPS))]
    best = np.array([_surest(played.user[mine], played.values[mine]) for mine in of_step])
    best = np.maximum.accumulate(best[::-1])[::-1]
    found = []
    for known, mine, column in zip(STEPS, of_step, best, strict=True):
        without, beside = (_mean(played.hits[mine, at]) for at in (0, int(column)))
        found.append(Found(known, GRID[column], int(mine.sum()), without, beside))
    return tuple(found)


def trending(steps: Sequence[Found], popularity: Wide) -> Trending:
    """popularity: float64 (items,), of the latest day."""
    return Trending(tuple((step.known, step.weight) for step in steps), float(popularity.std()))


def _surest(user: Indices, values: Wide) -> int:
    """Column of `values` (n, weights)."""
    names, place = np.unique(user, return_inverse=True)
    if len(names) < LEAST_USERS:
        return 0
    ahead = np.zeros((len(names), values.shape[1]))
    np.add.at(ahead, place, values - values[:, :1])
    gain, margin = ratio(np.bincount(place), ahead)
    return int(np.argmax(gain - margin))


def _mean(values: Sequence[float] | Wide) -> float:
    return float(np.mean(values)) if len(values) else 0.0
