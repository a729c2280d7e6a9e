"""All models on all draws of the protocols: values of each user, and what they come to with intervals."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from glowplug.training.arrays import Floats
from glowplug.training.baselines import baselines
from glowplug.training.dataset import Dataset
from glowplug.training.features import Features
from glowplug.training.intervals import Interval, interval
from glowplug.training.learned import learned
from glowplug.training.lists import gap, shape_of
from glowplug.training.metrics import METRICS
from glowplug.training.ranked import Ranked, rank
from glowplug.training.splits import FOLDS
from glowplug.training.tasks import Split, Task, reduced
from glowplug.training.texts import Progress
from glowplug.training.tuning import Choice

OURS = "learned"
# Of a task with more, as many are drawn: a mean over them is sure to .005, and all candidates are still ranked.
TESTED_USERS = 10_000


@dataclass(frozen=True, slots=True)
class Draw:
    """One model on one task of one seed."""

    seed: int
    task: Task
    ranked: Ranked


@dataclass(slots=True)
class Results:
    """draws: by task name, then by model, in the order in which they came. seconds: by task and model, of fitting
    and ranking together, over all draws. choices: hyperparameters by protocol and seed, by model."""

    data: Dataset
    k: int
    draws: dict[str, dict[str, list[Draw]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    seconds: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    folded: set[str] = field(default_factory=set)
    choices: dict[tuple[str, int], dict[str, Choice]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. means: by metric. shape: coverage and so on, means over draws. gaps: NDCG between
    groups of users, by attribute. leads: by baseline, the paired difference of NDCG."""

    task: str
    model: str
    users: int
    draws: int
    seconds: float
    means: Mapping[str, Interval]
    shape: Mapping[str, float]
    gaps: Mapping[str, float]
    leads: Mapping[str, Interval]


def evaluate(data: Dataset, splits: Iterable[Split], features: Features, k: int, say: Progress) -> Results:
    """Every model, fitted anew, on every split."""
    results = Results(data, k)
    for split in splits:
        tests = [reduced(task, TESTED_USERS, len(task.items), split.seed) for task in split.test if len(task.users)]
        if not tests:
            say(f"{split.protocol}, seed {split.seed}: nobody has likes to ask for, left out")
            continue
        choices = results.choices.setdefault((split.protocol, split.seed), {})
        models = itertools.chain(
            baselines(data, split, features.words, features.vectors, k),
            learned(data, split, features, k, say, choices),
        )
        started = time.perf_counter()
        for name, scorer in models:
            for task in tests:
                results.draws[task.name][name].append(Draw(split.seed, task, rank(task, scorer, k)))
                if split.protocol == "cold-user":
                    results.folded.add(task.name)
            now = time.perf_counter()
            results.seconds[tests[0].name, name] += now - started
            started = now
            say(f"{split.protocol}, seed {split.seed}: {name}")
    return results


def lines(results: Results) -> list[Line]:
    likes = np.asarray(results.data.matrix(np.ones(len(results.data.user), bool)).sum(axis=0)).ravel()
    found = []
    for task, models in results.draws.items():
        folds = results.folded if len(next(iter(models.values()))) == FOLDS else set()
        for model, draws in models.items():
            rivals = (
                {}
                if not model.startswith(OURS)
                else {other: others for other, others in models.items() if not other.startswith(OURS)}
            )
            found.append(_line(results, task, model, draws, rivals, likes, pooled=task in folds))
    return found


def _line(
    results: Results,
    task: str,
    model: str,
    draws: Sequence[Draw],
    rivals: Mapping[str, Sequence[Draw]],
    likes: Floats,
    *,
    pooled: bool,
) -> Line:
    shapes = [shape_of(draw.ranked.listed, len(draw.task.items), likes[draw.task.items]) for draw in draws]
    groups = [one for one in results.data.users.fields if one.kind == "category"]
    return Line(
        task=task,
        model=model,
        users=sum(len(draw.task.users) for draw in draws),
        draws=len(draws),
        seconds=results.seconds.get((task, model), 0.0),
        means={name: interval([draw.ranked.values[name] for draw in draws], pooled=pooled) for name in METRICS},
        shape={name: float(np.mean([shape[name] for shape in shapes])) for name in shapes[0]},
        gaps={
            one.name: float(np.mean([gap(draw.ranked.values["ndcg"], draw.task.users, one) for draw in draws]))
            for one in groups
        },
        leads={
            name: interval(
                [
                    ours.ranked.values["ndcg"] - theirs.ranked.values["ndcg"]
                    for ours, theirs in zip(draws, others, strict=True)
                ],
                pooled=pooled,
            )
            for name, others in rivals.items()
        },
    )
