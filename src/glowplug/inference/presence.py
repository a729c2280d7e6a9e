"""Who is under way, so that work which nobody waits for keeps out of their way from their first step on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Presence:
    """Safe to call from many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = self._waiting = self._came = 0

    @contextmanager
    def here(self) -> Iterator[None]:
        with self._changed:
            self._count += 1
            self._came += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def wait_gone(self, at_most_s: float) -> bool:
        """Until nobody is here, at most so long; whether nobody is."""
        with self._changed:
            self._waiting += 1
            try:
                return self._changed.wait_for(lambda: self._count == 0, at_most_s)
            finally:
                self._waiting -= 1

    def came(self) -> int:
        """How many have come so far."""
        with self._changed:
            return self._came

    def left(self) -> int:
        """How many of them have gone again."""
        with self._changed:
            return self._came - self._count

    def waiting(self) -> int:
        """How many wait for that now."""
        with self._changed:
            return self._waiting
