"""What a changed item asks of the lists, and what several changes of one item come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

Change = Literal["created", "updated", "withdrawn"]
Partitions = frozenset[int] | None  # of users; None: all of ours
MAX_COVERS = 100  # event ids that one change, or one list, names: enough for any window, and bounded during imports


class At(NamedTuple):
    """Where a record stands in item-vectors."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What a changed item asks of the lists. moved: its text vector differs, so histories weigh differently too.

    covers: the events it stands for by id, the latest MAX_COVERS, and the user partitions that each is news to.
    event_time, at: of the oldest of their records. only: the user partitions whose lists it concerns.
    clock: of the catalogue, when it took in the latest of them.
    """

    item_id: str
    change: Change
    moved: bool
    covers: Mapping[str, Partitions]
    event_time: datetime
    at: At
    only: Partitions = None
    clock: int = 0

    def after(self, earlier: ItemChange | None) -> ItemChange:
        """This change on top of one that still waits."""
        if earlier is None:
            return self
        created = earlier.change == "created" and self.change == "updated"
        covers = {event_id: _both(news_to, earlier.only) for event_id, news_to in earlier.covers.items()}
        for event_id, news_to in self.covers.items():
            covers[event_id] = _either(covers.get(event_id, frozenset()), _both(news_to, self.only))
        return replace(
            self,
            change="created" if created else self.change,
            moved=self.moved or earlier.moved,
            covers=dict(list(covers.items())[-MAX_COVERS:]),
            event_time=min(self.event_time, earlier.event_time),
            at=min(self.at, earlier.at),
            only=_either(self.only, earlier.only),
            clock=max(self.clock, earlier.clock),
        )

    def news_for(self, partition: int) -> tuple[str, ...]:
        """The event ids that lists and audiences of the user partition do not cover yet."""
        return tuple(event_id for event_id, to in self.covers.items() if to is None or partition in to)

    def concerns(self, partition: int) -> bool:
        return self.only is None or partition in self.only

    def for_only(self, partitions: frozenset[int]) -> ItemChange | None:
        """What is left of the change for these partitions."""
        only = _both(self.only, partitions)
        return replace(self, only=only) if only else None


def _either(one: Partitions, other: Partitions) -> Partitions:
    return None if one is None or other is None else one | other


def _both(one: Partitions, other: Partitions) -> Partitions:
    if one is None or other is None:
        return other if one is None else one
    return one & other
