"""Topics that every instance reads whole: to the end at each assignment, or for ever."""

from __future__ import annotations

from collections.abc import Mapping

from glowplug.stream.offsets import Offsets
from glowplug.stream.positions import Place, Standing
from glowplug.stream.reader import Reader
from glowplug.stream.step import Record, Tail


class Tables:
    """Records of the tables between their poll and the step's `absorb`.

    tail: the partitions that are read for ever.
    Positions outlive the clients: `open` goes on where the last reader stood.
    """

    def __init__(self, topics: Mapping[str, Tail], partitions: Mapping[str, int], capacity: int) -> None:
        self._capacity = capacity
        self.tail = [
            Place(topic, n) for topic, tail in topics.items() if tail == "tail" for n in range(partitions[topic])
        ]
        self._assign = [
            Place(topic, n) for topic, tail in topics.items() if tail == "assign" for n in range(partitions[topic])
        ]
        self._next = dict.fromkeys((*self.tail, *self._assign), 0)
        self._ends: dict[Place, int] = {}
        self._readable: dict[Place, int] = {}
        self._ready: list[Record] = []
        self._reader: Reader | None = None

    def __bool__(self) -> bool:
        return bool(self._next)

    def open(self, reader: Reader, offsets: Offsets) -> None:
        """Raises BrokerUnavailable."""
        self._reader = reader
        for place, beginning in offsets.beginnings(self._next).items():
            self._next[place] = max(self._next[place], beginning)
        reader.read({place: self._next[place] for place in self.tail})
        self._ends, self._readable = {}, {}

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def aim(self, offsets: Offsets) -> None:
        """From now on `caught_up` means: as far as the log reaches now. Raises BrokerUnavailable."""
        if self._reader is None or not self._next:
            return
        ends = offsets.written(self._next)
        again = [place for place in self._assign if place not in self._reader.position]
        self._reader.read({place: self._next[place] for place in again if ends[place] > self._next[place]})
        self._ends = ends

    @property
    def caught_up(self) -> bool:
        """Everything aimed at is read and taken."""
        return not self._ready and self._reached()

    @property
    def is_full(self) -> bool:
        """Reading rests until something is taken."""
        return len(self._ready) >= self._capacity

    def know_end(self, place: Place, offset: int) -> None:
        """What the broker says of a topic that is read for ever: committed records reach up to there."""
        if place in self._next:
            self._readable[place] = offset

    def standing(self) -> dict[Place, Standing]:
        """Of what is being read."""
        if self._reader is None:
            return {}
        return {place: Standing(self._next[place], self._end(place)) for place in self._reader.position}

    def poll(self, wait_s: float = 0.0) -> bool:
        """Read what is there, up to the capacity. True where something was."""
        room = self._capacity - len(self._ready)
        if self._reader is None or not self._reader.position or room <= 0:
            return False
        records = self._reader.poll(room, wait_s)
        self._next.update(self._reader.position)
        self._ready += records
        self._reader.leave([place for place in self._assign if self._next[place] >= self._ends.get(place, 0)])
        return bool(records)

    def take(self) -> list[Record]:
        """What is to be absorbed now."""
        records, self._ready = self._ready, []
        return records

    def behind(self) -> dict[str, int]:
        """Records known to wait, by topic."""
        by_topic: dict[str, int] = {}
        for place, position in self._next.items():
            end = self._end(place)
            if self._reader is not None and place in self._reader.position:
                end = max(end, self._reader.known_end(place))
            by_topic[place.topic] = by_topic.get(place.topic, 0) + max(0, end - position)
        for record in self._ready:
            by_topic[record.topic] += 1
        return by_topic

    def _end(self, place: Place) -> int:
        return max(self._ends.get(place, 0), self._readable.get(place, 0))

    def _reached(self) -> bool:
        return all(self._next[place] >= end for place, end in self._ends.items())
