"""A lock whose waiters are let in by rank."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turnstile:
    """One holder at a time. Rank 0 goes before rank 1, and first come, first served within a rank.

    patience: how often rank 1 is passed over in a row before one of it goes first all the same, so that an import
    of users slows the items' down and never stops it.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._condition = threading.Condition()
        self._waiting: tuple[list[object], list[object]] = ([], [])
        self._is_held = False
        self._passed_over = 0

    @contextmanager
    def turn(self, rank: int) -> Iterator[None]:
        """rank: 0 or 1."""
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
            self._passed_over = self._passed_over + 1 if rank == 0 and self._waiting[1] else 0
            self._is_held = True

    def _next(self) -> object:
        first, second = self._waiting
        is_second = not first or (second and self._passed_over >= self._patience)
        return second[0] if is_second else first[0]
