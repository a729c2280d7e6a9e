"""librdkafka's log lines, each kind once in a while: about a broker that is away it says twenty a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

REPEAT_S = 30.0  # often enough to see that it goes on


class Sparing:
    """What confluent-kafka takes for a logger: hands on the first line of each facility, then counts.

    A facility is librdkafka's word for the kind of a line ("FAIL", "REQTMOUT"), the first argument of `log`.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._said: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def log(self, level: int, message: str, *args: object) -> None:
        facility = str(args[0]) if args else message
        now = self._clock()
        if now - self._said.get(facility, float("-inf")) < REPEAT_S:
            self._unsaid[facility] = self._unsaid.get(facility, 0) + 1
            return
        self._said[facility] = now
        unsaid = self._unsaid.pop(facility, 0)
        suffix = f" (and {unsaid} lines like it)" if unsaid else ""
        self._logger.log(level, "%s%s", message % args if args else message, suffix)
