"""An item in the words and attributes that a head reads."""

from __future__ import annotations

from dataclasses import dataclass

from glowplug.events import Attributes
from glowplug.vectors import Half


@dataclass(frozen=True, slots=True)
class Described:
    """What a head reads of an item: as item-vectors carries it. text: float16 (text,), None where it has no
    text."""

    item_id: str
    title: str
    description: str
    attributes: Attributes
    text: Half | None
