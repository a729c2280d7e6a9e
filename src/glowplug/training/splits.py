"""Protocols: what may be learned from, what is asked, and what counts as right. Seeded, pure.

Every split has interactions to train on and tasks of two kinds: choices are made on `validation`, and `test`
judges. Nothing that a task asks for lies in the training part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import scipy.sparse as sparse

from glowplug.errors import BadSettings, shown
from glowplug.training.arrays import Indices, Mask, Sparse
from glowplug.training.dataset import Dataset
from glowplug.training.tasks import Split, Task, of_items, of_new_users

Protocol = Literal["cold-item", "cold-user", "warm", "overall", "by-time"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
COLD_SHARE = 0.2
HELD_OUT = 0.2  # of each user's positives, in `warm`
FOLDS = 5  # of users: each is cold in one of five seeds
# Up to this many interactions one validation set is so small that what is chosen on it is partly luck; then more
# are cut from the training part. Of a larger set one is enough, and several would take too long.
SMALL = 300_000
PLAYED_OF_MANY = 2_000  # users of a larger one that are played as cold, at most a tenth of all


def split(data: Dataset, protocol: str, seed: int) -> Split:
    """Raises BadSettings for a protocol that there is not."""
    makers = {
        "cold-item": cold_item,
        "cold-user": cold_user,
        "warm": warm,
        "overall": overall,
        "by-time": by_time,
    }
    if protocol not in makers:
        raise BadSettings(f"--protocol {shown(protocol)}: there are {', '.join(makers)}")
    return makers[protocol](data, seed)


def cold_item(data: Dataset, seed: int) -> Split:
    """A fifth of the items is cold, half for validation and half for the test. All cold items are ranked for every
    user; positives of the other half are hidden."""
    valid, test = _halves(np.random.default_rng(seed).permutation(len(data.items)))
    cold = np.sort(np.r_[valid, test])
    train = ~np.isin(data.item, cold)
    known, everything = data.matrix(train), data.matrix(np.ones_like(train))
    users = np.arange(len(data.users))
    tasks = [
        of_items(name, users, cold, known, everything, asked=np.isin(cold, part))
        for name, part in (("cold items, validation", valid), ("cold items", test))
    ]
    return Split("cold-item", seed, train, (tasks[0],), (tasks[1],))


def cold_user(data: Dataset, seed: int) -> Split:
    """A fifth of the users is cold, another tenth serves validation. The first k positives of each, by time, are
    known; those from the sixth on are asked for; what a user met before the sixth is hidden. Seeds 0 to 4 are the
    five folds of one shuffle, 5 to 9 those of the next."""
    shuffled = np.random.default_rng(seed // FOLDS).permutation(len(data.users))
    folds = np.array_split(shuffled, FOLDS)
    test, rest = folds[seed % FOLDS], np.concatenate([folds[(seed + step) % FOLDS] for step in range(1, FOLDS)])
    valid = rest[: len(rest) // 8]
    train = ~np.isin(data.user, np.r_[test, valid])
    items = np.unique(data.item[train])
    return Split(
        "cold-user",
        seed,
        train,
        tuple(of_new_users(data, np.sort(valid), items, ", validation")),
        tuple(of_new_users(data, np.sort(test), items, "")),
    )


def warm(data: Dataset, seed: int) -> Split:
    """A fifth of each user's positives is held out at random, half for validation; all other items are ranked."""
    rng = np.random.default_rng(seed)
    valid, test = _held_out(data, np.flatnonzero(data.positive), rng)
    return _of_parts(data, "warm", seed, valid, test)


def overall(data: Dataset, seed: int) -> Split:
    """`warm` and `cold-item` at once: all items are ranked, cold and warm together."""
    rng = np.random.default_rng(seed)
    cold_valid, cold_test = _halves(rng.permutation(len(data.items)))
    is_cold = np.isin(data.item, np.r_[cold_valid, cold_test])
    valid, test = _held_out(data, np.flatnonzero(data.positive & ~is_cold), rng)
    valid |= np.isin(data.item, cold_valid)
    test |= np.isin(data.item, cold_test)
    return _of_parts(data, "overall", seed, valid, test)


def by_time(data: Dataset, seed: int) -> Split:
    """The first 80% of the interactions train, the next 10% validate, the last 10% test; items and users that come
    later are cold. Time leaves nothing to draw: every seed gives the same split. Equal times are never cut."""
    marks = data.time[[int(len(data.time) * share) for share in (0.8, 0.9)]]
    valid = (data.time >= marks[0]) & (data.time < marks[1])
    return _of_parts(data, "by-time", seed, valid, data.time >= marks[1])


def inner_cold_items(data: Dataset, outer: Split, count: int) -> list[tuple[Mask, Task]]:
    """More validation from the training part alone: `count` disjoint fifths of its items played as cold. Each with
    what is left to train on."""
    items = np.unique(data.item[outer.train])
    shuffled = np.random.default_rng((outer.seed, 1)).permutation(items)
    found = []
    for part in np.array_split(shuffled, round(1 / COLD_SHARE))[:count]:
        cold = np.sort(part)
        train = outer.train & ~np.isin(data.item, cold)
        everything = data.matrix(outer.train)
        task = of_items(
            "inner", np.arange(len(data.users)), cold, data.matrix(train), everything, np.ones(len(cold), bool)
        )
        found.append((train, task))
    return found


def inner_cold_users(data: Dataset, train: Mask, seed: int, count: int) -> list[tuple[Mask, tuple[Task, ...]]]:
    """Likewise: `count` disjoint parts of the training users, together all of them, played as cold; of a large set
    one part, of at most PLAYED_OF_MANY users."""
    shuffled = np.random.default_rng((seed, 1)).permutation(np.unique(data.user[train]))
    parts = np.array_split(shuffled, count)
    if len(data.user) > SMALL:
        parts = np.array_split(shuffled, max(10, -(-len(shuffled) // PLAYED_OF_MANY)))[:1]
    found = []
    for part in parts:
        rest = train & ~np.isin(data.user, part)
        tasks = of_new_users(data, np.sort(part), np.unique(data.item[rest]), ", inner")
        found.append((rest, tuple(tasks)))
    return found


def published(data: Dataset, name: str, parts: Mapping[str, Mask]) -> Split:
    """A split that others made: `train`, `valid` and `test`, bool (n,) each. If no item of the test trains, all
    items that do not train are ranked, else all items."""
    cold = not np.isin(data.item[parts["test"]], data.item[parts["train"]]).any()
    return _of_parts(data, name, 0, parts["valid"], parts["test"], parts["train"], only_new=cold)


def _of_parts(
    data: Dataset,
    name: str,
    seed: int,
    valid: Mask,
    test: Mask,
    train: Mask | None = None,
    *,
    only_new: bool = False,
) -> Split:
    train = ~(valid | test) if train is None else train
    users, items = np.arange(len(data.users)), np.arange(len(data.items))
    if only_new:
        items = np.setdiff1d(items, data.item[train])
    known = data.matrix(train)
    met = data.matrix(train, weak=1.0)
    tasks = []
    for label, asked, other in ((f"{name}, validation", valid, test), (name, test, valid)):
        relevant = data.matrix(asked)[:, items]
        hidden = _without(met + data.matrix(other, weak=1.0), data.matrix(asked))[:, items]
        who = np.flatnonzero(np.diff(relevant.indptr))
        tasks.append(Task(label, users[who], items, known[who], hidden[who], relevant[who]))
    return Split(name, seed, train, (tasks[0],), (tasks[1],))


def _halves(shuffled: Indices) -> tuple[Indices, Indices]:
    cold = round(COLD_SHARE * len(shuffled))
    return shuffled[: cold // 2], shuffled[cold // 2 : cold]


def _held_out(data: Dataset, rows: Indices, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """A tenth of each user's `rows` each; a user with fewer than ten keeps theirs with that probability."""
    draw = rng.random(len(rows))
    order = np.lexsort((draw, data.user[rows]))
    user = data.user[rows][order]
    count = np.bincount(user, minlength=len(data.users))
    rank = np.arange(len(rows)) - np.searchsorted(user, user)
    each = np.floor(HELD_OUT / 2 * count + rng.random(len(count))).astype(np.int64)[user]
    valid, test = np.zeros(len(data.user), bool), np.zeros(len(data.user), bool)
    valid[rows[order[rank < each]]] = True
    test[rows[order[(rank >= each) & (rank < 2 * each)]]] = True
    return valid, test


def _without(matrix: Sparse, taken: Sparse) -> Sparse:
    """The pattern of `matrix` without that of `taken`, as ones."""
    pattern = sparse.csr_array((np.ones(len(matrix.data), np.float32), matrix.indices, matrix.indptr), matrix.shape)
    kept = sparse.csr_array(pattern - pattern.multiply(taken))
    kept.eliminate_zeros()
    return kept
