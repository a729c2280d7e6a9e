"""When a model that fails is asked again. Pure."""

from __future__ import annotations

from typing import Literal

FAILURES = 3  # in a row: one may be a hiccup, three are an outage
FIRST_PAUSE_S = 1.0  # a model server that restarts is away for longer
LAST_PAUSE_S = 30.0  # an outage is noticed to be over within this time, and asked about a hundred times an hour

State = Literal["closed", "open", "half_open"]


class Circuit:
    """Spares a model that does not answer: after some failures in a row it is asked once after each pause, and each
    pause is twice the one before. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._until = 0.0
        self.cause = ""

    def state(self, now: float) -> State:
        """closed: it is asked as usual. half_open: one may try."""
        if self._failures < FAILURES:
            return "closed"
        return "open" if now < self._until else "half_open"

    def wait_s(self, now: float) -> float:
        """Until the next attempt; 0: now."""
        return max(0.0, self._until - now)

    def failed(self, now: float, cause: str, *, is_final: bool = False) -> None:
        """is_final: the model says that it never will; a person may mend that while we run."""
        self._failures = FAILURES if is_final else self._failures + 1
        if is_final:
            self._pause_s = LAST_PAUSE_S
        self._until = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LAST_PAUSE_S)
        self.cause = cause

    def succeeded(self) -> None:
        self._failures, self._pause_s, self._until, self.cause = 0, FIRST_PAUSE_S, 0.0, ""
