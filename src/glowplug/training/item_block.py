"""The learned block for items: from what is known of an item to where behaviour would put it.

A user's vector is their row of the behaviour's factors (factors.py). The vector of an item that users met is its
row; that of a cold one is kernel ridge regression (Saunders et al. 1998) from its channels (channels.py) to the
rows: k(item, landmarks) times one matrix. So a new item costs one small product, and a score is one inner product.
Targets are divided by |F_i|^gamma: else the most liked items alone would be fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from glowplug.training.arrays import Floats, Indices
from glowplug.training.channels import Channel
from glowplug.training.factors import RANKS, Behaviour, Factors
from glowplug.training.ranked import rank
from glowplug.training.tasks import Task, reduced
from glowplug.training.tuning import Choice, search
from glowplug.training.vectors import Served, scorer, served

# Items whose kernel is solved exactly; of more, as many are drawn as landmarks (Nyström; Williams & Seeger 2001).
LANDMARKS = 3_000
TUNING_USERS = 3_000  # rows ranked on validation: their mean is sure to .005, finer than the steps of the grids
TUNING_ITEMS = 3_000  # likewise, candidates
# Of a large set, where each option costs a kernel: weights are about attributes, and need fewer items than the fit.
TUNING_LANDMARKS = 1_500
BLOCK = 4_096  # cold items projected at once
WEIGHTS = (0.0, 0.03, 0.1, 0.2, 0.4, 0.8)  # of a channel; distances are about 1, so .8 halves the kernel
WORDS_AT_START, ATTRIBUTE_AT_START = 0.25, 0.1
START = {
    "smoothing": 4.0,
    "weak": 0.4,
    "ease": 15.0,
    "gamma": 0.5,
    "ridge": 0.1,
    "rank": 128.0,
    "profile": 0.0,
    "profile ridge": 0.1,
}
GRID: Mapping[str, tuple[float, ...]] = {
    "ridge": (0.01, 0.03, 0.1, 0.3, 1.0),
    "gamma": (0.0, 0.25, 0.5, 0.75),
    "smoothing": (0.0, 1.0, 4.0, 8.0),
    "weak": (0.0, 0.2, 0.4, 0.7),
    "rank": tuple(map(float, RANKS)),
    "profile": (0.0, 0.1, 0.3, 1.0, 3.0, 30.0),
    "profile ridge": (0.01, 0.1, 1.0),
}


@dataclass(frozen=True, slots=True)
class Head:
    """What serving needs of a cold item: its vector is exp(-sum of weight x distance to each landmark) @ matrix.

    landmarks: int64, items of the data set. weights: by channel. matrix: float32 (landmarks, rank)."""

    landmarks: Indices
    weights: Mapping[str, float]
    matrix: Floats

    def project(self, items: Indices, channels: Sequence[Channel]) -> Floats:
        """float32 (items, rank)."""
        return np.concatenate(
            [
                _kernel(items[at : at + BLOCK], self.landmarks, self.weights, channels) @ self.matrix
                for at in range(0, len(items), BLOCK)
            ]
            or [np.empty((0, self.matrix.shape[1]), np.float32)]
        )


def tuned(
    cases: Sequence[tuple[Behaviour, Task]], channels: Sequence[Channel], vectors: Floats, k: int
) -> tuple[dict[str, float], float]:
    """The choice of weights and of GRID with the best mean over `cases` of recall@k + NDCG@k, and that mean.

    A case is a training part and a task whose answers it does not hold; weights matter where candidates are cold.
    """
    trials = [_Trial(behaviour, channels, vectors, task, k) for behaviour, task in cases if len(task.users)]
    start = dict(START) | {
        channel.name: WORDS_AT_START if channel.is_words else ATTRIBUTE_AT_START for channel in channels
    }
    grid = dict(GRID)
    if any(trial.has_cold for trial in trials):
        grid |= {channel.name: WEIGHTS for channel in channels}
    return search(start, grid, lambda choice: sum(trial.value(choice) for trial in trials) / max(len(trials), 1))


def fitted(behaviour: Behaviour, channels: Sequence[Channel], choice: Choice) -> tuple[Factors, Head]:
    """Vectors of all users and items of the data set (cold ones projected), and the head that projects."""
    factors = targets(behaviour, choice)
    landmarks = _landmarks(behaviour, np.random.default_rng(0), LANDMARKS)
    matrix = projection(behaviour, channels, choice, landmarks, factors.items)
    head = Head(landmarks, {channel.name: choice[channel.name] for channel in channels}, matrix)
    items = factors.items.copy()
    cold = np.setdiff1d(np.arange(len(items)), _trained(behaviour))
    items[cold] = head.project(cold, channels)
    return Factors(factors.users, items, factors.inputs), head


def projection(
    behaviour: Behaviour, channels: Sequence[Channel], choice: Choice, landmarks: Indices, rows: Floats
) -> Floats:
    """float32 (landmarks, d): k(item, landmarks) @ it comes closest to `rows` (items, d) over the trained items."""
    met = _trained(behaviour)
    weights = {channel.name: choice[channel.name] for channel in channels}
    among = _kernel(landmarks, landmarks, weights, channels)
    if len(landmarks) == len(met):
        return _solved(among, rows[met], choice["ridge"])
    gram, right = choice["ridge"] * among, np.zeros((len(landmarks), rows.shape[1]), np.float32)
    for at in range(0, len(met), BLOCK):
        part = _kernel(met[at : at + BLOCK], landmarks, weights, channels)
        gram += part.T @ part
        right += part.T @ rows[met[at : at + BLOCK]]
    return _solved(gram, right, 1e-4 * float(gram.diagonal().mean()))  # kernels of near twins are singular


def with_profile(factors: Factors, behaviour: Behaviour, vectors: Floats, choice: Choice) -> Factors:
    """The block, and beside it the whitened profile, `profile` times as loud: on sparse data it can carry it all.

    A user's part is (X'X + ridge I)^-1 X' Y_u over the trained items' text vectors X, an item's part its text
    vector: ridge regression of the smoothed behaviour on the text. The text block has that vector already.
    """
    if not choice["profile"]:
        return factors
    met = _trained(behaviour)
    gram = vectors[met].T @ vectors[met]
    ridge = choice["profile ridge"] * float(gram.diagonal().mean())
    # X' Y_u is linear in the user's interactions, so this part too is a sum of inputs.
    texts = vectors.copy()
    texts[np.setdiff1d(np.arange(len(vectors)), met)] = 0
    inputs = behaviour.spread(texts, choice["weak"], choice["ease"], choice["smoothing"])
    inputs = _solved(gram, inputs.T, ridge).T
    users = (behaviour.data.matrix(behaviour.train, choice["weak"]) @ inputs).astype(np.float32)
    loud = _size(factors.users) * _size(factors.items[met]) / max(_size(users) * _size(vectors[met]), 1e-12)
    weight = np.float32(choice["profile"] * loud)
    return Factors(
        np.hstack([factors.users, weight * users]),
        np.hstack([factors.items, vectors]),
        np.hstack([factors.inputs, weight * inputs]),
    )


def _size(rows: Floats) -> float:
    """Root mean square of the rows' lengths."""
    return float(np.sqrt((rows**2).sum(axis=1).mean()))


def block(factors: Factors) -> Served:
    return served(factors.users, factors.items)


def targets(behaviour: Behaviour, choice: Choice) -> Factors:
    """The behaviour's factors cut to `rank`, items' divided by their length to the power of `gamma`."""
    whole = behaviour.factors(choice["weak"], choice["ease"], choice["smoothing"])
    width = int(choice["rank"])
    items = whole.items[:, :width]
    lengths = np.linalg.norm(items, axis=1, keepdims=True)
    # An item that hardly anybody met has noise for a direction: a part of the mean length is added before dividing.
    damped = lengths + 0.05 * lengths.mean()
    scaled = (items / np.maximum(damped, 1e-9) ** choice["gamma"]).astype(np.float32)
    return Factors(whole.users[:, :width], scaled, whole.inputs[:, :width])


class _Trial:
    """One case, reduced, with what does not depend on the choice computed once: float32 (candidates and landmarks,
    landmarks) of distance for each channel."""

    def __init__(
        self, behaviour: Behaviour, channels: Sequence[Channel], vectors: Floats, task: Task, k: int
    ) -> None:
        rng = np.random.default_rng(0)
        self._behaviour, self._vectors, self._k = behaviour, vectors, k
        self._task = reduced(task, TUNING_USERS, TUNING_ITEMS, seed=0)
        self._cold = np.setdiff1d(self._task.items, _trained(behaviour))
        self._met = _landmarks(behaviour, rng, TUNING_LANDMARKS)
        self._rows = np.union1d(self._met, self._cold)
        self._distances = {one.name: one.distance(self._rows, self._met) for one in channels if self.has_cold}
        self._last: tuple[tuple[float, ...], Floats] | None = None

    @property
    def has_cold(self) -> bool:
        return len(self._cold) > 0

    def value(self, choice: Choice) -> float:
        factors = targets(self._behaviour, choice)
        items = factors.items.copy()
        if self.has_cold:
            kernel = self._kernel(choice)
            matrix = _solved(kernel[np.searchsorted(self._rows, self._met)], items[self._met], choice["ridge"])
            items[self._cold] = kernel[np.searchsorted(self._rows, self._cold)] @ matrix
        whole = with_profile(Factors(factors.users, items, factors.inputs), self._behaviour, self._vectors, choice)
        found = rank(self._task, scorer(block(whole)), self._k).values
        return float(found["recall"].mean() + found["ndcg"].mean())

    def _kernel(self, choice: Choice) -> Floats:
        weights = tuple(choice[name] for name in self._distances)
        if self._last is None or self._last[0] != weights:
            exponent = np.zeros((len(self._rows), len(self._met)), np.float32)
            for weight, distance in zip(weights, self._distances.values(), strict=True):
                if weight:
                    exponent -= np.float32(weight) * distance
            self._last = (weights, np.exp(exponent, out=exponent))
        return self._last[1]


def _kernel(rows: Indices, columns: Indices, weights: Mapping[str, float], channels: Sequence[Channel]) -> Floats:
    exponent = np.zeros((len(rows), len(columns)), np.float32)
    for channel in channels:
        if weights[channel.name]:
            exponent -= np.float32(weights[channel.name]) * channel.distance(rows, columns)
    return np.exp(exponent, out=exponent)


def _solved(kernel: Floats, right: Floats, ridge: float) -> Floats:
    """(kernel + ridge I)^-1 right, float32."""
    matrix = kernel.astype(np.float32, copy=True)
    matrix[np.diag_indices_from(matrix)] += np.float32(ridge)
    factor = linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    solved: Floats = linalg.cho_solve(factor, right, check_finite=False).astype(np.float32)
    return solved


def _trained(behaviour: Behaviour) -> Indices:
    found: Indices = np.unique(behaviour.data.item[behaviour.train])
    return found


def _landmarks(behaviour: Behaviour, rng: np.random.Generator, most: int) -> Indices:
    """All trained items; where they are more than LANDMARKS, `most` of them, drawn."""
    met = _trained(behaviour)
    return met if len(met) <= LANDMARKS else np.sort(rng.choice(met, most, replace=False))
