"""Lag and stalls of the running partitions, looked at a few times a second."""

from __future__ import annotations

import logging

from glowplug.errors import BrokerUnavailable
from glowplug.observe import metrics
from glowplug.stream.member import Member
from glowplug.stream.offsets import Offsets, Question
from glowplug.stream.positions import Positions, Watchdog

log = logging.getLogger("glowplug.stream")

LOOK_S = 0.25  # producers to the built-in broker are paced by what is seen here
ASK_S = 1.0  # the broker's own word, for partitions whose fetches rest or hang


class Watch:
    """Keeps `positions` informed of the ends, reports the lag, and moves partitions that are stuck."""

    def __init__(self, consumer: str, stall_s: float, offsets: Offsets) -> None:
        self._consumer = consumer
        self._offsets = offsets
        self._watchdog = Watchdog(stall_s)
        self._question: Question | None = None
        self._asked = float("-inf")
        self._looked = float("-inf")

    def look(self, positions: Positions, member: Member, *, is_held: bool, now: float) -> bool:
        """False where it is too early to look again. is_held: we have paused all partitions ourselves."""
        if now - self._looked < LOOK_S:
            return False
        self._looked = now
        for place in positions:
            positions.know_end(place, member.known_end(place))
        self._hear(positions, now)
        self._free(positions, member, is_held, now)
        return True

    def _hear(self, positions: Positions, now: float) -> None:
        """Take in the answer to the last question and ask the next; never waits."""
        if self._question is not None and self._question.is_answered:
            try:
                for place, end in self._question.answer().items():
                    positions.know_end(place, end)
            except BrokerUnavailable as error:
                log.debug("%s: %s", self._consumer, error)
            self._question = None
        if self._question is None and now - self._asked >= ASK_S:
            self._question = self._offsets.ask_readable(positions)
            self._asked = now

    def _free(self, positions: Positions, member: Member, is_held: bool, now: float) -> None:
        for place in self._watchdog.stalled(positions, is_held=is_held, now=now):
            position = positions[place]
            metrics.stalls.labels(self._consumer).inc()
            log.warning(
                "%s: %s, partition %d stands at %d although it ends at %d: reading on from there anew",
                self._consumer, *place, position.seen, position.end,
            )  # fmt: skip
            member.place({place: position.seen})
