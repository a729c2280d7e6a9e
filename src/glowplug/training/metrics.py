"""Full-ranking metrics, one value per user, at a cut-off k.

Definitions as in trec_eval (recall, P, ndcg_cut, recip_rank, success): the tests compare with it. Gains are binary.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from glowplug.training.arrays import Indices, Mask, Wide

METRICS = ("recall", "ndcg", "precision", "mrr", "hit", "accuracy")


def best(scores: NDArray[np.floating], k: int) -> Indices:
    """int64 (n, min(k, m)): columns of the greatest scores, best first; ties go to the smaller column.

    scores: (n, m), -inf for what must not be listed; such columns may still appear where too few are left.
    """
    m = scores.shape[1]
    if k >= m:
        everything: Indices = np.argsort(-scores, axis=1, kind="stable")
        return everything
    # Three times as fast as NumPy's partition, and this is where most of an evaluation's time goes.
    greatest = torch.topk(torch.from_numpy(np.require(scores, requirements=("C", "W"))), k)
    columns, least = greatest.indices.numpy(), greatest.values[:, -1].numpy()
    tied = np.flatnonzero((scores >= least[:, None]).sum(axis=1) > k)
    for row in tied:  # of several equal scores topk takes any
        columns[row] = np.argsort(-scores[row], kind="stable")[:k]
    columns.sort(axis=1)
    order = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    ranked: Indices = np.take_along_axis(columns, order, axis=1)
    return ranked


def per_user(hits: Mask, relevant: Indices, candidates: Indices) -> dict[str, Wide]:
    """float64 (n,) by metric.

    hits: bool (n, k), the list's places that are right. relevant: int64 (n,), right answers of each user, at least
    1. candidates: int64 (n,), items that could have been listed.
    """
    k = hits.shape[1]
    found = hits.sum(axis=1)
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.r_[0.0, np.cumsum(discount)][np.minimum(relevant, k)]
    first = np.where(found > 0, hits.argmax(axis=1) + 1, np.inf)
    return {
        "recall": found / relevant,
        "ndcg": (hits * discount).sum(axis=1) / ideal,
        "precision": found / k,
        "mrr": 1 / first,
        "hit": (found > 0).astype(np.float64),
        "accuracy": (candidates - k - relevant + 2 * found) / candidates,  # right decisions: listed or not
    }
