"""Behaviour as factors: the interaction matrix, smoothed over similar items, as users' and items' vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from glowplug.training.arrays import Floats, Indices, Mask, Sparse
from glowplug.training.behaviour import DENSE_ITEMS, ease, neighbours
from glowplug.training.dataset import Dataset

RANKS = (64, 128, 256)  # columns of the block; past the last an index would grow more than lists gain
POWERS = 4  # passes over the matrix: enough for singular values that fall slowly (Halko et al. 2011, section 1.6)
SMOOTHED_OVER = 50  # neighbours, where there are too many items for EASE: each pass costs items x these x columns
SUMMED_AT_ONCE = 8_192  # users, in float64
KEPT_BYTES = 600_000_000  # of factors by different smoothing: three of 100,000 users and 50,000 items
SPARE = 10  # columns sampled beyond those kept, the same paper's advice


@dataclass(frozen=True, slots=True)
class Factors:
    """users: float32 (users, rank). items: float32 (items, rank), zero for those without training interactions.

    inputs: float32 (items, rank): a user's row is the sum of the inputs of what they dealt with, 1 for a yes and
    `weak` for the others, so that a user who does something new is one addition away.
    """

    users: Floats
    items: Floats
    inputs: Floats

    @property
    def bytes(self) -> int:
        return self.users.nbytes + self.items.nbytes + self.inputs.nbytes


class Behaviour:
    """Factors U F' of Y = R + w R B, by how it is smoothed; each computed once.

    R: training interactions, 1 for a yes and `weak` for the others. B: EASE, or item neighbours where there are
    more than DENSE_ITEMS items. Singular values are shared evenly between both sides.
    """

    def __init__(self, data: Dataset, train: Mask) -> None:
        self.data, self.train = data, train
        self._smooth: dict[tuple[float, float], tuple[Indices, Sparse, Floats | Sparse]] = {}
        self._known: dict[tuple[float, float, float], Factors] = {}

    def factors(self, weak: float, ridge: float, smoothing: float) -> Factors:
        key = (weak, ridge, smoothing)
        found = self._known.pop(key, None) or self._factors(*key)
        self._known[key] = found  # last: of many, those asked for longest ago go
        while len(self._known) > 1 and sum(one.bytes for one in self._known.values()) > KEPT_BYTES:
            del self._known[next(iter(self._known))]
        return found

    def spread(self, rows: Floats, weak: float, ridge: float, smoothing: float) -> Floats:
        """float32 (items, d): (I + w B) rows, so that R times it is Y times `rows`, (items, d)."""
        met, _, weights = self._parts(weak, ridge)
        out: Floats = rows.astype(np.float32, copy=True)
        if smoothing:
            out[met] += smoothing * (weights @ rows[met])
        return out

    def _parts(self, weak: float, ridge: float) -> tuple[Indices, Sparse, Floats | Sparse]:
        """Items met, interactions with them, and their similarity."""
        key = (weak, ridge)
        if key not in self._smooth:
            matrix = self.data.matrix(self.train, weak)
            met = np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]))
            inner = matrix[:, met]
            similar = ease(inner, ridge) if len(met) <= DENSE_ITEMS else neighbours(inner, keep=SMOOTHED_OVER)
            self._smooth = {key: (met, inner, similar)}  # one at a time: it can be the largest thing held
        return self._smooth[key]

    def _factors(self, weak: float, ridge: float, smoothing: float) -> Factors:
        met, inner, weights = self._parts(weak, ridge)
        is_large = len(met) > DENSE_ITEMS
        # The directions of another smoothing are nearly these: from them one pass is enough.
        last = next(reversed(self._known.values()), None) if is_large else None
        right = factorised(
            lambda x: inner @ (x + smoothing * (weights @ x)),
            lambda x: (back := inner.T @ x) + smoothing * (weights.T @ back),
            inner.shape,
            powers=POWERS if not is_large else POWERS // 2 if last is None else 0,
            start=None if last is None else last.items[met],
        )[1]
        # Y = U S V', so U sqrt(S) = Y V / sqrt(S) = R (V + w B V) / sqrt(S), and `right` is V sqrt(S).
        back = right / np.maximum((right**2).sum(axis=0), 1e-12)
        items, inputs = (np.zeros((len(self.data.items), right.shape[1]), np.float32) for _ in range(2))
        items[met], inputs[met] = right, back + smoothing * (weights @ back)
        return Factors(summed(inner, inputs[met]), items, inputs)


def summed(matrix: Sparse, inputs: Floats) -> Floats:
    """float32 (users, d): matrix, csr (users, items), times inputs. Summed in float64: in every order the same
    bits."""
    out = np.empty((matrix.shape[0], inputs.shape[1]), np.float32)
    wide = inputs.astype(np.float64)
    for at in range(0, len(out), SUMMED_AT_ONCE):
        out[at : at + SUMMED_AT_ONCE] = matrix[at : at + SUMMED_AT_ONCE].astype(np.float64) @ wide
    return out


def factorised(
    forth: Callable[[Floats], Floats],
    back: Callable[[Floats], Floats],
    shape: tuple[int, int],
    powers: int = POWERS,
    start: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Randomised SVD (Halko, Martinsson & Tropp 2011, SIAM Review 53:217) of a matrix given by its products. start:
    (columns, any) that span nearly the right directions, in place of random ones."""
    width = min(max(RANKS), min(shape))
    if start is None:
        columns = (shape[1], min(width + SPARE, min(shape)))
        start = np.random.default_rng(0).standard_normal(columns).astype(np.float32)
    basis = orthonormal(forth(start))
    for _ in range(powers):
        basis = orthonormal(forth(orthonormal(back(basis))))
    projected = back(basis)
    turned = orthonormal(projected)  # so that a small square is decomposed, however many columns there are
    right, sizes, left = linalg.svd(turned.T @ projected)
    roots = np.sqrt(sizes[:width])
    users, items = basis @ left[:width].T * roots, turned @ right[:, :width] * roots
    return users.astype(np.float32), items.astype(np.float32)


def orthonormal(columns: Floats) -> Floats:
    """float32 (rows, n): an orthonormal basis of the columns (rows, n), rows >= n.

    By the Cholesky factor of their Gram matrix, twice (CholeskyQR2, Fukaya et al. 2014, ScalA): matrix products, on
    tall matrices three times as fast as Householder's reflections, which take over where columns nearly depend.
    """
    basis = columns.astype(np.float32)
    try:
        for _ in range(2):
            factor = linalg.cholesky((basis.T @ basis).astype(np.float64))
            basis = basis @ linalg.inv(factor).astype(np.float32)
    except linalg.LinAlgError:
        basis = linalg.qr(columns, mode="economic")[0].astype(np.float32)
    return basis
