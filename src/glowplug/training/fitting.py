"""Both learned blocks with hyperparameters that are chosen already: what an evaluation judges, and what is
served."""

from __future__ import annotations

import numpy as np

from glowplug.training import item_block, user_fit
from glowplug.training.arrays import Mask
from glowplug.training.artifact import Fitted
from glowplug.training.dataset import Dataset
from glowplug.training.factors import Behaviour
from glowplug.training.features import Features
from glowplug.training.tuning import Choice


def fitted(data: Dataset, rows: Mask, read: Features, of_items: Choice, of_users: Choice) -> Fitted:
    """On the interactions in `rows`, bool (n,), and nothing else."""
    behaviour = Behaviour(data, rows)
    channels = read.of_words + read.of_items
    factors, head = item_block.fitted(behaviour, channels, of_items)
    whole = item_block.with_profile(factors, behaviour, read.vectors, of_items)
    model = user_fit.fitted(data, rows, read.vectors, read.of_users, of_users)
    return Fitted(
        data=data,
        encoder=read.encoder,
        trained=np.unique(data.item[rows]),
        factors=whole,
        taste=item_block.rounding_of(whole, behaviour),
        head=head,
        channels=channels,
        weak=float(np.float32(of_items["weak"])),
        model=model,
        # The user model's item side, [p | L], of a new item: from the same kernel, to other targets.
        directions=item_block.projection(behaviour, channels, of_items, head.landmarks, model.items),
        user_channels=read.of_users,
    )
