"""When an event of the stream may go: at its time, or when its user has had an answer to the one before."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Protocol

from producers.timeline import Moment

LOOKAHEAD = 1_000  # events set aside for users who wait; beyond, everybody waits, so that order by time stays near


class Turns(Protocol):
    def next(self, now: float) -> Moment | None:
        """The event to send now, or None. now: seconds of any monotonic clock."""

    def answered(self, user_id: str) -> None:
        """The user's last event needs no more waiting for."""

    def pause(self, now: float) -> float | None:
        """Seconds until `next` can have something without an answer; None: only an answer helps."""

    @property
    def is_done(self) -> bool: ...


class ByTime:
    """Each event at its time, `factor` times as fast; the first at once."""

    def __init__(self, moments: Sequence[Moment], factor: float) -> None:
        self._moments = deque(moments)
        self._factor = factor
        self._begun: float | None = None
        self._first = moments[0].at if moments else None

    def next(self, now: float) -> Moment | None:
        return self._moments.popleft() if self._moments and not self.pause(now) else None

    def answered(self, user_id: str) -> None:
        """Nobody waits."""

    def pause(self, now: float) -> float | None:
        if not self._moments or self._first is None:
            return None
        if self._begun is None:
            self._begun = now
        due = self._begun + (self._moments[0].at - self._first).total_seconds() / self._factor
        return max(0.0, due - now)

    @property
    def is_done(self) -> bool:
        return not self._moments


class ClosedLoop:
    """In order, and one event of a user at a time; users who wait are overtaken by the others."""

    def __init__(self, moments: Iterable[Moment], in_flight: int, lookahead: int = LOOKAHEAD) -> None:
        """in_flight: most users who wait for a list at the same time."""
        self._rest = enumerate(moments)
        self._in_flight = in_flight
        self._lookahead = lookahead
        self._waiting: set[str] = set()
        self._aside: defaultdict[str, deque[tuple[int, Moment]]] = defaultdict(deque)
        self._aside_count = 0
        self._free: list[tuple[int, Moment]] = []  # a heap by place: their users have just been answered
        self._is_at_end = False

    def next(self, now: float) -> Moment | None:  # noqa: ARG002  answers drive it, not time
        if self._free:
            _, moment = heappop(self._free)
            return self._sent(moment)
        while len(self._waiting) < self._in_flight and self._aside_count < self._lookahead:
            following = next(self._rest, None)
            if following is None:
                self._is_at_end = True
                return None
            place, moment = following
            if moment.user_id not in self._waiting:
                return self._sent(moment)
            self._aside[moment.user_id].append((place, moment))
            self._aside_count += 1
        return None

    def answered(self, user_id: str) -> None:
        if user_id not in self._waiting:
            return
        self._waiting.discard(user_id)
        if aside := self._aside.get(user_id):
            heappush(self._free, aside.popleft())
            self._aside_count -= 1

    def pause(self, now: float) -> float | None:  # noqa: ARG002  answers drive it, not time
        return 0.0 if self._free else None

    @property
    def is_done(self) -> bool:
        return self._is_at_end and not self._waiting and not self._free

    def _sent(self, moment: Moment) -> Moment:
        if moment.user_id:  # nobody waits for an item
            self._waiting.add(moment.user_id)
        return moment
