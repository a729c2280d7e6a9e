"""Waiting for something to become true, with a deadline instead of a sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.02
Value = TypeVar("Value")


def wait_until(predicate: Callable[[], Value | None], deadline_s: float, message: str | Callable[[], str]) -> Value:
    """The first true value of `predicate`; AssertionError with `message` after `deadline_s` seconds."""
    end = time.monotonic() + deadline_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            text = message if isinstance(message, str) else message()
            raise AssertionError(f"not within {deadline_s:g} s: {text}")
        time.sleep(POLL_S)
