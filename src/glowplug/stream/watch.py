"""Lag and stalls of what is read, looked at a few times a second."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from glowplug.errors import BrokerUnavailable
from glowplug.observe import metrics
from glowplug.stream.member import Member
from glowplug.stream.offsets import Offsets, Question
from glowplug.stream.positions import Place, Positions, Standing, Watchdog
from glowplug.stream.reader import ClientsLost
from glowplug.stream.tables import Tables

log = logging.getLogger("glowplug.stream")

LOOK_S = 0.25  # producers to the built-in broker are paced by what is seen here
ASK_S = 1.0  # the broker's own word, for partitions whose fetches rest or hang


class Watch:
    """Keeps positions and tables informed of the ends, and gets on what is stuck: our partitions of the inputs by
    reading on from where they stand, tables and restores, which have clients of their own, by new clients."""

    def __init__(self, consumer: str, stall_s: float, offsets: Offsets, tables: Tables) -> None:
        self._consumer = consumer
        self._offsets = offsets
        self._tables = tables
        self._running, self._reading = Watchdog(stall_s), Watchdog(stall_s)
        self._freed: dict[Place, int] = {}  # offsets from which reading was to go on
        self._question: Question | None = None
        self._asked = float("-inf")
        self._looked = float("-inf")

    def look(
        self,
        positions: Positions,
        member: Member,
        restoring: Mapping[Place, Standing],
        *,
        is_held: bool,
        is_busy: bool,
        now: float,
    ) -> bool:
        """False where it is too early to look again. Raises ClientsLost.

        is_held: we have paused all partitions ourselves. is_busy: tables and restores wait for a batch to end.
        """
        if now - self._looked < LOOK_S:
            return False
        self._looked = now
        for place in positions:
            positions.know_end(place, member.known_end(place))
        self._hear(positions, now)
        self._free(positions, member, is_held, now)
        self._renew(self._tables.standing() | dict(restoring), is_busy or self._tables.is_full, now)
        return True

    def _hear(self, positions: Positions, now: float) -> None:
        """Take in the answer to the last question and ask the next; never waits."""
        if self._question is not None and self._question.is_answered:
            try:
                for place, end in self._question.answer().items():
                    positions.know_end(place, end)
                    self._tables.know_end(place, end)
            except BrokerUnavailable as error:
                log.debug("%s: %s", self._consumer, error)
            self._question = None
        if self._question is None and now - self._asked >= ASK_S:
            self._question = self._offsets.ask_readable({*positions, *self._tables.tail})
            self._asked = now

    def _free(self, positions: Positions, member: Member, is_held: bool, now: float) -> None:
        """First by reading on from there; if that has not moved it in the same time again, by new clients."""
        for place in self._running.stalled(positions.standing(), is_held=is_held, now=now):
            position = positions[place]
            if self._freed.get(place) == position.seen:
                metrics.stalls.labels(self._consumer).inc()
                raise ClientsLost(f"reading does not go on from: {_told([place], positions.standing())}")
            self._freed[place] = position.seen
            metrics.stalls.labels(self._consumer).inc()
            log.warning(
                "%s: %s, partition %d stands at %d although it ends at %d: reading on from there anew",
                self._consumer, *place, position.seen, position.end,
            )  # fmt: skip
            member.place({place: position.seen})

    def _renew(self, standing: Mapping[Place, Standing], is_held: bool, now: float) -> None:
        stalled = self._reading.stalled(standing, is_held=is_held, now=now)
        if stalled:
            metrics.stalls.labels(self._consumer).inc(len(stalled))
            raise ClientsLost(f"reading does not go on from: {_told(stalled, standing)}")


def _told(stalled: Iterable[Place], standing: Mapping[Place, Standing]) -> str:
    return "; ".join(f"{place.topic}, partition {place.partition}: {standing[place]}" for place in stalled)
