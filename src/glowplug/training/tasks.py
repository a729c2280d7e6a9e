"""What is asked of a model: rank these items for these users, knowing this much; and what is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from glowplug.training.arrays import Indices, Mask, Sparse
from glowplug.training.dataset import Dataset

SUPPORTS = (0, 1, 3, 5)  # positives known of a cold user
FIRST_TESTED = max(SUPPORTS)  # positives before this one are never asked for: so every k answers the same question
# Interactions with trained items from which on taste speaks, and not the fold, which is judged up to FIRST_TESTED.
TASTE_FROM = FIRST_TESTED + 1


@dataclass(frozen=True, slots=True)
class Task:
    """Rank `items` for `users`.

    users: int64 (n,). items: int64 (m,), the candidates. known: csr (n, all items), the positives that a model may
    use of each user. hidden: csr (n, m), never ranked. relevant: csr (n, m), the right answers, none of them
    hidden.
    """

    name: str
    users: Indices
    items: Indices
    known: Sparse
    hidden: Sparse
    relevant: Sparse


@dataclass(frozen=True, slots=True)
class Split:
    """train: bool, one an interaction of the data set."""

    protocol: str
    seed: int
    train: Mask
    validation: tuple[Task, ...]
    test: tuple[Task, ...]


def of_items(name: str, users: Indices, items: Indices, known: Sparse, everything: Sparse, asked: Mask) -> Task:
    among = everything[:, items]
    pick = sparse.diags_array(asked.astype(np.float32))
    relevant, hidden = sparse.csr_array(among @ pick), sparse.csr_array(among - among @ pick)
    for matrix in (relevant, hidden):
        matrix.eliminate_zeros()
    who = np.flatnonzero(np.diff(relevant.indptr))
    return Task(name, users[who], items, known[who], hidden[who], relevant[who])


def of_new_users(data: Dataset, users: Indices, items: Indices, suffix: str) -> list[Task]:
    """One task for each k, of the users who have a sixth positive among `items`."""
    place = np.full(len(data.items), -1)
    place[items] = np.arange(len(items))
    order = np.argsort(data.user, kind="stable")  # by time within each user
    starts = np.searchsorted(data.user[order], np.arange(len(data.users) + 1))
    supports: list[Indices] = []
    met: list[Indices] = []
    asked: list[Indices] = []
    kept: list[int] = []
    for user in users:
        rows = order[starts[user] : starts[user + 1]]
        rows = rows[place[data.item[rows]] >= 0]
        positives = np.flatnonzero(data.positive[rows])
        if len(positives) <= FIRST_TESTED:
            continue
        kept.append(int(user))
        supports.append(data.item[rows[positives[:FIRST_TESTED]]])
        met.append(place[data.item[rows[: positives[FIRST_TESTED]]]])
        asked.append(place[data.item[rows[positives[FIRST_TESTED:]]]])
    hidden, relevant = _rows(met, len(items)), _rows(asked, len(items))
    return [
        Task(
            f"cold users, k={k}{suffix}",
            np.array(kept, dtype=np.int64),
            items,
            _rows([one[:k] for one in supports], len(data.items)),
            hidden,
            relevant,
        )
        for k in SUPPORTS
    ]


def reduced(task: Task, users: int, items: int, seed: int) -> Task:
    """At most so many of the task's users and candidates, drawn; users left without a right answer go."""
    if len(task.users) <= users and len(task.items) <= items:
        return task
    rng = np.random.default_rng(seed)
    columns = np.sort(rng.permutation(len(task.items))[:items])
    rows = np.flatnonzero(np.diff(task.relevant[:, columns].indptr))
    rows = np.sort(rng.permutation(rows)[:users])
    return Task(
        task.name,
        task.users[rows],
        task.items[columns],
        task.known[rows],
        task.hidden[rows][:, columns],
        task.relevant[rows][:, columns],
    )


def _rows(columns: list[Indices], width: int) -> Sparse:
    indptr = np.cumsum([0, *map(len, columns)])
    indices = np.concatenate([*columns, np.empty(0, np.int64)])
    matrix = sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(len(columns), width))
    matrix.sort_indices()
    return matrix
