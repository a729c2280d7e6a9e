"""Models of behaviour alone: item neighbours, EASE, and what they make of an interaction matrix."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from scipy import linalg

from glowplug.training.arrays import Floats, Sparse

DENSE_ITEMS = (
    20_000  # O(items^3) time and items^2 memory: 1.6 GB in float32; beyond it neighbours take EASE's place
)
NEIGHBOURS = 200  # of an item; the usual range is 50 to 500, and memory is proportional


def ease(matrix: Sparse, ridge: float) -> Floats:
    """float32 (items, items), zero diagonal: EASE (Steck 2019, WWW), B = I - P / diag(P), P = (X'X + ridge I)^-1.

    ridge: as a multiple of the mean likes of an item, so that one value fits data sets of any density.
    """
    gram: Floats = (matrix.T @ matrix).toarray().astype(np.float32)
    gram[np.diag_indices_from(gram)] += max(ridge * float(gram.diagonal().mean()), 1e-3)
    inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
    weights: Floats = -inverse / inverse.diagonal()
    np.fill_diagonal(weights, 0)
    return weights.astype(np.float32)


def neighbours(matrix: Sparse, shrink: float = 10.0, keep: int = NEIGHBOURS) -> Sparse:
    """float32 csr (items, items): cosine of co-likes, shrunk towards 0 where few liked both (Bell & Koren 2007),
    the `keep` greatest of each row. Rows in blocks, so that memory stays bounded."""
    by_item = sparse.csr_array(matrix.T)
    norms = np.sqrt(np.asarray(by_item.multiply(by_item).sum(axis=1)).ravel())
    step = max(1, 50_000_000 // max(matrix.shape[1], 1))
    blocks = []
    for start in range(0, by_item.shape[0], step):
        together = sparse.csr_array(by_item[start : start + step] @ matrix).tocoo()
        row, col = together.row, together.col
        value = together.data / (norms[row + start] * norms[col] + shrink)
        value[row + start == col] = 0
        blocks.append(_greatest(row, col, value, (together.shape[0], matrix.shape[1]), keep))
    return sparse.csr_array(sparse.vstack(blocks), dtype=np.float32)


def _greatest(row: Floats, col: Floats, value: Floats, shape: tuple[int, int], most: int) -> Sparse:
    order = np.lexsort((-value, row))
    row, col, value = row[order], col[order], value[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    keep = (rank < most) & (value > 0)
    return sparse.csr_array((value[keep].astype(np.float32), (row[keep], col[keep])), shape=shape)
