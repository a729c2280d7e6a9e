"""Named places where a fault test has the process killed: GLOWPLUG_KILL_AT="item_embedder:after_step" or "…:3"."""

from __future__ import annotations

import itertools
import os
import signal
from functools import cache

VARIABLE = "GLOWPLUG_KILL_AT"

# The engine's own, in the order in which one batch passes them; a step may have more.
POINTS = (
    "after_poll",
    "before_step",
    "after_step",
    "after_writes",
    "after_begin",
    "after_produce",
    "after_send_offsets",
    "after_commit",
    "after_apply",
)


def reached(point: str) -> None:
    """Die here, by SIGKILL, if `point` ("consumer:place") is the one named, at its N-th passing."""
    target = _target()
    if target is not None and target[0] == point and next(_passings) == target[1]:
        os.kill(os.getpid(), signal.SIGKILL)


_passings = itertools.count(1)


@cache
def _target() -> tuple[str, int] | None:
    """Point and passing, read once: a process that is to die is started for it."""
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    consumer, place, *passing = value.split(":")
    return f"{consumer}:{place}", int(passing[0]) if passing else 1
