"""A head, as it would serve, judged on interactions that came after it was trained."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from glowplug.heads.head import Head
from glowplug.index.exact import Scores, exact_scores
from glowplug.ranking.memory import Entry, Memory
from glowplug.settings import RankingSettings
from glowplug.training.arrays import Floats, Mask
from glowplug.training.dataset import Dataset
from glowplug.training.features import Features
from glowplug.training.popularity import Popularity
from glowplug.training.ranked import Scorer, rank
from glowplug.training.recommender_view import attributes_of, entry_of, placed
from glowplug.training.standings import METRIC
from glowplug.training.tasks import Task
from glowplug.vectors import Half

LATER = "later"


def later_task(data: Dataset, since: float) -> Task:
    """Rank all items that a user has not met by `since` (seconds); right is what they like afterwards."""
    before, after = data.time <= since, data.time > since
    met = data.matrix(before, weak=1.0)
    asked = data.matrix(after)
    relevant = asked - asked.multiply(met)
    relevant.eliminate_zeros()
    users = np.flatnonzero(np.diff(relevant.indptr))
    items = np.arange(len(data.items))
    return Task(LATER, users, items, data.matrix(before)[users], met[users], relevant[users])


def as_served(head: Head, data: Dataset, read: Features, since: float, ranking: RankingSettings) -> Scorer:
    """By the head and the popularity as it was then, from the latest interactions by `since` of each user."""
    items = placed(head, data.items, read.vectors)
    blocks: dict[str, Half] = dict(zip(data.items.ids, items, strict=True))
    past = data.time <= since
    memories = _memories(data, past, ranking.history)
    popularity = Popularity(data, ranking).at(since, int(np.count_nonzero(past)))

    def scores(task: Task, rows: slice) -> Scores:
        users = [
            head.user(memories.get(int(user), Memory()), attributes_of(data.users, int(user)), blocks.get)
            for user in task.users[rows]
        ]
        learned = exact_scores(np.array([user.vector for user in users]), items[task.items])
        weights = np.array([user.weight_in(ranking) / user.loud for user in users])
        return learned + weights[:, None] * popularity[task.items]

    return scores


def by_popularity(data: Dataset, since: float) -> Scorer:
    """What anybody could serve: the most liked until then."""
    likes = np.asarray(data.matrix(data.time <= since).sum(axis=0)).ravel()

    def scores(task: Task, rows: slice) -> Floats:
        return np.tile(likes[task.items], (len(task.users[rows]), 1)).astype(np.float32)

    return scores


def values(data: Dataset, task: Task, scorer: Scorer, k: int) -> dict[tuple[str, int, str], float]:
    """As a Standing has them."""
    found = rank(task, scorer, k).values[METRIC]
    return {
        (task.name, 0, data.users.ids[user]): float(value) for user, value in zip(task.users, found, strict=True)
    }


def _memories(data: Dataset, rows: Mask, history: int) -> Mapping[int, Memory]:
    """By user, of these interactions."""
    entries: dict[int, list[Entry]] = {}
    for at in np.flatnonzero(rows):  # in order of time
        entries.setdefault(int(data.user[at]), []).append(entry_of(data, int(at)))
    return {user: Memory(history=tuple(found[-history:])) for user, found in entries.items()}
