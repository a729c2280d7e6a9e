"""The partitions that are ours: given, restored, running, taken away, and what the step is told of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from glowplug.errors import BadTopics
from glowplug.stream.member import Member
from glowplug.stream.positions import Place, Positions, Standing
from glowplug.stream.restore import Restoration
from glowplug.stream.step import Step

log = logging.getLogger("glowplug.stream")


def is_by_number(step: Step[Any]) -> bool:
    """Whether the step keeps state by partition number, so that its inputs have to come with the same numbers."""
    return bool(step.restores)


def check_counts(step: Step[Any], partitions: Mapping[str, int]) -> None:
    """Raises BadTopics where topics that have to meet by partition number differ in number."""
    counts = {topic: partitions[topic] for topic in (*step.inputs, *step.restores)}
    if is_by_number(step) and len(set(counts.values())) > 1:
        told = ", ".join(f"{topic} {count}" for topic, count in counts.items())
        raise BadTopics(
            f"{step.name} needs the same number of partitions in all of its topics, they have: {told}; "
            f"re-create those that differ"
        )


class Shares:
    """Where state goes by number, a partition counts as ours once all inputs' partitions of its number are.

    `given` and `taken` only note; `settle` tells the step, and is called when no batch is being computed.
    """

    def __init__(
        self,
        step: Step[Any],
        positions: Positions,
        restoration: Callable[[frozenset[Place]], Restoration],
    ) -> None:
        self._step = step
        self._positions = positions
        self._new_restoration = restoration
        self._owned: set[Place] = set()
        self._running: set[Place] = set()
        self._pending: set[Place] = set()  # ours, not restored yet
        self._to_revoke: set[int] = set()  # the step knows them and has to forget them
        self._restoration: Restoration | None = None

    @property
    def is_empty(self) -> bool:
        return not self._owned

    @property
    def running(self) -> frozenset[Place]:
        return frozenset(self._running)

    @property
    def is_settled(self) -> bool:
        """Nothing waits to be restored or revoked."""
        return not self._pending and not self._to_revoke and self._restoration is None

    def given(self, places: frozenset[Place]) -> None:
        self._owned |= places
        for place in places:
            together = self._together(place)
            if together <= self._owned:
                self._pending |= together

    def taken(self, places: frozenset[Place]) -> frozenset[Place]:
        """All that stops running: these, and what cannot run without them."""
        self._owned -= places
        gone = frozenset(each for place in places for each in self._together(place))
        self._pending -= gone
        if self._restoration is not None and self._restoration.places & gone:
            # What is left of it starts again: the step forgets all that it was given in part.
            self._to_revoke |= self._restoration.numbers
            self._pending |= self._restoration.places - gone
            self._restoration.close()
            self._restoration = None
        self._to_revoke |= _numbers(self._running & gone)
        self._running -= gone
        return gone

    def settle(self, member: Member) -> bool:
        """Tell the step what was taken, and restore a little of what was given. True when some of it starts."""
        if self._to_revoke:
            numbers, self._to_revoke = frozenset(self._to_revoke), set()
            log.info("%s: partitions %s are ours no longer", self._step.name, sorted(numbers))
            self._step.revoked(numbers)
        if self._restoration is None and self._pending:
            places, self._pending = frozenset(self._pending), set()
            log.info("%s: restoring partitions %s", self._step.name, sorted(_numbers(places)))
            self._restoration = self._new_restoration(places)
        return self._restoration is not None and self._advance(self._restoration, member)

    def close(self) -> None:
        """Everything is taken; the next `settle` tells the step."""
        self.taken(frozenset(self._owned))

    def restoring(self) -> Mapping[Place, Standing]:
        return {} if self._restoration is None else self._restoration.standing()

    def waiting(self) -> Mapping[str, int]:
        """Records that wait for their partition to be restored, by topic."""
        counts: dict[str, int] = {}
        if self._restoration is not None:
            for place, start in self._restoration.starts.items():
                counts[place.topic] = counts.get(place.topic, 0) + self._restoration.targets[place] - start
        return counts

    def _advance(self, restoration: Restoration, member: Member) -> bool:
        if not restoration.is_done:
            records = restoration.advance()
            if records:
                self._step.restore(records)
        if not restoration.is_done or not member.place(restoration.starts):
            return False
        self._restoration = None
        self._step.assigned(restoration.numbers)
        self._running |= restoration.places
        for place, offset in restoration.starts.items():
            self._positions.start(place, offset, restoration.targets[place])
        log.info("%s: partitions %s are restored and running", self._step.name, sorted(restoration.numbers))
        return True

    def _together(self, place: Place) -> frozenset[Place]:
        if not is_by_number(self._step):
            return frozenset({place})
        return frozenset(Place(topic, place.partition) for topic in self._step.inputs)


def _numbers(places: Iterable[Place]) -> set[int]:
    return {place.partition for place in places}
