"""How much of a list stays when the candidates are worded otherwise (rewording.py)."""

from __future__ import annotations

from dataclasses import dataclass

from glowplug.training.arrays import Indices, Wide
from glowplug.training.dataset import Dataset
from glowplug.training.features import Features
from glowplug.training.models import Model
from glowplug.training.ranked import rank
from glowplug.training.rewording import reworded_features
from glowplug.training.tasks import Task, reduced

REWORDED_ITEMS = 1_000  # candidates of this question; each is encoded once more
ASKED_USERS = 2_000


@dataclass(frozen=True, slots=True)
class Consistency:
    """The question of one task: at most REWORDED_ITEMS candidates, as they are and as others might say them."""

    task: Task
    said: Features
    otherwise: Features

    @classmethod
    def of(cls, data: Dataset, features: Features, task: Task, seed: int) -> Consistency:
        some = reduced(task, ASKED_USERS, REWORDED_ITEMS, seed)
        return cls(some, features, reworded_features(data, features, some.items, seed))

    def overlap(self, model: Model, k: int) -> Wide | None:
        """float64 (users,): the share of the first k that both lists hold. None for models that read no text."""
        if model.reworded is None:
            return None
        first = rank(self.task, model.scorer, k).listed
        return shared(first, rank(self.task, model.reworded(self.otherwise), k).listed)


def shared(one: Indices, other: Indices) -> Wide:
    """float64 (n,): overlap@k of lists, int64 (n, k) each, without repeats."""
    found: Wide = (one[:, :, None] == other[:, None, :]).any(axis=2).mean(axis=1)
    return found
