"""The simple models that stand beside ours in every table.

Where nothing is known of a user, those that live on a profile fall back on popularity, as a product would.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import scipy.sparse as sparse

from glowplug.training.arrays import Floats, Sparse
from glowplug.training.behaviour import DENSE_ITEMS, ease, neighbours
from glowplug.training.dataset import Dataset, Side
from glowplug.training.features import Features
from glowplug.training.fields import Kind
from glowplug.training.models import Model
from glowplug.training.ranked import Scorer, rank
from glowplug.training.tasks import Split, Task

JITTER = 1e-6  # equal scores are shuffled: ids often tell the age or the fame of an item, and that is no skill
EASE_RIDGES = (2.0, 6.0, 18.0, 54.0)  # times the mean likes; Steck's best ones lie between for most data sets
TUNED_EASE_ITEMS, MIDDLE_RIDGE = 5_000, 18.0  # of more items each ridge costs minutes
GROUP_PRIOR = 20.0  # users that the overall popularity counts as, in a group's
GROUPED: tuple[Kind, ...] = ("category", "number")
AGE_BANDS = 5  # quantiles of a number that form groups


def baselines(data: Dataset, split: Split, features: Features, k: int) -> Iterator[Model]:
    """One after the other, so that memory holds one at a time."""
    train = data.matrix(split.train)
    likes = np.asarray(train.sum(axis=0)).ravel().astype(np.float32)
    popular = _popularity(likes)

    def model(name: str, scorer: Scorer, reworded: Callable[[Features], Scorer] | None = None) -> Model:
        return Model(name, _shuffled(scorer, split.seed), reworded)

    def by_words(read: Features) -> Scorer:
        return _content(read.words, popular)

    def by_vectors(read: Features) -> Scorer:
        return _content(read.vectors, popular)

    yield model("random", lambda task, rows: np.zeros(_shape(task, rows), np.float32))
    yield model("popularity", popular)
    yield model("popularity in group", _in_group(data.users, train, likes))
    yield model("TF-IDF profile", by_words(features), by_words)
    yield model("raw embedding", by_vectors(features), by_vectors)
    yield model("itemKNN", _item_item(neighbours(train), popular))
    if train.shape[1] <= DENSE_ITEMS:
        yield model("EASE", _item_item(_best_ease(train, split, popular, k), popular))


def _best_ease(train: Sparse, split: Split, popular: Scorer, k: int) -> Floats:
    """EASE with the ridge that is best on validation: an untuned baseline would flatter ours."""
    best, reached = np.empty((0, 0), np.float32), -1.0
    for ridge in EASE_RIDGES if train.shape[1] <= TUNED_EASE_ITEMS else (MIDDLE_RIDGE,):
        weights = ease(train, ridge)
        tasks = [
            rank(task, _item_item(weights, popular), k).values["ndcg"].mean()
            for task in split.validation
            if len(task.users)
        ]
        if (found := float(np.mean([0.0, *tasks]))) > reached:
            best, reached = weights, found
    return best


def _shape(task: Task, rows: slice) -> tuple[int, int]:
    return len(range(*rows.indices(len(task.users)))), len(task.items)


def _shuffled(scorer: Scorer, seed: int) -> Scorer:
    def scores(task: Task, rows: slice) -> Floats:
        found = scorer(task, rows)
        noise = np.random.default_rng((seed, rows.start)).random(found.shape, np.float32)
        spread = float(np.abs(found).max()) or 1.0
        noise *= np.float32(JITTER * spread)
        noise += found
        return noise

    return scores


def _popularity(likes: Floats) -> Scorer:
    return lambda task, rows: np.tile(likes[task.items], (_shape(task, rows)[0], 1))


def _in_group(users: Side, train: Sparse, likes: Floats) -> Scorer:
    """The mean popularity within the groups that a user belongs to, one for each attribute."""
    groups = _groups(users)
    active = np.diff(train.indptr) > 0
    overall = likes / max(active.sum(), 1)
    rates: dict[tuple[str, str], Floats] = {}
    for key, members in groups.items():
        inside = members[active[members]]
        total = np.asarray(train[inside].sum(axis=0)).ravel()
        rates[key] = ((total + GROUP_PRIOR * overall) / (len(inside) + GROUP_PRIOR)).astype(np.float32)
    belongs: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for key, members in groups.items():
        for user in members:
            belongs[int(user)].append(key)

    def scores(task: Task, rows: slice) -> Floats:
        out = np.tile(overall[task.items], (_shape(task, rows)[0], 1)).astype(np.float32)
        for at, user in enumerate(task.users[rows]):
            for key in belongs[int(user)]:
                out[at] += rates[key][task.items]
        return out

    return scores


def _groups(users: Side) -> dict[tuple[str, str], Floats]:
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for field in users.fields:
        if field.kind not in GROUPED:
            continue
        labels: list[object] = list(field.values)
        if field.kind == "number":
            numbers = np.array([np.nan if value is None else value for value in field.values], dtype=np.float64)
            if np.isnan(numbers).all():
                continue
            edges = np.nanquantile(numbers, np.linspace(0, 1, AGE_BANDS + 1)[1:-1])
            bands = np.searchsorted(edges, numbers)
            labels = [None if np.isnan(n) else int(band) for n, band in zip(numbers, bands, strict=True)]
        for user, label in enumerate(labels):
            if label is not None:
                members[field.name, str(label)].append(user)
    return {key: np.array(found) for key, found in members.items()}


def _content(features: Sparse | Floats, otherwise: Scorer) -> Scorer:
    """Cosine of a candidate and the sum of what the user likes; features: (items, any), rows of unit length."""

    def scores(task: Task, rows: slice) -> Floats:
        found = (task.known[rows] @ features) @ features[task.items].T
        dense: Floats = found.toarray() if sparse.issparse(found) else found
        return _or_else(dense, task, rows, otherwise)

    return scores


def _item_item(weights: Floats | Sparse, otherwise: Scorer) -> Scorer:
    def scores(task: Task, rows: slice) -> Floats:
        found = task.known[rows] @ weights[:, task.items]
        dense: Floats = found.toarray() if sparse.issparse(found) else found
        return _or_else(dense, task, rows, otherwise)

    return scores


def _or_else(found: Floats, task: Task, rows: slice, otherwise: Scorer) -> Floats:
    unknown = np.diff(task.known[rows].indptr) == 0
    if unknown.any():
        found[unknown] = otherwise(task, rows)[unknown]
    return found
