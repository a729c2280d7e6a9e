"""Our models on one split: hyperparameters chosen on validation, then fitted; each is one inner product."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from glowplug.training import fold_in, item_block, item_search, user_fit, user_search
from glowplug.training.arrays import Floats, Mask
from glowplug.training.channels import Channel
from glowplug.training.dataset import Dataset
from glowplug.training.factors import Behaviour, Factors
from glowplug.training.features import Features
from glowplug.training.item_block import Head
from glowplug.training.models import Model
from glowplug.training.ranked import Scorer
from glowplug.training.splits import SMALL, inner_cold_items, inner_cold_users
from glowplug.training.tasks import Split, Task
from glowplug.training.tuning import Choice, Problem
from glowplug.training.vectors import scorer

OURS, TEXT_ONLY = "learned", "learned, text only"
Choose = Callable[[str, Problem], Choice]
# Parts of a small set that are played as cold: of items all five fifths, since what is chosen on two is partly luck
# (recall@20 of cold items .431 to .449, NDCG@20 .290 to .307 on MovieLens 100K).
INNER_ITEM_SETS, INNER_USER_SETS = 5, 4
STAND_IN_WEIGHT = 1.0  # of each channel of users, where nobody's choice says otherwise
STAND_IN_PRIOR = 20.0  # users that the overall mean counts as


def learned(
    data: Dataset, split: Split, features: Features, k: int, choose: Choose, *, with_text_only: bool = True
) -> Iterator[Model]:
    """The last one reads all there is. choose: gets the name and what is to be chosen for it."""
    if split.protocol == "cold-user":
        yield Model(OURS, _for_new_users(data, split, features, k, choose))
        return
    behaviour = Behaviour(data, split.train)
    names = (TEXT_ONLY, OURS) if split.protocol == "cold-item" and with_text_only else (OURS,)
    cases = item_cases(data, split, behaviour)
    for name in names:
        channels = features.of_words if name == TEXT_ONLY else features.of_words + features.of_items
        choice = choose(name, item_search.problem(cases, channels, features.vectors, k))
        factors, head = item_block.fitted(behaviour, channels, choice)

        def reworded(
            read: Features, name: str = name, choice: Choice = choice, factors: Factors = factors, head: Head = head
        ) -> Scorer:
            channels = read.of_words if name == TEXT_ONLY else read.of_words + read.of_items
            is_same = read is features
            placed = factors if is_same else item_block.projected(factors, head, behaviour, channels)
            whole = item_block.with_profile(placed, behaviour, read.vectors, choice)
            by = item_block.rounding_of(whole, behaviour)
            return scorer(item_block.block(_with_stand_ins(whole, data, split.train, read.of_users), by))

        yield Model(name, reworded(features), reworded)


def item_cases(data: Dataset, split: Split, behaviour: Behaviour) -> list[tuple[Behaviour, Task]]:
    """What choices for items are judged on: training parts and tasks whose answers they do not hold."""
    all_are_cold = not np.isin(split.validation[0].items, data.item[split.train]).any()
    inner = inner_cold_items(data, split, INNER_ITEM_SETS) if len(data.user) <= SMALL and all_are_cold else []
    return [(behaviour, split.validation[0])] + [(Behaviour(data, train), task) for train, task in inner]


def user_cases(data: Dataset, split: Split) -> list[tuple[Mask, tuple[Task, ...]]]:
    """Likewise, for users."""
    if len(data.user) > SMALL:
        return [(split.train, split.validation)]
    return inner_cold_users(data, _with_validation(data, split), split.seed, INNER_USER_SETS)


def _with_validation(data: Dataset, split: Split) -> Mask:
    return split.train | np.isin(data.user, split.validation[0].users)


def _for_new_users(data: Dataset, split: Split, features: Features, k: int, choose: Choose) -> Scorer:
    """Validation users train too, once they have chosen."""
    vectors, channels = features.vectors, features.of_users
    choice = choose(OURS, user_search.problem(data, user_cases(data, split), vectors, channels, k))
    model = user_fit.fitted(data, _with_validation(data, split), vectors, channels, choice)
    return fold_in.fold_in(model, channels)


def _with_stand_ins(factors: Factors, data: Dataset, train: Mask, channels: Sequence[Channel]) -> Factors:
    """Users without training interactions get the mean direction of the others, those alike counting more."""
    met = np.unique(data.user[train])
    new = np.setdiff1d(np.arange(len(data.users)), met)
    if not len(new):
        return factors
    users: Floats = factors.users.copy()
    lengths = np.linalg.norm(users[met], axis=1, keepdims=True)
    directions = users[met] / np.maximum(lengths, 1e-9)
    if len(met) > user_fit.LANDMARKS:
        some = np.sort(np.random.default_rng(0).choice(len(met), user_fit.LANDMARKS, replace=False))
        met, directions = met[some], directions[some]
    for at in range(0, len(new), item_block.BLOCK):
        part = new[at : at + item_block.BLOCK]
        nothing = np.zeros((len(part), len(met)), np.float32)
        kernel = np.exp(-STAND_IN_WEIGHT * sum((one.distance(part, met) for one in channels), nothing))
        kernel /= kernel.max(axis=1, keepdims=True)
        users[part] = kernel @ directions + STAND_IN_PRIOR * directions.mean(axis=0)
    return Factors(users, factors.items, factors.inputs)
