"""The learned block for users: what is known of somebody new, folded in as a Gaussian.

A user's likes are modelled as p + L z with z ~ N(m, I). p is each item's popularity among the training users. The
rows of L hold the principal directions of their behaviour, scaled so that L L' is its covariance, and, `content`
times, the items' text vectors, so that items which nobody liked together still inform each other. m comes from the
user's attributes: the kernel-weighted mean of training users (Nadaraya-Watson), with `prior` pseudo-users holding
it at 0.

After k likes z has the posterior mean m + L_s' (L_s L_s' + D)^-1 (1 - p_s - L_s m), where D is the variance that L
leaves out, plus `noise` (Rasmussen & Williams 2006, eq. 2.23, for a linear kernel). The score p + L z is one inner
product of [p | L] and [1 | z], and k = 0 is the same formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glowplug.index.exact import Scores, exact_scores
from glowplug.training.arrays import Floats, Indices, Sparse, Wide
from glowplug.training.channels import Channel, kernel
from glowplug.training.factors import RANKS, factorised
from glowplug.training.ranked import Scorer, rank
from glowplug.training.tasks import Task, reduced
from glowplug.training.tuning import Choice, Problem, remembered
from glowplug.training.vectors import Rounding, rounding

LANDMARKS = 3_000  # training users whose attributes speak for a new one; more would not move a mean
TUNING_USERS, TUNING_ITEMS = 1_000, 5_000  # of each validation task: they are ranked once for each option
FOLDED = 50  # latest likes that are folded in, as many as ranking.history keeps
SPARE_VARIANCE = 1e-4  # share of the mean variance below which nothing is certain, so that no matrix is singular
WEIGHTS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  # of a channel of users; at 10 hardly anybody but equals counts
START = {"rank": 128.0, "noise": 2.0, "prior": 20.0, "activity": 0.0, "content": 0.0}
GRID: Mapping[str, tuple[float, ...]] = {
    "prior": (3.0, 10.0, 20.0, 50.0, 200.0),
    "noise": (0.5, 1.0, 2.0, 4.0, 8.0),
    "activity": (-0.1, 0.0, 0.1, 0.2),
    "content": (0.0, 0.1, 0.3, 0.6),
    "rank": tuple(map(float, RANKS)),
}
WEIGHT_AT_START = 0.3


@dataclass(frozen=True, slots=True)
class UserModel:
    """popularity: float32 (items,). directions: float32 (items, d). residual: float32 (items,), variance that they
    leave. landmarks: int64, users. places: float32 (landmarks, d), their z. choice: of hyperparameters."""

    popularity: Floats
    directions: Floats
    residual: Floats
    landmarks: Indices
    places: Floats
    choice: Mapping[str, float]

    @property
    def items(self) -> Floats:
        """float32 (items, 1 + d): [p | L]."""
        return np.hstack([self.popularity[:, None], self.directions])

    def prior(self, users: Indices, channels: Sequence[Channel]) -> Wide:
        """float64 (users, d): m, from their attributes."""
        return prior_mean(self.near(users, channels), self.places, self.choice["prior"])

    def near(self, users: Indices, channels: Sequence[Channel]) -> Wide:
        """float64 (users, landmarks): the kernel of their attributes."""
        kept = [(one, self.choice[one.name]) for one in channels if self.choice[one.name]]
        return kernel(
            ((weight, one.distance(users, self.landmarks)) for one, weight in kept),
            (len(users), len(self.landmarks)),
        )

    def posterior(self, prior: Wide, known: Sparse) -> Wide:
        """float64 (users, d). known: csr (users, items), the likes to fold in."""
        places = prior.copy()
        lengths = np.minimum(np.diff(known.indptr), FOLDED)
        noise = self.noise
        for length in np.unique(lengths[lengths > 0]):
            rows = np.flatnonzero(lengths == length)
            picks = np.stack([known.indices[known.indptr[row] : known.indptr[row] + length] for row in rows])
            places[rows] = folded(prior[rows], self.popularity[picks], self.directions[picks], noise[picks])
        return places

    @property
    def noise(self) -> Wide:
        """float64 (items,): what a like of each item leaves uncertain."""
        found: Wide = self.residual.astype(np.float64) + self.choice["noise"] * self.residual_scale
        return found

    @property
    def rounding(self) -> Rounding:
        """Of the users and items that were trained on."""
        return rounding(with_one(self.places), self.items)

    @property
    def residual_scale(self) -> float:
        """Mean variance of an item."""
        return float(((self.directions**2).sum(axis=1) + self.residual).mean())


def fitted(matrix: Sparse, vectors: Floats, choice: Mapping[str, float]) -> UserModel:
    """matrix: csr (users, items), likes of the training users; rows of others are empty. vectors: (items, dim)."""
    return _Fits(matrix, vectors).model(choice)


def problem(
    cases: Sequence[tuple[Sparse, Sequence[Task]]], vectors: Floats, channels: Sequence[Channel], k: int
) -> Problem:
    """Weights of channels and the names of GRID; worth: the mean over all tasks of all cases of recall@k + NDCG@k.

    A case: the likes of training users, csr (users, items), and tasks of other users, one for each number of likes.
    """
    trials = [
        _Trial(matrix, vectors, channels, asking, k)
        for matrix, tasks in cases
        if (asking := [task for task in tasks if len(task.users)])
    ]
    grid = {channel.name: WEIGHTS for channel in channels} | dict(GRID)
    start = START | {channel.name: WEIGHT_AT_START for channel in channels}

    def value(choice: Choice) -> float:
        found = [one for trial in trials for one in trial.values(choice)]
        return float(np.mean(found)) if found else 0.0

    return Problem(start, grid, remembered(value))


def fold_in(model: UserModel, channels: Sequence[Channel]) -> Scorer:
    """The task's users by their attributes and what is known of them, as served."""
    by = model.rounding
    served_items = by.items(model.items)

    def scores(task: Task, rows: slice) -> Scores:
        places = model.posterior(model.prior(task.users[rows], channels), task.known[rows])
        return exact_scores(by.users(with_one(places)), served_items[task.items])

    return scores


def prior_mean(near: Wide, places: Floats | Wide, pseudo_users: float) -> Wide:
    """float64 (users, d): the mean of the landmarks' places, by the kernel `near` (users, landmarks)."""
    # A kernel's size means nothing, only how it differs: the closest landmark weighs 1.
    near = near / near.max(axis=1, keepdims=True)
    mean: Wide = (near @ np.asarray(places, np.float64)) / (near.sum(axis=1, keepdims=True) + pseudo_users)
    return mean


def folded(prior: Wide, popularity: Floats | Wide, sides: Floats | Wide, noise: Wide) -> Wide:
    """The posterior means, float64 (users, d), of users with k likes each.

    prior: (users, d). popularity, noise: (users, k), and sides: (users, k, d), of what they like.
    """
    length = popularity.shape[1]
    sides = sides.astype(np.float64)
    surprise = 1 - popularity - np.einsum("nkd,nd->nk", sides, prior)
    matrix = np.einsum("nkd,njd->nkj", sides, sides)
    matrix[:, np.arange(length), np.arange(length)] += noise
    weights = np.linalg.solve(matrix, surprise[..., None])[..., 0]
    found: Wide = prior + np.einsum("nk,nkd->nd", weights, sides)
    return found


def with_one(places: Floats | Wide) -> Floats | Wide:
    """[1 | places]."""
    return np.hstack([np.ones((len(places), 1), places.dtype), places])


class _Fits:
    """What models of one matrix share, each part computed once."""

    def __init__(self, matrix: Sparse, vectors: Floats) -> None:
        self._matrix, self._vectors = matrix, vectors
        self._users = np.flatnonzero(np.diff(matrix.indptr))
        self._known: dict[float, tuple[Floats, Floats, Floats, Floats]] = {}

    def model(self, choice: Mapping[str, float]) -> UserModel:
        popularity, directions, places, variance = self._parts(choice["activity"])
        width = int(choice["rank"])
        directions, places = directions[:, :width], places[:, :width]
        residual = np.maximum(variance - (directions**2).sum(axis=1), SPARE_VARIANCE * variance.mean())
        if choice["content"]:
            text = choice["content"] * np.sqrt(variance)[:, None] * self._vectors
            directions = np.hstack([directions, text.astype(np.float32)])
            places = np.hstack([places, np.zeros((len(places), text.shape[1]), np.float32)])
        some = np.arange(len(self._users))
        if len(some) > LANDMARKS:
            some = np.sort(np.random.default_rng(0).choice(some, LANDMARKS, replace=False))
        return UserModel(popularity, directions, residual, self._users[some], places[some], dict(choice))

    def _parts(self, activity: float) -> tuple[Floats, Floats, Floats, Floats]:
        """popularity, directions, places, variance. activity: how much less a like of an active user counts."""
        if activity not in self._known:
            inner = self._matrix[self._users]
            likes = np.asarray(inner.sum(axis=1)).ravel()
            weight = ((likes + 1) / (likes + 1).mean()) ** -activity
            count = len(self._users)
            rows = inner.multiply(weight[:, None]).tocsr().astype(np.float32)
            popularity = np.asarray(rows.mean(axis=0)).ravel().astype(np.float32)
            squares = np.asarray(rows.multiply(rows).mean(axis=0)).ravel()
            left, right = factorised(
                lambda x: rows @ x - popularity @ x,
                lambda x: rows.T @ x - np.outer(popularity, x.sum(axis=0)),
                rows.shape,
            )
            # U sqrt(S) and V sqrt(S) become z = U sqrt(n), of unit variance, and L = V S / sqrt(n).
            sizes = (right**2).sum(axis=0)
            directions = (right * np.sqrt(sizes / count)).astype(np.float32)
            places = (left * np.sqrt(count / np.maximum(sizes, 1e-9))).astype(np.float32)
            variance = np.maximum(squares - popularity**2, 1e-9).astype(np.float32)
            self._known[activity] = (popularity, directions, places, variance)
        return self._known[activity]


class _Trial:
    """The tasks of one case, reduced; nothing is rounded to float16 here, which moves no list."""

    def __init__(
        self, matrix: Sparse, vectors: Floats, channels: Sequence[Channel], tasks: Sequence[Task], k: int
    ) -> None:
        self._fits, self._channels, self._k = _Fits(matrix, vectors), channels, k
        self._tasks = [reduced(task, TUNING_USERS, TUNING_ITEMS, seed=0) for task in tasks]
        self._near: dict[tuple[bytes, tuple[float, ...]], Wide] = {}

    def values(self, choice: Choice) -> list[float]:
        """recall@k + NDCG@k of each task."""
        model = self._fits.model(choice)
        items, found = model.items, []
        for task in self._tasks:
            prior = prior_mean(self._kernel(model, task), model.places, choice["prior"])
            users = with_one(model.posterior(prior, task.known)).astype(np.float32)
            values = self._ranked(task, users, items[task.items])
            found.append(float(values["recall"].mean() + values["ndcg"].mean()))
        return found

    def _ranked(self, task: Task, users: Floats, items: Floats) -> Mapping[str, Wide]:
        return rank(task, lambda _, rows: users[rows] @ items.T, self._k).values

    def _kernel(self, model: UserModel, task: Task) -> Wide:
        """Tasks of one case have the same users, and most options change no weight."""
        key = (task.users.tobytes(), tuple(model.choice[one.name] for one in self._channels))
        if key not in self._near:
            self._near = {key: model.near(task.users, self._channels)}
        return self._near[key]
