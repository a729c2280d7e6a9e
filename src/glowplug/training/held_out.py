"""A head, as it would serve, judged on interactions that came after it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from glowplug.events import Attributes
from glowplug.heads.described import Described
from glowplug.heads.head import Head
from glowplug.index.exact import Scores, exact_scores
from glowplug.ranking.memory import Entry, Memory
from glowplug.training.arrays import Floats, Mask
from glowplug.training.dataset import Dataset, Side
from glowplug.training.features import Features
from glowplug.training.fields import DESCRIPTION, TITLE
from glowplug.training.ranked import Scorer, rank
from glowplug.training.standings import METRIC
from glowplug.training.tasks import Task
from glowplug.vectors import Half

LATER = "later"
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)  # of remembered deeds: a head reads their order, not their times


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


def as_served(head: Head, data: Dataset, read: Features, since: float, history: int) -> Scorer:
    """By the head's own columns alone, from the latest `history` interactions by `since` of each user."""
    items = head.items(_described(data.items, read.vectors))
    blocks: dict[str, Half] = dict(zip(data.items.ids, items, strict=True))
    memories = _memories(data, data.time <= since, history)

    def scores(task: Task, rows: slice) -> Scores:
        users = [
            head.user(memories.get(int(user), Memory()), _attributes(data.users, int(user)), blocks.get).vector
            for user in task.users[rows]
        ]
        return exact_scores(np.array(users), items[task.items])

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


def _described(side: Side, vectors: Floats) -> list[Described]:
    found = []
    for at, item_id in enumerate(side.ids):
        stated = _attributes(side, at)
        title, description = stated.pop(TITLE, ""), stated.pop(DESCRIPTION, "")
        found.append(Described(item_id, str(title), str(description), stated, vectors[at].astype(np.float16)))
    return found


def _attributes(side: Side, at: int) -> Attributes:
    return {field.name: value for field in side.fields if (value := field.values[at]) is not None}


def _memories(data: Dataset, rows: Mask, history: int) -> Mapping[int, Memory]:
    """By user, as the recommender would remember these interactions. A yes is a rating of 1, everything else 0."""
    entries: dict[int, list[Entry]] = {}
    for at in np.flatnonzero(rows):  # in order of time
        value = float(data.positive[at])
        item_id = data.items.ids[data.item[at]]
        moment = BEGINNING + timedelta(seconds=len(entries))
        entries.setdefault(int(data.user[at]), []).append(
            Entry(item_id, "rating", value, 2 * value - 1, "", moment)
        )
    return {user: Memory(history=tuple(found[-history:])) for user, found in entries.items()}
