"""A data set's items, users and interactions as a running recommender would know them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from glowplug.events import Attributes
from glowplug.heads.described import Described
from glowplug.heads.head import Head
from glowplug.ranking.memory import Entry
from glowplug.training.arrays import Floats
from glowplug.training.dataset import Dataset, Side
from glowplug.training.fields import DESCRIPTION, TITLE
from glowplug.vectors import Half

AT_ONCE = 512  # items placed together: some tens of megabytes
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)  # of remembered deeds: a head reads their order, not their times


def placed(head: Head, items: Side, vectors: Floats) -> Half:
    """float16 (items, width): each item's columns. vectors: float32 (items, text)."""
    rows = described(items, vectors)
    return np.concatenate([head.items(rows[at : at + AT_ONCE]) for at in range(0, len(rows), AT_ONCE)])


def described(side: Side, vectors: Floats) -> list[Described]:
    """Items as a head reads them. vectors: float32 (items, text)."""
    found = []
    for at, item_id in enumerate(side.ids):
        stated = attributes_of(side, at)
        title, description = stated.pop(TITLE, ""), stated.pop(DESCRIPTION, "")
        found.append(Described(item_id, str(title), str(description), stated, vectors[at].astype(np.float16)))
    return found


def attributes_of(side: Side, at: int) -> Attributes:
    """Those that are known of the id at this position."""
    return {field.name: value for field in side.fields if (value := field.values[at]) is not None}


def entry_of(data: Dataset, at: int) -> Entry:
    """This interaction as the recommender would remember it. A yes is a rating of 1, everything else 0."""
    value = float(data.positive[at])
    return Entry(data.items.ids[data.item[at]], "rating", value, 2 * value - 1, "", BEGINNING)
