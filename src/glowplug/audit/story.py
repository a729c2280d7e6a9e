"""How a user's current list came about, as a value: what they said and did, and what the scores are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from glowplug.events import Recommendations, Source, UserProfile, UserVector
from glowplug.ranking.priors import Table


@dataclass(frozen=True, slots=True)
class Term:
    """What one thing adds to a score."""

    what: str
    adds: float


@dataclass(frozen=True, slots=True)
class Listing:
    """One item of the published list. score: over the final state, as terms add up to it; None where the item is no
    longer there. sent: as it was published; None where the list in user-states has not gone out yet."""

    rank: int
    item_id: str
    title: str
    score: float | None
    sent: float | None
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Miss:
    """An item near the list that is not on it."""

    item_id: str
    title: str
    score: float
    why: str


@dataclass(frozen=True, slots=True)
class Deed:
    """One remembered interaction. adds: its weight after decay in the user's vector; 0 while the item is unknown or
    has no text."""

    item_id: str
    title: str
    action: str
    value: float | None
    event_time: datetime
    weight: float
    adds: float


@dataclass(frozen=True, slots=True)
class Words:
    """One statement and its weight in the user's vector."""

    field: str
    text: str
    adds: float


@dataclass(frozen=True, slots=True)
class Story:
    """said, profile, event: the records as they stand. mark: before which offset of each partition of item-vectors
    items are in the lists of this user's partition. remarks: what is not as it will be."""

    user_id: str
    partition: int
    status: str
    stage: str
    version: int | None
    updated_at: datetime
    evidence: float
    met: int
    encoder: str
    head: str
    epoch: int
    newest: Table
    source: Source | None
    said: UserVector | None
    profile: UserProfile | None
    event: Recommendations | None
    mark: dict[int, int]
    words: tuple[Words, ...]
    deeds: tuple[Deed, ...]
    items: tuple[Listing, ...]
    misses: tuple[Miss, ...]
    remarks: tuple[str, ...]


def strongest(terms: Iterable[Term], most: int) -> tuple[list[Term], Term]:
    """The terms that matter most, in their order, and all others as one: together they still add up."""
    every = list(terms)
    kept = {id(term) for term in sorted(every, key=lambda term: -abs(term.adds))[:most]}
    rest = [term for term in every if id(term) not in kept]
    return [term for term in every if id(term) in kept], Term("the rest", sum(term.adds for term in rest))
