"""A user's exact top-k: nominated by the index, decided by the exact score."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

import numpy as np

from glowplug.index.exact import Scores, best_first, exact_scores, nomination_error
from glowplug.index.items import Index
from glowplug.vectors import Half

NARROW = 4  # nonzero columns of a user of whom no text is known
SPARE = 16  # nominees beyond k: most certificates hold at the first try
WIDEN = 4  # and those that do not, at the second or third
ITEM_NORM = 7.0**0.5  # a unit text block, two learned ones no longer, and four prior columns of at most 1


class Hit(NamedTuple):
    """One item of a raw list. Lists are ordered by (-score, id bytes)."""

    item_id: str
    score: float


def top_k(
    index: Index, user: Half, k: int, seen: Container[int] = (), blocked: Container[str] = (), excluded: int = 0
) -> tuple[Hit, ...]:
    """The k best items for `user`, float16 (dim,), by exact score, without those seen (hashes) or blocked (ids).

    excluded: how many items `seen` and `blocked` name at most, so that the first search fetches enough.
    Certified: what was not nominated has a float32 score of at most the last nominee's, so its exact score cannot
    exceed that by more than `nomination_error`; the search widens until the k-th exact score lies above.
    """
    narrow = np.flatnonzero(user)
    if len(narrow) <= NARROW:
        # Priors alone: many items tie, so that no certificate holds, and a few columns are scored as they are.
        scores = exact_scores(user[None, narrow], index.columns(narrow))[0]
        return _best(scores, index, k, seen, blocked)
    query = user.astype(np.float32)[None]
    error = float(nomination_error(index.dim, float(np.linalg.norm(query)) * ITEM_NORM))
    n = min(k + excluded + SPARE, len(index))
    while n:
        singles, rows = index.nominate(query, n)
        eligible = [
            int(row)
            for row in rows[0]
            if index.hashes[row] not in seen and (not blocked or index.ids[row].decode() not in blocked)
        ]
        scores = exact_scores(user[None], index.rows(eligible))[0]
        ids = [index.ids[row] for row in eligible]
        order = best_first(scores, ids)[:k]
        complete = n == len(index)
        if complete or (len(order) == k and scores[order[-1]] > float(singles[0, -1]) + error):
            return tuple(Hit(ids[at].decode(), float(scores[at])) for at in order)
        n = min(n * WIDEN, len(index))
    return ()


def _best(scores: Scores, index: Index, k: int, seen: Container[int], blocked: Container[str]) -> tuple[Hit, ...]:
    """The k best eligible rows, all of them scored exactly."""
    found: list[tuple[float, bytes]] = []
    order = np.argsort(-scores, kind="stable")
    for row in order:
        # Rows of equal score come in no particular order of ids: all of the last one's are looked at.
        if len(found) >= k and -scores[row] > found[k - 1][0]:
            break
        if index.hashes[row] not in seen and (not blocked or index.ids[row].decode() not in blocked):
            found.append((-float(scores[row]), index.ids[row]))
    return tuple(Hit(item_id.decode(), -negative) for negative, item_id in sorted(found)[:k])
