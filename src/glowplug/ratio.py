"""By how much one is ahead per test, where the tests of one user hang together, so that users are what is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TWO_SIDED_95 = 1.96  # standard errors


def ratio(tests: NDArray[np.int64], ahead: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and half-width of its 95% interval, float64 (...), 0 wide for a single user.

    tests: int64 (users,), of each; ahead: float64 (users, ...), by how much, all tests together. The ratio
    estimator's linearised variance: Cochran, Sampling Techniques, 6.3.
    """
    n, whole = len(tests), max(int(tests.sum()), 1)
    mean: NDArray[np.float64] = np.asarray(ahead.sum(axis=0) / whole)
    if n < 2:
        return mean, np.zeros_like(mean)
    expected = tests.reshape(-1, *[1] * (ahead.ndim - 1)) * mean
    squares = ((ahead - expected) ** 2).sum(axis=0)
    return mean, np.asarray(TWO_SIDED_95 * np.sqrt(n / (n - 1) * squares) / whole)
