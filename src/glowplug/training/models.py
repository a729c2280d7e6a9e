"""A model that was fitted on one split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glowplug.training.features import Features
from glowplug.training.ranked import Scorer


@dataclass(frozen=True, slots=True)
class Model:
    """reworded: the same model where items read otherwise, for models that place an item by its text alone; nothing
    is fitted anew."""

    name: str
    scorer: Scorer
    reworded: Callable[[Features], Scorer] | None = None
