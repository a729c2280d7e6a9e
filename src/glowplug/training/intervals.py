"""Paired bootstrap: how sure a mean is, and a lead over another model on the same users and draws.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), percentile intervals. Draws (seeds of a split) are
resampled first and users within them second, because two draws of cold items differ more than two users do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from glowplug.training.arrays import Floats, Wide

RESAMPLES = 1_000  # the ends of a 95% interval then move by about a twentieth of its width
LEVEL = 0.95
FOLDS_KEPT = 5  # draws of a task, by default


@dataclass(frozen=True, slots=True)
class Interval:
    mean: float
    low: float
    high: float


def interval(draws: Sequence[Wide], *, pooled: bool, seed: int = 0) -> Interval:
    """draws: one float64 array of per-user values (or paired differences) each.

    pooled: the draws are parts of one population (folds), not repeats of an experiment: only users are resampled.
    """
    groups = [np.concatenate(draws)] if pooled else list(draws)
    means = np.empty((RESAMPLES, len(groups)))
    for at, values in enumerate(groups):
        means[:, at] = _counts(len(values), seed + at) @ values.astype(np.float32) / len(values)
    mixed = means.mean(axis=1)
    if len(groups) > 1:
        picks = np.random.default_rng(seed).integers(len(groups), size=(RESAMPLES, len(groups)))
        mixed = np.take_along_axis(means, picks, axis=1).mean(axis=1)
    low, high = np.quantile(mixed, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(np.mean([values.mean() for values in groups])), float(low), float(high))


def over_parts(parts: Sequence[Wide], seed: int = 0) -> Interval:
    """Of the mean of the parts' means. The parts are what they are; users are resampled within each."""
    means = np.zeros(RESAMPLES)
    for at, values in enumerate(parts):
        means += _counts(len(values), seed + at) @ values.astype(np.float32) / (len(values) * len(parts))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(np.mean([values.mean() for values in parts])), float(low), float(high))


@lru_cache(maxsize=FOLDS_KEPT)
def _counts(n: int, seed: int) -> Floats:
    """float32 (RESAMPLES, n): how often each of n values is drawn, with replacement. The same for every metric and
    model of a task."""
    rng = np.random.default_rng(seed)
    found = np.empty((RESAMPLES, n), np.float32)
    for row in found:
        row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
    return found
