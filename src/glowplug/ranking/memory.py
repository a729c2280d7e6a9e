"""What the recommender remembers of a user's behaviour: a pure fold over their interactions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime

from glowplug.events import Action, Interaction
from glowplug.index.items import item_hash
from glowplug.settings import RankingSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """One interaction. weight: its strength and direction, in [-1.5, 1.5] with the default settings."""

    item_id: str
    action: Action
    value: float | None
    weight: float
    event_hash: str
    event_time: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """history: the latest interactions, oldest first. seen: hashes of every item met, oldest first."""

    history: tuple[Entry, ...] = ()
    seen: dict[int, None] = field(default_factory=dict)  # never changed in place: folds copy it
    evidence: float = 0.0


def remember(memory: Memory, event: Interaction, settings: RankingSettings) -> Memory | None:
    """The memory after `event`; None where the event's id is among those remembered: a repeat."""
    event_hash = event_id_hash(event.event_id)
    if any(entry.event_hash == event_hash for entry in memory.history):
        return None
    weight = weight_of(event.action, event.value, settings)
    entry = Entry(event.item_id, event.action, event.value, weight, event_hash, event.event_time)
    seen = dict(memory.seen)
    met = item_hash(event.item_id)
    seen.pop(met, None)  # met again: the latest now
    seen[met] = None
    while len(seen) > settings.seen:
        del seen[next(iter(seen))]
    return replace(
        memory,
        history=(*memory.history, entry)[-settings.history :],
        seen=seen,
        evidence=memory.evidence + abs(weight),
    )


def weight_of(action: Action, value: float | None, settings: RankingSettings) -> float:
    """A rating counts linearly from -1 (value 0) to +1 (value 1), anything else by its action."""
    return 2 * value - 1 if value is not None else settings.actions.get(action, 0.0)


def event_id_hash(event_id: str) -> str:
    """16 hexadecimal digits: product event ids may be long, and a state record holds many."""
    return hashlib.blake2b(event_id.encode(), digest_size=8).hexdigest()
