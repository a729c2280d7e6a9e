"""What an evaluation's draws come to: a line for each task and model, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from glowplug.training.ages import NEW, Ages, bands, pooled, recall_by_band
from glowplug.training.arrays import Floats, Wide
from glowplug.training.evaluation import OURS, Draw, Results
from glowplug.training.fields import Field
from glowplug.training.intervals import Interval, interval
from glowplug.training.lists import LEAST_GROUP, by_group, gap, shape_of
from glowplug.training.metrics import METRICS, per_user
from glowplug.training.splits import FOLDS

MOST_GROUPS = 30  # categories of one attribute that a report can show


@dataclass(frozen=True, slots=True)
class Part:
    """The metric of a part of what was asked: users of one group, or items of one age."""

    name: str
    users: int
    value: Interval


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. means: by metric. shape: coverage and so on, means over draws. gaps: NDCG between
    groups of users, by attribute. leads: by baseline, the paired difference of NDCG. at: recall and NDCG of lists
    of 1, 2, … k items. groups: NDCG by attribute, ours and popularity's. ages: recall by the item's age at the
    like. overlap: of lists with those under reworded texts."""

    task: str
    model: str
    users: int
    draws: int
    seconds: float
    means: Mapping[str, Interval]
    shape: Mapping[str, float]
    gaps: Mapping[str, float]
    leads: Mapping[str, Interval]
    at: Mapping[str, Sequence[float]] = field(default_factory=dict)
    groups: Mapping[str, Sequence[Part]] = field(default_factory=dict)
    ages: Sequence[Part] = ()
    overlap: Interval | None = None


def lines(results: Results) -> list[Line]:
    likes = np.asarray(results.data.matrix(np.ones(len(results.data.user), bool)).sum(axis=0)).ravel()
    found = []
    for task, models in results.draws.items():
        folds = results.folded if len(next(iter(models.values()))) == FOLDS else set()
        by_age = _by_age(results, models, pooled_draws=task in folds)
        for model, draws in models.items():
            rivals = (
                {}
                if not model.startswith(OURS)
                else {other: others for other, others in models.items() if not other.startswith(OURS)}
            )
            found.append(_line(results, task, model, draws, rivals, likes, by_age, pooled_draws=task in folds))
    return found


def _line(
    results: Results,
    task: str,
    model: str,
    draws: Sequence[Draw],
    rivals: Mapping[str, Sequence[Draw]],
    likes: Floats,
    by_age: Mapping[str, Sequence[Part]],
    *,
    pooled_draws: bool,
) -> Line:
    shapes = [shape_of(draw.ranked.listed, len(draw.task.items), likes[draw.task.items]) for draw in draws]
    categories = [one for one in results.data.users.fields if one.kind == "category"]
    overlaps = [draw.overlap for draw in draws if draw.overlap is not None]
    return Line(
        task=task,
        model=model,
        users=sum(len(draw.task.users) for draw in draws),
        draws=len(draws),
        seconds=results.seconds.get((task, model), 0.0),
        means={
            name: interval([draw.ranked.values[name] for draw in draws], pooled=pooled_draws) for name in METRICS
        },
        shape={name: float(np.mean([shape[name] for shape in shapes])) for name in shapes[0]},
        gaps={
            one.name: float(np.mean([gap(draw.ranked.values["ndcg"], draw.task.users, one) for draw in draws]))
            for one in categories
        },
        leads={
            name: interval(
                [
                    ours.ranked.values["ndcg"] - theirs.ranked.values["ndcg"]
                    for ours, theirs in zip(draws, others, strict=True)
                ],
                pooled=pooled_draws,
            )
            for name, others in rivals.items()
        },
        at=_cut_offs(draws),
        groups={one.name: parts for one in categories if (parts := _groups(draws, one))}
        if _is_shown(model)
        else {},
        ages=by_age.get(model, ()),
        overlap=interval(overlaps, pooled=True) if overlaps else None,
    )


def _is_shown(model: str) -> bool:
    return model in (OURS, "popularity")


def _cut_offs(draws: Sequence[Draw]) -> dict[str, list[float]]:
    """Of lists of 1, 2, … items, means over users and draws; the first j of k are the best j."""
    found: dict[str, list[float]] = {"recall": [], "ndcg": []}
    for cut in range(1, draws[0].ranked.hits.shape[1] + 1):
        means: dict[str, list[float]] = {name: [] for name in found}
        for draw in draws:
            relevant = np.diff(draw.task.relevant.indptr)
            candidates = np.full(len(relevant), len(draw.task.items))
            values = per_user(draw.ranked.hits[:, :cut], relevant, candidates)
            for name in found:
                means[name].append(float(values[name].mean()))
        for name, each in means.items():
            found[name].append(float(np.mean(each)))
    return found


def _groups(draws: Sequence[Draw], attribute: Field) -> list[Part]:
    parts: dict[str, list[Wide]] = {}
    for draw in draws:
        for label, values in by_group(draw.ranked.values["ndcg"], draw.task.users, attribute).items():
            parts.setdefault(label, []).append(values)
    found = [
        Part(label, sum(map(len, values)), interval(values, pooled=True)) for label, values in sorted(parts.items())
    ]
    return sorted(found, key=lambda part: -part.users)[:MOST_GROUPS]


def _by_age(
    results: Results, models: Mapping[str, Sequence[Draw]], *, pooled_draws: bool
) -> dict[str, tuple[Part, ...]]:
    """Recall by band, by model; nothing without times, or where all is of one band."""
    if not results.data.is_timed:
        return {}
    ages = Ages(results.data)
    some = next(iter(models.values()))
    asked = [ages.asked(draw.task) for draw in some]
    met = [draw.met[draw.task.items[columns]] for draw, (_, columns, _) in zip(some, asked, strict=True)]
    known = np.concatenate([age[is_met] for (_, _, age), is_met in zip(asked, met, strict=True)])
    cuts = bands(known)
    labels = (NEW, *cuts.labels)
    found: dict[str, tuple[Part, ...]] = {}
    for model, draws in models.items():
        by_band: list[list[Wide]] = [[] for _ in labels]
        for draw, (rows, columns, age), is_met in zip(draws, asked, met, strict=True):
            band = cuts.of(age, is_met)
            for at, values in enumerate(recall_by_band(draw.ranked, rows, columns, band, len(labels))):
                by_band[at].append(values)
        parts = tuple(
            Part(label, sum(map(len, values)), interval(pooled(values), pooled=pooled_draws))
            for label, values in zip(labels, by_band, strict=True)
            if sum(map(len, values)) >= LEAST_GROUP
        )
        if len(parts) > 1:
            found[model] = parts
    return found
