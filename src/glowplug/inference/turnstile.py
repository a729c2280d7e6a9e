"""A lock whose waiters are let in by rank."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turnstile:
    """One holder at a time. A lower rank goes before a higher one, and first come, first served within a rank.

    patience: for each rank from 1 on, how often it is passed over in a row before one of it goes first all the
    same, so that an import of users slows the items' down and never stops it.
    """

    def __init__(self, *patience: int) -> None:
        self._patience = (0, *patience)
        self._condition = threading.Condition()
        self._waiting: tuple[list[object], ...] = tuple([] for _ in self._patience)
        self._is_held = False
        self._passed_over = [0] * len(self._patience)

    @contextmanager
    def turn(self, rank: int) -> Iterator[None]:
        """rank: 0 to the number of patiences."""
        self._enter(rank)
        try:
            yield
        finally:
            with self._condition:
                self._is_held = False
                self._condition.notify_all()

    def waiting(self) -> int:
        """How many stand before it now."""
        with self._condition:
            return sum(map(len, self._waiting))

    def _enter(self, rank: int) -> None:
        ticket = object()
        with self._condition:
            self._waiting[rank].append(ticket)
            try:
                self._condition.wait_for(lambda: not self._is_held and self._next() is ticket)
            except BaseException:  # an interrupt: the ticket must not block those behind it
                self._waiting[rank].remove(ticket)
                self._condition.notify_all()
                raise
            self._waiting[rank].pop(0)
            self._passed_over[rank] = 0
            for behind in range(rank + 1, len(self._waiting)):
                self._passed_over[behind] = self._passed_over[behind] + 1 if self._waiting[behind] else 0
            self._is_held = True

    def _next(self) -> object:
        standing = [rank for rank, line in enumerate(self._waiting) if line]
        impatient = [rank for rank in standing if rank and self._passed_over[rank] >= self._patience[rank]]
        return self._waiting[min(impatient or standing)][0]
