"""Models of behaviour alone: item neighbours, EASE, and what they make of an interaction matrix."""

from __future__ import annotations

import itertools

import numpy as np
import scipy.sparse as sparse
from scipy import linalg

from glowplug.training.arrays import Floats, Sparse

# O(items^3) time and items^2 memory: half a minute of two cores and .8 GB at so many; beyond it neighbours take
# EASE's place.
DENSE_ITEMS = 10_000
NEIGHBOURS = 200  # of an item; the usual range is 50 to 500, and memory is proportional


def ease(matrix: Sparse, ridge: float) -> Floats:
    """float32 (items, items), zero diagonal: EASE (Steck 2019, WWW), B = I - P / diag(P), P = (X'X + ridge I)^-1.

    ridge: as a multiple of the mean likes of an item, so that one value fits data sets of any density.
    """
    gram: Floats = (matrix.T @ matrix).toarray().astype(np.float32)
    gram[np.diag_indices_from(gram)] += max(ridge * float(gram.diagonal().mean()), 1e-3)
    # Symmetric and positive definite: by Cholesky, in half the time of a general inverse.
    factor, _ = linalg.lapack.spotrf(gram.T, lower=True, clean=True, overwrite_a=True)
    inverse, _ = linalg.lapack.spotri(factor, lower=True, overwrite_c=True)
    inverse += np.tril(inverse, -1).T
    weights: Floats = np.ascontiguousarray(-inverse / inverse.diagonal())
    np.fill_diagonal(weights, 0)
    return weights


def neighbours(matrix: Sparse, shrink: float = 10.0, keep: int = NEIGHBOURS) -> Sparse:
    """float32 csr (items, items): cosine of co-likes, shrunk towards 0 where few liked both (Bell & Koren 2007),
    the `keep` greatest of each row. Rows in blocks, so that memory stays bounded."""
    by_item = sparse.csr_array(matrix.T)
    norms = np.sqrt(np.asarray(by_item.multiply(by_item).sum(axis=1)).ravel())
    step = max(1, 20_000_000 // max(matrix.shape[1], 1))
    blocks = []
    for start in range(0, by_item.shape[0], step):
        together = sparse.csr_array(by_item[start : start + step] @ matrix, dtype=np.float32)
        row = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
        together.data /= norms[row + start] * norms[together.indices] + np.float32(shrink)
        together.data[row + start == together.indices] = 0
        blocks.append(_greatest(together, keep))
    return sparse.csr_array(sparse.vstack(blocks), dtype=np.float32)


def _greatest(matrix: Sparse, most: int) -> Sparse:
    """The `most` greatest of each row, above 0; a row is partitioned, not sorted: it can hold most of the items."""
    kept = matrix.data > 0
    for start, end in itertools.pairwise(matrix.indptr):
        if end - start > most:
            values = matrix.data[start:end]
            kept[start:end][np.argpartition(values, len(values) - most)[:-most]] = False
    counts = np.add.reduceat(np.r_[kept, False], matrix.indptr[:-1]) * (np.diff(matrix.indptr) > 0)
    indptr = np.r_[0, np.cumsum(counts)]
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
