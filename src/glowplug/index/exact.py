"""The score that decides, and how far a float32 nomination can be from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glowplug.vectors import Half

Scores = NDArray[np.float64]
Single = NDArray[np.float32]

# float32 has 24 significant bits: one rounding errs by at most 2^-24 of the result.
UNIT_ROUNDOFF = 2.0**-24


def exact_scores(users: Half | Single, items: Half | Single) -> Scores:
    """Dot products, float64 (users, items), of float16 values with components in [-1, 1].

    A product of two such numbers is a multiple of 2^-48. While every partial sum stays below 32, as it does for
    vectors whose norms multiply to less than that, it fits the 53 bits of a float64: no rounding happens, so every
    order of summation (GEMM, GEMV, loop, fused or not) gives the same bits.
    """
    return users.astype(np.float64) @ items.astype(np.float64).T


def nomination_error(dim: int, norms: float | Scores) -> float | Scores:
    """Bound of |float32 score - exact score|, where `norms` is the product of the two vectors' norms.

    Higham, Accuracy and Stability of Numerical Algorithms (2002), section 3.1: |error| <= nu / (1 - nu) * |x|.|y|,
    and |x|.|y| <= norm(x) norm(y). Doubled, since conversions and blocked sums of a library are not ours to count.
    """
    n_u = dim * UNIT_ROUNDOFF
    return 2 * n_u / (1 - n_u) * norms


def best_first(scores: Scores, ids: Sequence[bytes]) -> list[int]:
    """Positions by descending score; ties go to the smaller id by bytes."""
    return sorted(range(len(ids)), key=lambda at: (-scores[at], ids[at]))
