"""The latest interactions played to a head of those before, as it would have served each user at that moment.

Every like is a test of the list that came before it, then something to learn from: Dawid's prequential evaluation,
https://doi.org/10.2307/2981683, as producers/prequential.py does it with lists that were published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from glowplug.heads.head import Head, Learned
from glowplug.ranking.memory import Memory
from glowplug.settings import RankingSettings
from glowplug.training.arrays import Indices, Mask, Wide
from glowplug.training.dataset import Dataset
from glowplug.training.features import Features
from glowplug.training.popularity import Popularity
from glowplug.training.recommender_view import attributes_of, entry_of, placed
from glowplug.training.trending import GRID, STEPS, Played
from glowplug.vectors import Half

LATEST = 0.1  # of the interactions are played
MOST_LIKES = 1_000  # of each step: a mean over them is sure to .015
BLOCK = 64  # likes whose scores are held at once


def before_the_latest(data: Dataset) -> Mask:
    """Bool (n,). Equal times are never cut, so it may be less than the rest."""
    past: Mask = data.time < data.time[int(len(data.time) * (1 - LATEST))]
    return past


def played(head: Head, data: Dataset, read: Features, ranking: RankingSettings, k: int, weak: float) -> Played:
    """head: of before_the_latest. weak: what it lets an interaction count that is no yes.

    Items are ranked from their first interaction on: before, nobody could be shown them. Of equal scores the one
    with the smaller id comes first, as in serving.
    """
    data = _ties_drawn(data)
    drawn = _drawn(data, weak)
    blocks = placed(head, data.items, read.vectors)
    users = _Users(head, data, blocks, ranking.history)
    items = blocks.astype(np.float64)
    day = Popularity(data, ranking)
    first = np.full(len(data.items), np.inf)
    np.minimum.at(first, data.item, data.time)
    values, hits = np.zeros((len(drawn), len(GRID))), np.zeros((len(drawn), len(GRID)))
    known: list[int] = []
    for start in range(0, len(drawn), BLOCK):
        rows = drawn[start : start + BLOCK]
        sides = [users.side(int(row)) for row in rows]
        known += [side.known for side in sides]
        scores = np.array([side.vector for side in sides], np.float64) @ items.T
        for at, (row, side) in enumerate(zip(rows, sides, strict=True), start):
            target = data.item[row]
            open_to = first <= data.time[row]
            open_to[users.met(int(row))] = False
            popularity = day.until(int(row))
            for column, weight in enumerate(GRID):
                place = _place(side.loud * scores[at - start] + weight * popularity, int(target), open_to)
                if place < k:
                    hits[at, column] = 1
                    values[at, column] = 1 + 1 / np.log2(place + 2)  # recall and NDCG of one right answer
    return Played(data.user[drawn], np.array(known, np.int64), values, hits)


def _place(scores: Wide, target: int, among: Mask) -> int:
    better = int(np.count_nonzero(among & (scores > scores[target])))
    return better + int(np.count_nonzero(among[:target] & (scores[:target] == scores[target])))


def _ties_drawn(data: Dataset) -> Dataset:
    """What happened at the same time in an order that is drawn: that of a file (by item, say) would tell what is
    liked next."""
    order = np.lexsort((np.random.default_rng(0).random(len(data.time)), data.time))
    return replace(
        data,
        user=data.user[order],
        item=data.item[order],
        positive=data.positive[order],
        time=data.time[order],
        again=None if data.again is None else data.again[order],
    )


def _known(data: Dataset, weak: float) -> Indices:
    """int64 (n,): about what a head knows of the user before each interaction; what it really does, it says."""
    counted = data.positive | (weak > 0)
    order = np.argsort(data.user, kind="stable")  # by time within each user
    sums = np.cumsum(counted[order])
    starts = np.searchsorted(data.user[order], data.user[order])
    found = np.empty(len(order), np.int64)
    found[order] = sums - counted[order] - (sums - counted[order])[starts]
    return found


def _drawn(data: Dataset, weak: float) -> Indices:
    """Likes among the latest, in order of time; of each step of what is known at most MOST_LIKES."""
    asked = ~before_the_latest(data) & data.positive
    if data.again is not None:
        asked &= ~data.again  # whoever met it before would not be shown it
    rows = np.flatnonzero(asked)
    step = np.searchsorted(STEPS, _known(data, weak)[rows], side="right")
    rng = np.random.default_rng(0)
    parts = [rng.permutation(rows[step == at + 1])[:MOST_LIKES] for at in range(len(STEPS))]
    return np.sort(np.concatenate(parts))


class _Users:
    """What the head makes of users as they were before an interaction of theirs."""

    def __init__(self, head: Head, data: Dataset, items: Half, history: int) -> None:
        self._head, self._data, self._history = head, data, history
        self._blocks: Mapping[str, Half] = dict(zip(data.items.ids, items, strict=True))
        self._order = np.argsort(data.user, kind="stable")
        self._starts = np.searchsorted(data.user[self._order], np.arange(len(data.users) + 1))

    def side(self, row: int) -> Learned:
        entries = tuple(entry_of(self._data, int(at)) for at in self._before(row)[-self._history :])
        attributes = attributes_of(self._data.users, int(self._data.user[row]))
        return self._head.user(Memory(history=entries), attributes, self._blocks.get)

    def met(self, row: int) -> Indices:
        """int64: items."""
        return self._data.item[self._before(row)]

    def _before(self, row: int) -> Indices:
        user = self._data.user[row]
        rows = self._order[self._starts[user] : self._starts[user + 1]]
        return rows[: np.searchsorted(rows, row)]
