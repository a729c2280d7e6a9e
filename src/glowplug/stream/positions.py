"""The engine's own account of where it stands in each partition: never the client's, which is lost on idle ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from glowplug.stream.step import Record


class Place(NamedTuple):
    """A partition of a topic, by the topic's logical name."""

    topic: str
    partition: int


def place_of(record: Record) -> Place:
    return Place(record.topic, record.partition)


class Standing(NamedTuple):
    """How far a partition is read, and how far it could be, as far as is known: offsets."""

    seen: int
    end: int

    def __str__(self) -> str:
        return f"{self.seen} of {self.end}"


@dataclass(slots=True)
class Position:
    """Offsets in one partition; everything below them is …

    done:   committed, without gaps: what the next transaction sends.
    taken:  committed or in the batch at hand.
    seen:   out of the poll, or known to be no record (control records, aborted ones).
    end:    readable, as far as is known.
    target: what was in the log at the assignment.
    """

    done: int
    taken: int
    seen: int
    end: int
    target: int


class Positions:
    """Positions of the partitions that are ours and running."""

    def __init__(self) -> None:
        self._of: dict[Place, Position] = {}

    def __iter__(self) -> Iterator[Place]:
        return iter(self._of)

    def __contains__(self, place: Place) -> bool:
        return place in self._of

    def __getitem__(self, place: Place) -> Position:
        return self._of[place]

    def standing(self) -> dict[Place, Standing]:
        return {place: Standing(position.seen, position.end) for place, position in self._of.items()}

    def start(self, place: Place, offset: int, target: int) -> None:
        """`offset`: of the first record to read."""
        self._of[place] = Position(offset, offset, offset, max(offset, target), target)

    def drop(self, places: Iterable[Place]) -> None:
        for place in places:
            self._of.pop(place, None)

    def admit(self, record: Record) -> bool:
        """True for a record that is ours and not polled before; it then counts as seen."""
        position = self._of.get(place_of(record))
        if position is None or record.offset < position.seen:
            return False
        position.seen = record.offset + 1
        position.end = max(position.end, position.seen)
        return True

    def reach_end(self, place: Place, offset: int) -> bool:
        """The client met the end of the partition: below `offset` there is nothing more to come.

        False: it was further already, so the log has lost its tail, or is another one.
        """
        position = self._of.get(place)
        if position is None:
            return True
        is_same_log = offset >= position.seen
        position.seen = max(position.seen, offset)
        position.end = max(position.end, offset)
        return is_same_log

    def know_end(self, place: Place, offset: int) -> None:
        position = self._of.get(place)
        if position is not None:
            position.end = max(position.end, offset)

    def take(self, records: Iterable[Record]) -> None:
        for record in records:
            self._of[place_of(record)].taken = record.offset + 1

    def put_back(self) -> None:
        """The batch at hand did not commit."""
        for position in self._of.values():
            position.taken = position.done

    def offsets(self, waiting: Counter[Place]) -> dict[Place, int]:
        """What a transaction sends: every running partition, so that a worker that lost one is refused.

        waiting: records in the buffer. Where there are none, control records behind the last record count too.
        """
        return {
            place: position.taken if waiting[place] else max(position.taken, position.seen)
            for place, position in self._of.items()
        }

    def commit(self, offsets: Mapping[Place, int]) -> None:
        for place, offset in offsets.items():
            if place in self._of:
                self._of[place].done = self._of[place].taken = offset

    def caught_up(self, waiting: Counter[Place]) -> bool:
        """With the batch at hand, everything that was in the log at the assignment is taken."""
        return all(
            (position.taken if waiting[place] else position.seen) >= position.target
            for place, position in self._of.items()
        )

    def behind(self, waiting: Counter[Place]) -> dict[str, int]:
        """Records known to wait, in the log and in the buffer, by topic."""
        by_topic: dict[str, int] = {}
        for place, position in self._of.items():
            count = position.end - position.seen + waiting[place]
            by_topic[place.topic] = by_topic.get(place.topic, 0) + count
        return by_topic


class Watchdog:
    """Notices partitions that have records to read and do not move (librdkafka#2190, #5591)."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._moved: dict[Place, tuple[int, float]] = {}  # seen, and when it was first found there

    def stalled(self, standing: Mapping[Place, Standing], *, is_held: bool, now: float) -> list[Place]:
        """Places without progress for `stall_s` seconds although there was lag all the time; each is told once
        in that time. is_held: we have paused them ourselves. now: monotonic seconds."""
        stalled = []
        moved = {}
        for place, at in standing.items():
            seen, since = self._moved.get(place, (-1, now))
            if at.end <= at.seen or is_held or seen != at.seen:
                since = now
            elif now - since >= self._stall_s:
                stalled.append(place)
                since = now
            moved[place] = (at.seen, since)
        self._moved = moved
        return stalled
