"""Paired bootstrap: how sure a mean is, and a lead over another model on the same users and draws.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), percentile intervals. Draws (seeds of a split) are
resampled first and users within them second, because two draws of cold items differ more than two users do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glowplug.training.arrays import Wide

RESAMPLES = 1_000  # the ends of a 95% interval then move by about a twentieth of its width
LEVEL = 0.95


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
    rng = np.random.default_rng(seed)
    means = np.empty((RESAMPLES, len(groups)))
    for at, values in enumerate(groups):
        means[:, at] = _resampled(values, rng)
    mixed = means.mean(axis=1)
    if len(groups) > 1:
        picks = rng.integers(len(groups), size=(RESAMPLES, len(groups)))
        mixed = np.take_along_axis(means, picks, axis=1).mean(axis=1)
    low, high = np.quantile(mixed, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(np.mean([values.mean() for values in groups])), float(low), float(high))


def _resampled(values: Wide, rng: np.random.Generator) -> Wide:
    """float64 (RESAMPLES,), means of as many values drawn with replacement; a hundred at a time, for memory."""
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, 100):
        picks = rng.integers(len(values), size=(min(100, RESAMPLES - start), len(values)))
        means[start : start + len(picks)] = values[picks].mean(axis=1)
    return means
