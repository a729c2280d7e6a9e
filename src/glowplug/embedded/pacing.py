"""Producers wait for the stack: the built-in broker drops records that nobody has read yet, and never says so."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from typing import Any

from glowplug.errors import Unreachable
from glowplug.settings import Settings
from glowplug.stream.admin import is_builtin

LIMIT = (
    3_000  # records that may wait, of all topics together: 20 MB of user states in the worst case, of 80 MB kept
)
STALE_S = 0.5  # what was sent so recently is not in the reported lag yet; consumers look four times a second
ASK_EVERY_S = 0.1  # between two questions while there is room
PAUSE_S = 0.02  # between two looks while there is none
ANSWER_S = 5.0  # for /health of a stack that is busy on every core
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy of the environment knows our ports


class LagGate:
    """Called before each record; returns when there is room for it.

    lag: records that wait in the stack, all consumers and topics together.
    """

    def __init__(
        self,
        lag: Callable[[], int],
        *,
        limit: int = LIMIT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._lag = lag
        self._limit = limit
        self._clock = clock
        self._sleep = sleep
        self._known = 0
        self._asked = float("-inf")
        self._sent: deque[float] = deque()  # when, of the last STALE_S

    def __call__(self) -> None:
        while True:
            now = self._clock()
            while self._sent and self._sent[0] <= now - STALE_S:
                self._sent.popleft()
            if now - self._asked >= ASK_EVERY_S:
                self._known = self._lag()
                self._asked = now
            if self._known + len(self._sent) < self._limit:
                self._sent.append(now)
                return
            self._sleep(PAUSE_S)


def gate_for(settings: Settings) -> LagGate | None:
    """The gate for a producer in another process than the stack; None for a real broker, which keeps everything.

    The stack's /health is at observe.host and observe.port. Raises Unreachable when broker or /health are.
    """
    if not is_builtin(settings):
        return None
    observe = settings.observe
    url = f"http://{observe.host}:{observe.port}/health"
    health_lag(url)  # now, rather than in the middle of a file
    return LagGate(lambda: health_lag(url))


def health_lag(url: str) -> int:
    """`lag` of the stack whose /health is at `url`. Raises Unreachable."""
    try:
        with DIRECT.open(url, timeout=ANSWER_S) as response:
            health: dict[str, Any] = json.load(response)
        return int(health["lag"])
    except urllib.error.HTTPError as error:
        with error:  # a stack that is not ready answers 503, and tells its lag all the same
            body = error.read()
        try:
            return int(json.loads(body)["lag"])
        except (ValueError, KeyError, TypeError):
            raise _unreachable(url, error) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreachable(url, error) from error


def _unreachable(url: str, error: Exception) -> Unreachable:
    return Unreachable(
        f"{url} does not say how far `glowplug up` is behind ({error}), and its built-in broker would drop what is "
        "sent too fast: set observe.port to the port that its banner names"
    )
