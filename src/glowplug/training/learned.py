"""Our models on one split: hyperparameters chosen on validation, then fitted; each is one inner product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from glowplug.training import fold_in, item_block, item_search, user_fit, user_search
from glowplug.training.arrays import Floats, Mask, Wide
from glowplug.training.channels import Channel
from glowplug.training.dataset import Dataset
from glowplug.training.factors import Behaviour
from glowplug.training.features import Features
from glowplug.training.fold_in import UserModel
from glowplug.training.models import Model
from glowplug.training.ranked import Scorer
from glowplug.training.splits import SMALL, inner_cold_items, inner_cold_users
from glowplug.training.tasks import TASTE_FROM, Split, Task
from glowplug.training.tuning import Choice, Problem
from glowplug.training.vectors import scorer

OURS, TEXT_ONLY = "learned", "learned, text only"
NEW_USERS = "learned, new users"  # what is chosen for those of whom OURS knows too little for behaviour
Choose = Callable[[str, Problem], Choice]
# Parts of a small set that are played as cold: of items all five fifths, since what is chosen on two is partly luck
# (recall@20 of cold items .431 to .449, NDCG@20 .290 to .307 on MovieLens 100K).
INNER_ITEM_SETS, INNER_USER_SETS = 5, 4
# Cold items by which one set alone is large enough to choose: five more would take six times as long, and a kernel
# of 17,000 items as many times its memory (8.6 GB with two draws beside each other).
ENOUGH_COLD = 1_000
WORTH_CHOOSING = 0.05  # share of new users among those asked: of fewer a choice moves no mean, and takes minutes


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
    new = _new_users(data, split)
    of_new = None
    share = float(new[np.concatenate([task.users for task in split.test])].mean())
    if share:
        of_users = user_search.start(features.of_users)
        if share >= WORTH_CHOOSING:
            of_users = choose(NEW_USERS, _problem_of_new_users(data, split, features, k))
        of_new = user_fit.fitted(data, split.train, features.vectors, features.of_users, of_users)
    for name in names:
        choice = choose(name, item_search.problem(cases, _channels(features, name), features.vectors, k))
        yield _of_items(name, features, behaviour, choice, of_new, new)


def _of_items(
    name: str, features: Features, behaviour: Behaviour, choice: Choice, of_new: UserModel | None, new: Mask
) -> Model:
    """of_new: the model of the users in `new`, bool (users,); None where nobody is asked for them."""
    channels = _channels(features, name)
    factors, head = item_block.fitted(behaviour, channels, choice)
    to_sides = None
    if of_new is not None:
        to_sides = replace(
            head, matrix=item_block.projection(behaviour, channels, choice, head.landmarks, of_new.items)
        )

    def reworded(read: Features) -> Scorer:
        channels = _channels(read, name)
        placed = factors if read is features else item_block.projected(factors, head, behaviour, channels)
        whole = item_block.with_profile(placed, behaviour, read.vectors, choice)
        found = scorer(item_block.block(whole, item_block.rounding_of(whole, behaviour)))
        if of_new is None or to_sides is None:
            return found
        sides = item_block.placed(of_new.items, to_sides, behaviour, channels)
        return _either(new, fold_in.fold_in(of_new, read.of_users, sides), found)

    return Model(name, reworded(features), reworded)


def _channels(read: Features, name: str) -> tuple[Channel, ...]:
    return read.of_words if name == TEXT_ONLY else read.of_words + read.of_items


def item_cases(data: Dataset, split: Split, behaviour: Behaviour) -> list[tuple[Behaviour, Task]]:
    """What choices for items are judged on: training parts and tasks whose answers they do not hold."""
    cold = split.validation[0].items
    is_luck = len(data.user) <= SMALL and len(cold) < ENOUGH_COLD
    all_are_cold = not np.isin(cold, data.item[split.train]).any()
    inner = inner_cold_items(data, split, INNER_ITEM_SETS) if is_luck and all_are_cold else []
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


def _new_users(data: Dataset, split: Split) -> Mask:
    """Bool (users,): whom training knows too little of for taste, as in serving."""
    return np.bincount(data.user[split.train], minlength=len(data.users)) < TASTE_FROM


def _problem_of_new_users(data: Dataset, split: Split, features: Features, k: int) -> Problem:
    """On users of the training part alone: those of the validation part have answers in it."""
    cases = inner_cold_users(data, split.train, split.seed, INNER_USER_SETS)
    return user_search.problem(data, cases, features.vectors, features.of_users, k)


def _either(new: Mask, of_new: Scorer, of_others: Scorer) -> Scorer:
    def scores(task: Task, rows: slice) -> Floats | Wide:
        is_new = new[task.users[rows]]
        if is_new.all():
            return of_new(task, rows)
        found = of_others(task, rows)
        return np.where(is_new[:, None], of_new(task, rows), found) if is_new.any() else found

    return scores
