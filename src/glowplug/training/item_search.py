"""What hyperparameters of the learned block for items are worth on validation, quickly: hundreds are tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import linalg

from glowplug.training.arrays import Floats, Sparse
from glowplug.training.channels import Channel
from glowplug.training.factors import RANKS, Behaviour, summed
from glowplug.training.item_block import (
    landmarks_of,
    mean_length,
    smoothed_texts,
    targets,
    trained_items,
    whitened,
)
from glowplug.training.ranked import rank
from glowplug.training.tasks import Task, reduced
from glowplug.training.tuning import Choice, Problem, remembered

TUNING_USERS = 3_000  # rows ranked on validation: their mean is sure to .005, finer than the steps of the grids
TUNING_ITEMS = 3_000  # likewise, candidates
# Of a large set, where each option costs a kernel: weights are about attributes, and need fewer items than the fit.
TUNING_LANDMARKS = 1_500
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


def problem(
    cases: Sequence[tuple[Behaviour, Task]], channels: Sequence[Channel], vectors: Floats, k: int
) -> Problem:
    """Weights of channels and the names of GRID; worth, in each case: recall@k + NDCG@k.

    A case is a training part and a task whose answers it does not hold; weights matter where candidates are cold.
    """
    trials = [_Trial(behaviour, channels, vectors, task, k) for behaviour, task in cases if len(task.users)]
    start = dict(START) | {
        channel.name: WORDS_AT_START if channel.is_words else ATTRIBUTE_AT_START for channel in channels
    }
    grid = dict(GRID)
    if any(trial.has_cold for trial in trials):
        grid |= {channel.name: WEIGHTS for channel in channels}
    if all(behaviour.data.positive.all() for behaviour, _ in cases):
        del grid["weak"]  # there is nothing that it could weigh

    def idle(choice: Choice) -> tuple[str, ...]:
        return () if choice["profile"] else ("profile ridge",)

    return Problem(start, grid, [remembered(trial.value, idle) for trial in trials])


class _Trial:
    """One case, reduced to some users and items, with what many options share computed once.

    Nothing is rounded to float16 here, which moves no list, and only the users that are ranked get vectors.
    """

    def __init__(
        self, behaviour: Behaviour, channels: Sequence[Channel], vectors: Floats, task: Task, k: int
    ) -> None:
        self._behaviour, self._vectors, self._k = behaviour, vectors, k
        self._task = reduced(task, TUNING_USERS, TUNING_ITEMS, seed=0)
        self._trained = trained_items(behaviour)
        texts = vectors[self._trained]
        self._gram, self._text_length = texts.T @ texts, mean_length(texts)
        self._is_cold = ~np.isin(self._task.items, self._trained)
        self._met = landmarks_of(behaviour, np.random.default_rng(0), TUNING_LANDMARKS)
        self._distances: dict[str, tuple[Floats, Floats]] = {}
        if self.has_cold:
            cold = self._task.items[self._is_cold]
            self._distances = {
                one.name: (one.distance(self._met, self._met), one.distance(cold, self._met)) for one in channels
            }
            self._among = np.zeros((len(self._met), len(self._met)), np.float32)
            self._across = np.zeros((len(cold), len(self._met)), np.float32)
        self._weights = dict.fromkeys(self._distances, 0.0)
        self._solver: tuple[tuple[float, ...], Floats, Floats] | None = None
        self._profile: tuple[tuple[float, ...], Floats] | None = None
        self._interactions: dict[float, Sparse] = {}

    @property
    def has_cold(self) -> bool:
        return bool(self._is_cold.any())

    def value(self, choice: Choice) -> float:
        factors = targets(self._behaviour, choice)
        users, items = factors.users[self._task.users], factors.items[self._task.items]
        if self.has_cold:
            factor, across = self._kernel(choice)
            right = factors.items[self._met]
            items[self._is_cold] = across @ linalg.cho_solve((factor, True), right, check_finite=False)
        if choice["profile"]:
            mine = self._of_profile(choice)
            loud = mean_length(users) * mean_length(factors.items[self._trained])
            loud /= max(mean_length(mine) * self._text_length, 1e-12)
            users = np.hstack([users, np.float32(choice["profile"] * loud) * mine])
            items = np.hstack([items, self._vectors[self._task.items]])
        found = rank(self._task, lambda _, rows: users[rows] @ items.T, self._k).values
        return float(found["recall"].mean() + found["ndcg"].mean())

    def _kernel(self, choice: Choice) -> tuple[Floats, Floats]:
        """The landmarks' kernel, with its ridge, as a Cholesky factor, and that of the cold candidates to them."""
        key = (*(choice[name] for name in self._distances), choice["ridge"])
        if self._solver is None or self._solver[0] != key:
            for name, (among, across) in self._distances.items():
                if step := np.float32(choice[name] - self._weights[name]):  # most options change one weight
                    self._among -= step * among
                    self._across -= step * across
                    self._weights[name] = choice[name]
            matrix = np.exp(self._among)
            matrix[np.diag_indices_from(matrix)] += np.float32(choice["ridge"])
            factor = linalg.cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
            self._solver = (key, factor, np.exp(self._across))
        return self._solver[1], self._solver[2]

    def _of_profile(self, choice: Choice) -> Floats:
        """float32 (the task's users, dim)."""
        key = tuple(choice[name] for name in ("weak", "ease", "smoothing"))
        if self._profile is None or self._profile[0] != key:
            weak = choice["weak"]
            if weak not in self._interactions:
                matrix = self._behaviour.data.matrix(self._behaviour.train, weak)
                self._interactions[weak] = matrix[self._task.users]
            # The ridge regression is linear in them: of the users that are ranked it costs less than of all items.
            inputs = smoothed_texts(self._behaviour, self._vectors, choice)
            self._profile = (key, summed(self._interactions[weak], inputs))
        return whitened(self._profile[1], self._gram, choice)
