"""Bringing newly assigned partition numbers to the state in which their group left them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from glowplug.errors import BadTopics, Recoverable
from glowplug.stream.member import Member
from glowplug.stream.offsets import Offsets
from glowplug.stream.positions import Place, Standing, place_of
from glowplug.stream.reader import Reader
from glowplug.stream.step import Record, Relieving, Rewinding, Step
from glowplug.stream.tables import Tables

log = logging.getLogger("glowplug.stream")

MOST = 2_000  # records a turn: some milliseconds of work, so that the membership is polled in between
WAIT_S = 0.005  # for the next of them


class Restoration:
    """Restores the partitions `places` of the inputs, a little at each `advance`, while the caller polls on.

    starts:  once `is_done`: the offsets from which they go on.
    targets: their ends at the assignment.
    """

    def __init__(
        self,
        places: frozenset[Place],
        *,
        step: Step[Any],
        member: Member,
        offsets: Offsets,
        tables: Tables,
        open_reader: Callable[[], Reader],
        group_of: Callable[[str], str],
        remembered: Mapping[Place, int] | None = None,
    ) -> None:
        """group_of: the group id of a step by its name.
        remembered: offsets to go on from where the broker keeps none (the built-in one).
        """
        self.places = places
        self.numbers = frozenset(place.partition for place in places)
        self.is_done = False
        self.starts: dict[Place, int] = {}
        self.targets: dict[Place, int] = {}
        self._step = step
        self._member = member
        self._offsets = offsets
        self._tables = tables
        self._open_reader = open_reader
        self._group_of = group_of
        self._remembered = remembered
        self._reader: Reader | None = None
        self._until: dict[Place, int] | None = None
        self._told = ""

    def advance(self) -> list[Record]:
        """Records for the step's `restore`. Raises BadTopics where the log is not the one that was read before."""
        if self._until is None:
            try:
                self._aim()
            except Recoverable as error:
                self._tell(str(error))
                return []
        records = self._read()
        self.is_done = (self._reader is None or self._has_read_all()) and self._tables.caught_up
        if self.is_done:
            self.close()
        return records

    def standing(self) -> dict[Place, Standing]:
        """Of what is being read; at first, of the question where everything begins and ends."""
        if self._until is None:
            return dict.fromkeys(self.places, Standing(-1, 0))
        if self._reader is None:
            return {}
        return {place: Standing(at, self._until[place]) for place, at in self._reader.position.items()}

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _tell(self, obstacle: str) -> None:
        """Once: the question is asked many times a second."""
        if obstacle != self._told:
            log.info("%s: restoring waits: %s", self._step.name, obstacle)
            self._told = obstacle

    def _aim(self) -> None:
        """The group's offsets first, then the ends: so no end lies before what is committed."""
        committed = self._committed()
        beginnings = self._offsets.beginnings(self.places)
        self.targets = self._offsets.written(self.places)
        self.starts = {place: self._start(place, committed.get(place), beginnings[place]) for place in self.places}
        own = [
            Place(topic, number)
            for topic, until in self._step.restores.items()
            if until == "end"
            for number in sorted(self.numbers)
        ]
        until = self._offsets.written(own)
        until |= {
            place: at for place, at in self.starts.items() if self._step.restores.get(place.topic) == "committed"
        }
        self._tables.aim(self._offsets)
        if any(until.values()):
            self._reader = self._open_reader()
            self._reader.read(self._offsets.beginnings(until))
        self._until = until

    def _committed(self) -> Mapping[Place, int]:
        """Where the group stands; nothing for places that the step wants from their beginning."""
        committed = self._member.committed(self.places) if self._remembered is None else self._remembered
        if isinstance(self._step, Relieving) and self._remembered is None:
            committed = self._later(committed, self._step.relieves)
        if not isinstance(self._step, Rewinding):
            return committed
        return {place: at for place, at in committed.items() if not self._step.from_beginning(*place)}

    def _later(self, committed: Mapping[Place, int], relieves: Mapping[str, str]) -> Mapping[Place, int]:
        """Of each place the greater offset of the two groups that have read it, one after the other."""
        later = dict(committed)
        for topic, other in relieves.items():
            places = [place for place in self.places if place.topic == topic]
            for place, offset in self._offsets.committed(self._group_of(other), places, is_final=True).items():
                later[place] = max(offset, later.get(place, 0))
        return later

    def _start(self, place: Place, committed: int | None, beginning: int) -> int:
        if committed is None:
            return beginning
        if committed > self.targets[place] and self._remembered is None:
            raise BadTopics(
                f"{place.topic}, partition {place.partition}, ends at {self.targets[place]}, but the group has "
                f"read up to {committed}: the topic was re-created; delete the group's offsets, or set another "
                f"kafka.application, to read it from the beginning"
            )
        if committed < beginning:
            log.warning(
                "%s, partition %d: the records from %d to %d were deleted by retention before they were read",
                *place, committed, beginning - 1,
            )  # fmt: skip
        return max(committed, beginning)

    def _read(self) -> list[Record]:
        if self._reader is None or self._until is None:
            return []
        until = self._until
        records = self._reader.poll(MOST, WAIT_S)
        return [record for record in records if record.offset < until[place_of(record)]]

    def _has_read_all(self) -> bool:
        return self._reader is not None and self._until is not None and self._reader.reached(self._until)
