"""Our models on one split: hyperparameters chosen on validation, then fitted; each is one inner product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from glowplug.training import fold_in, item_block
from glowplug.training.arrays import Floats, Mask
from glowplug.training.channels import Channel
from glowplug.training.dataset import Dataset
from glowplug.training.factors import Behaviour, Factors
from glowplug.training.features import Features
from glowplug.training.ranked import Scorer
from glowplug.training.splits import inner_cold_items, inner_cold_users
from glowplug.training.tasks import Split
from glowplug.training.texts import Progress
from glowplug.training.tuning import Choice
from glowplug.training.vectors import scorer

# Up to this many interactions one validation set is so small that weights chosen on it are partly luck; then more
# are cut from the training part. Of a larger set one is enough, and several would take too long.
SMALL = 300_000
INNER_ITEM_SETS, INNER_USER_SETS = 2, 4
STAND_IN_WEIGHT = 1.0  # of each channel of users, where nobody's choice says otherwise
STAND_IN_PRIOR = 20.0  # users that the overall mean counts as


def learned(
    data: Dataset, split: Split, features: Features, k: int, say: Progress, choices: dict[str, Choice]
) -> Iterator[tuple[str, Scorer]]:
    """Name and scorer of each; the last one reads all there is. `choices` gets what was chosen, by name."""
    if split.protocol == "cold-user":
        yield "learned", _for_new_users(data, split, features, k, say, choices)
        return
    behaviour = Behaviour(data, split.train)
    is_small = len(data.user) <= SMALL and split.protocol == "cold-item"
    inner = inner_cold_items(data, split, INNER_ITEM_SETS) if is_small else []
    cases = [(behaviour, split.validation[0])] + [(Behaviour(data, train), task) for train, task in inner]
    variants: list[tuple[str, tuple[Channel, ...]]] = [("learned", features.of_words + features.of_items)]
    if split.protocol == "cold-item":
        variants.insert(0, ("learned, text only", features.of_words))
    for name, channels in variants:
        choice, value = item_block.tuned(cases, channels, features.vectors, k)
        choices[name] = choice
        say(f"{name}: {_told(choice)}; on validation {value:.3f}")
        factors, _ = item_block.fitted(behaviour, channels, choice)
        factors = item_block.with_profile(factors, behaviour, features.vectors, choice)
        yield name, scorer(item_block.block(_with_stand_ins(factors, data, split.train, features.of_users)))


def _for_new_users(
    data: Dataset, split: Split, features: Features, k: int, say: Progress, choices: dict[str, Choice]
) -> Scorer:
    """Validation users train too, once they have chosen."""
    whole = split.train | np.isin(data.user, split.validation[0].users)
    if len(data.user) <= SMALL:
        parts = inner_cold_users(data, Split(split.protocol, split.seed, whole, (), ()), INNER_USER_SETS)
        cases = [(data.matrix(train), tasks) for train, tasks in parts]
    else:
        cases = [(data.matrix(split.train), split.validation)]
    choice, value = fold_in.tuned(cases, features.vectors, features.of_users, k)
    choices["learned"] = choice
    say(f"learned: {_told(choice)}; on validation {value:.3f}")
    return fold_in.fold_in(fold_in.fitted(data.matrix(whole), features.vectors, choice), features.of_users)


def _with_stand_ins(factors: Factors, data: Dataset, train: Mask, channels: Sequence[Channel]) -> Factors:
    """Users without training interactions get the mean direction of the others, those alike counting more."""
    met = np.unique(data.user[train])
    new = np.setdiff1d(np.arange(len(data.users)), met)
    if not len(new):
        return factors
    users: Floats = factors.users.copy()
    lengths = np.linalg.norm(users[met], axis=1, keepdims=True)
    directions = users[met] / np.maximum(lengths, 1e-9)
    if len(met) > fold_in.LANDMARKS:
        some = np.sort(np.random.default_rng(0).choice(len(met), fold_in.LANDMARKS, replace=False))
        met, directions = met[some], directions[some]
    distance = sum((channel.distance(new, met) for channel in channels), np.zeros((len(new), len(met)), np.float32))
    kernel = np.exp(-STAND_IN_WEIGHT * distance)
    kernel /= kernel.max(axis=1, keepdims=True)
    users[new] = kernel @ directions + STAND_IN_PRIOR * directions.mean(axis=0)
    return Factors(users, factors.items, factors.inputs)


def _told(choice: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in choice.items() if value)
