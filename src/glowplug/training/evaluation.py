"""All models on all draws of the protocols: their lists, and what each is worth to each user."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from glowplug.training.arrays import Mask, Wide
from glowplug.training.baselines import baselines
from glowplug.training.consistency import Consistency
from glowplug.training.dataset import Dataset
from glowplug.training.features import Features
from glowplug.training.learned import NEW_USERS, OURS, learned
from glowplug.training.ranked import Ranked, rank
from glowplug.training.side_by_side import one_thread_each, side_by_side
from glowplug.training.splits import SMALL
from glowplug.training.tasks import Split, Task, reduced
from glowplug.training.texts import Progress
from glowplug.training.tracking import Tracker, nobody
from glowplug.training.tuning import Choice, Problem, solved

__all__ = ["OURS", "Draw", "Results", "evaluate"]

# Of a task with more, as many are drawn: a mean over them is sure to .005, and all candidates are still ranked.
TESTED_USERS = 10_000
TESTED_SCORES = (
    100_000_000  # and fewer users where candidates are many: ranking these takes seconds, for each model
)
LEAST_TESTED_USERS = 2_000


@dataclass(frozen=True, slots=True)
class Draw:
    """One model on one task of one seed. met: bool (items,), those that training met. overlap: float64 (users,), of
    its lists with those under reworded texts; None where that was not asked."""

    seed: int
    task: Task
    ranked: Ranked
    met: Mask
    overlap: Wide | None


@dataclass(slots=True)
class Results:
    """draws: by task name, then by model, in the order in which they came. seconds: by task and model, of fitting
    and ranking together, over all draws. folded: tasks whose draws are folds. choices: hyperparameters by protocol
    and seed, by model. curves: likewise, the criterion of each option tried."""

    data: Dataset
    k: int
    draws: dict[str, dict[str, list[Draw]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    seconds: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    folded: set[str] = field(default_factory=set)
    choices: dict[tuple[str, int], dict[str, Choice]] = field(default_factory=lambda: defaultdict(dict))
    curves: dict[tuple[str, int], dict[str, list[float]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, other: Results) -> None:
        """Of other splits of the same data."""
        for task, models in other.draws.items():
            for model, draws in models.items():
                self.draws[task][model] += draws
        for key, seconds in other.seconds.items():
            self.seconds[key] += seconds
        self.folded |= other.folded
        self.choices |= other.choices
        self.curves |= other.curves


def evaluate(
    data: Dataset,
    splits: Iterable[Split],
    features: Features,
    k: int,
    say: Progress,
    *,
    tracker: Tracker = nobody,
    given: Mapping[str, Choice] | None = None,
    brief: bool = False,
) -> Results:
    """Every model, fitted anew, on every split; of a small data set several splits beside each other. given:
    hyperparameters of `items` and `users` that need no search. brief: leave out what only a table shows, lists
    under other wordings and the learned block of text alone."""

    def judged(split: Split) -> Results:
        found = Results(data, k)
        _on_split(found, split, features, say, tracker, given or {}, brief=brief)
        return found

    results = Results(data, k)
    with suited(data):
        for one in side_by_side(judged, splits) if len(data.user) <= SMALL else map(judged, splits):
            results.add(one)
    return results


def suited(data: Dataset) -> AbstractContextManager[None]:
    """To the size of its matrices: so many threads for each piece of linear algebra."""
    return one_thread_each() if len(data.user) <= SMALL else nullcontext()


def _on_split(
    results: Results,
    split: Split,
    features: Features,
    say: Progress,
    tracker: Tracker,
    given: Mapping[str, Choice],
    *,
    brief: bool,
) -> None:
    data, k = results.data, results.k
    tests = [reduced(task, _tested(task), len(task.items), split.seed) for task in split.test if len(task.users)]
    if not tests:
        say(f"{split.protocol}, seed {split.seed}: nobody has likes to ask for, left out")
        return

    def choose(name: str, problem: Problem) -> Choice:
        curve = results.curves[split.protocol, split.seed].setdefault(name, [])

        def watch(value: float) -> None:
            curve.append(value)
            tracker.scalar(f"validation/{split.protocol}-{split.seed}/{name}", value, len(curve))

        is_of_users = name == NEW_USERS or split.protocol == "cold-user"
        choice: Choice | None = given.get("users" if is_of_users else "items")
        # What was found for other channels (text alone, another data set) is no choice for these.
        if choice is None or choice.keys() != problem.start.keys():
            with one_thread_each():  # also of a large set an option costs hundreds of small steps
                choice, value = solved(problem, watch)
            say(f"{name}: {_told(choice)}; on validation {value:.3f}")
        results.choices[split.protocol, split.seed][name] = choice
        return choice

    met = np.zeros(len(data.items), bool)
    met[data.item[split.train]] = True
    started = time.perf_counter()
    # Asked once, of the first draw, and where all candidates are cold: there the wording is all that places them.
    asked = not brief and split.seed == 0 and not met[tests[0].items].any()
    wording = Consistency.of(data, features, tests[0], split.seed) if asked else None
    ours = learned(data, split, features, k, choose, with_text_only=not brief)
    for model in itertools.chain(baselines(data, split, features, k), ours):
        for task in tests:
            ranked = rank(task, model.scorer, k)
            overlap = wording.overlap(model, k) if wording is not None else None
            results.draws[task.name][model.name].append(Draw(split.seed, task, ranked, met, overlap))
            tracker.scalar(f"test/{task.name}/{model.name}/ndcg", float(ranked.values["ndcg"].mean()), split.seed)
            if split.protocol == "cold-user":
                results.folded.add(task.name)
        now = time.perf_counter()
        results.seconds[tests[0].name, model.name] += now - started
        started = now
        say(f"{split.protocol}, seed {split.seed}: {model.name}")


def _tested(task: Task) -> int:
    return min(TESTED_USERS, max(LEAST_TESTED_USERS, TESTED_SCORES // len(task.items)))


def _told(choice: Choice) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in choice.items() if value)
