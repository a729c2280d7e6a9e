"""Generation for many threads at once, by a thread of its own that ends when there is nothing to say."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from typing import Protocol

from glowplug.errors import GlowplugError, ModelRejected, ModelUnavailable, shown
from glowplug.inference.generation import Answer, Request, Ticket

LOOK_S = 1.0  # between two looks at whether the model still moves
log = logging.getLogger("glowplug.inference")


class Steps(Protocol):
    """Generation, or what stands for it in tests."""

    def put(self, ticket: Ticket) -> None: ...
    def step(self) -> bool: ...
    def clear(self) -> None: ...


class Engine:
    """Safe to call from many threads: what comes while others are answered joins them.

    A step that takes longer than hang_s is given up: whoever waits gets ModelUnavailable, and whoever comes, until
    it ends after all. The thread itself cannot be stopped.
    """

    def __init__(self, steps: Steps, hang_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._steps, self._hang_s, self._clock = steps, hang_s, clock
        self._lock = threading.Lock()
        self._arrived: list[Ticket] = []
        self._is_working = False
        self._since: float | None = None  # when the step under way began

    def answer(self, requests: Sequence[Request]) -> list[Answer | ModelRejected]:
        """One for each, in order. Raises ModelUnavailable where the model hangs or fails as a whole."""
        if not requests:
            return []
        self._check()
        tickets = [Ticket(request) for request in requests]
        with self._lock:
            self._arrived += tickets
            if not self._is_working:
                self._is_working = True
                threading.Thread(target=self._serve, name="glowplug-generation", daemon=True).start()
        try:
            while wait([ticket.done for ticket in tickets], min(LOOK_S, self._hang_s)).not_done:
                self._check()
        except BaseException:
            for ticket in tickets:
                ticket.is_wanted = False
            raise
        return [ticket.done.result() for ticket in tickets]

    def _check(self) -> None:
        with self._lock:
            since = self._since
        if since is not None and self._clock() - since > self._hang_s:
            raise ModelUnavailable(
                f"the language model hangs: a step has taken {self._clock() - since:.0f} s and does not end"
            )

    def _serve(self) -> None:
        under_way: list[Ticket] = []
        while True:
            with self._lock:
                arrived, self._arrived = self._arrived, []
                self._since = self._clock()
            try:
                under_way = [ticket for ticket in under_way if not ticket.done.done()] + arrived
                for ticket in arrived:
                    self._steps.put(ticket)
                is_more = self._steps.step()
            except Exception as error:  # noqa: BLE001  whatever it is, those who wait must hear of it
                known = error if isinstance(error, GlowplugError) else None
                reason = shown(f"{type(error).__name__}: {error}")
                log.warning("the language model fails: %s", reason)
                self._fail(under_way, known or ModelUnavailable(f"the language model fails ({reason})"))
                is_more = False
            with self._lock:
                self._since = None
                if not is_more and not self._arrived:
                    self._is_working = False
                    return

    def _fail(self, tickets: Sequence[Ticket], error: Exception) -> None:
        self._steps.clear()
        for ticket in tickets:
            if not ticket.done.done():
                ticket.done.set_exception(error)
