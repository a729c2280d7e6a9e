"""Records between the poll and the batch: bounded, in the order of their arrival."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from glowplug.stream.positions import Place, place_of
from glowplug.stream.step import Record


class Buffer:
    """At most `capacity` records; `waiting` counts them by place."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._fresh: deque[Record] = deque()
        self._again: deque[Record] = deque()  # of a batch that did not commit: they come first, as one batch
        self.waiting: Counter[Place] = Counter()

    def __len__(self) -> int:
        return len(self._fresh) + len(self._again)

    @property
    def room(self) -> int:
        return max(0, self._capacity - len(self))

    @property
    def is_drained(self) -> bool:
        """Empty enough to resume: half, so that partitions do not flap between paused and not."""
        return len(self) * 2 <= self._capacity

    def add(self, records: Iterable[Record]) -> None:
        for record in records:
            self._fresh.append(record)
            self.waiting[place_of(record)] += 1

    def put_back(self, records: Iterable[Record]) -> None:
        """Records taken and not committed, to be taken again before all others."""
        again = list(records)
        self._again.extendleft(reversed(again))
        self.waiting.update(place_of(record) for record in again)

    def take(self, most: int) -> tuple[Record, ...]:
        """The next batch: exactly those put back, if there are any, else up to `most`."""
        source, count = (self._again, len(self._again)) if self._again else (self._fresh, most)
        taken = tuple(source.popleft() for _ in range(min(count, len(source))))
        self.waiting.subtract(place_of(record) for record in taken)
        return taken

    def drop(self, places: frozenset[Place]) -> None:
        """Forget all records of these places."""
        self._fresh = deque(record for record in self._fresh if place_of(record) not in places)
        self._again = deque(record for record in self._again if place_of(record) not in places)
        for place in places:
            self.waiting.pop(place, None)
