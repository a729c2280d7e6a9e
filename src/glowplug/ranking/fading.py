"""Users of whom something is kept for a set time only: the deleted ones, and those who never arrived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile


class Fading:
    """kept: from when a user's record was written until it is forgotten."""

    def __init__(self, kept: timedelta) -> None:
        self._kept = kept
        self._written: dict[str, datetime] = {}  # oldest first

    def put(self, user_id: str, written: datetime) -> None:
        """The latest of all."""
        self._written.pop(user_id, None)
        self._written[user_id] = written

    def restore(self, written: dict[str, datetime]) -> None:
        """More of them, of any age."""
        self._written = dict(sorted((self._written | written).items(), key=lambda pair: pair[1]))

    def drop(self, user_id: str) -> None:
        self._written.pop(user_id, None)

    def over(self, now: datetime) -> Iterator[str]:
        """Those whose time is over, oldest first."""
        return takewhile(lambda user_id: self._written[user_id] + self._kept <= now, self._written)

    def next_in(self, now: datetime) -> float | None:
        """Seconds from `now` until the next one's time is over; None where there is nobody."""
        oldest = next(iter(self._written.values()), None)
        return None if oldest is None else max(0.0, (oldest + self._kept - now).total_seconds())
