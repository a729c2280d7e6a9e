"""What lists are like as a whole: coverage, novelty, popularity bias, gaps between groups of users."""

from __future__ import annotations

import numpy as np

from glowplug.training.arrays import Floats, Indices, Wide
from glowplug.training.fields import Field

LEAST_GROUP = 10  # users; the mean of fewer says nothing of the group


def shape_of(listed: Indices, candidates: int, likes: Floats) -> dict[str, float]:
    """listed: int64 (n, k), columns among `candidates` items. likes: (candidates,), how many users like each, over
    all the data: of a cold item nobody knew it, but the lists can be judged by it.

    coverage: share of the candidates on some list. novelty: mean self-information, -log2 of an item's share of the
    likes (Zhou et al. 2010, PNAS 107:4511). popularity_bias: mean likes of what is listed over mean likes of the
    candidates; 1 is none.
    """
    share = (likes + 1) / (likes.sum() + len(likes))
    return {
        "coverage": len(np.unique(listed)) / candidates,
        "novelty": float(-np.log2(share[listed]).mean()),
        "popularity_bias": float(likes[listed].mean() / likes.mean()) if likes.any() else 1.0,
    }


def by_group(values: Wide, users: Indices, field: Field) -> dict[str, Wide]:
    """The values of each category of `field` that has at least LEAST_GROUP of the users."""
    labels = np.array([str(field.values[user]) for user in users])
    groups = {str(label): values[labels == label] for label in np.unique(labels) if label != "None"}
    return {label: found for label, found in groups.items() if len(found) >= LEAST_GROUP}


def gap(values: Wide, users: Indices, field: Field) -> float:
    """Best mean of a group minus worst."""
    means = [float(found.mean()) for found in by_group(values, users, field).values()]
    return max(means) - min(means) if means else 0.0
