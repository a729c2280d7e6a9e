"""What hyperparameters of the user model are worth on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from glowplug.training.arrays import Floats, Mask, Wide
from glowplug.training.channels import Channel
from glowplug.training.dataset import Dataset
from glowplug.training.factors import RANKS
from glowplug.training.fold_in import with_one
from glowplug.training.ranked import rank
from glowplug.training.tasks import Task, reduced
from glowplug.training.tuning import Choice, Problem, remembered
from glowplug.training.user_fit import Fits

TUNING_USERS, TUNING_ITEMS = 1_000, 5_000  # of each validation task: they are ranked once for each option
WEIGHTS = (0.0, 0.1, 0.3, 1.0)  # of a channel of users
START = {"rank": 64.0, "noise": 1.0, "prior": 10.0, "weak": 0.2, "content": 0.0, "trust": 0.5}
GRID: Mapping[str, tuple[float, ...]] = {
    "prior": (3.0, 10.0, 30.0, 100.0, 300.0),
    "noise": (0.5, 1.0, 2.0, 4.0),
    "weak": (0.0, 0.2, 0.4),
    "content": (0.0, 0.3),
    "rank": tuple(map(float, RANKS)),
    "trust": (0.0, 0.5, 1.0),
}
WEIGHT_AT_START = 0.3


def problem(
    data: Dataset,
    cases: Sequence[tuple[Mask, Sequence[Task]]],
    vectors: Floats,
    channels: Sequence[Channel],
    k: int,
) -> Problem:
    """Weights of channels and the names of GRID; worth, in each case: the mean over its tasks of recall@k +
    NDCG@k.

    A case: interactions of training users, bool (n,), and tasks of other users, one for each number of likes.
    """
    trials = [
        _Trial(Fits(data, train, vectors, channels), asking, k)
        for train, tasks in cases
        if (asking := [task for task in tasks if len(task.users)])
    ]
    grid = {channel.name: WEIGHTS for channel in channels} | dict(GRID)
    if data.positive.all():
        del grid["weak"]  # there is nothing that it could weigh
    return Problem(start(channels), grid, [remembered(trial.value) for trial in trials])


def start(channels: Sequence[Channel]) -> Choice:
    """Where a search starts, and what is good enough where none is worth its time."""
    return START | {channel.name: WEIGHT_AT_START for channel in channels}


class _Trial:
    """The tasks of one case, reduced; nothing is rounded to float16 here, which moves no list."""

    def __init__(self, fits: Fits, tasks: Sequence[Task], k: int) -> None:
        self._fits, self._k = fits, k
        self._tasks = [reduced(task, TUNING_USERS, TUNING_ITEMS, seed=0) for task in tasks]

    def value(self, choice: Choice) -> float:
        model = self._fits.model(choice)
        items, found = model.items, []
        for task in self._tasks:
            users = with_one(model.placed(self._fits.prior(model, task.users), task.known)).astype(np.float32)
            values = self._ranked(task, users, items[task.items])
            found.append(float(values["recall"].mean() + values["ndcg"].mean()))
        return float(np.mean(found))

    def _ranked(self, task: Task, users: Floats, items: Floats) -> Mapping[str, Wide]:
        return rank(task, lambda _, rows: users[rows] @ items.T, self._k).values
