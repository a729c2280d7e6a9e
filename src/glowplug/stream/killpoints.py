"""Named places where a fault test has the process killed: GLOWPLUG_KILL_AT="item_embedder:after_step" or "…:3".

With "…:3:stop" it is frozen there instead (SIGSTOP), until somebody sends SIGCONT.
"""

from __future__ import annotations

import itertools
import os
import signal
from functools import cache
from typing import NamedTuple

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


class _Target(NamedTuple):
    point: str
    passing: int
    signal: signal.Signals


def reached(point: str) -> None:
    """Die here, by SIGKILL, or freeze, if `point` ("consumer:place") is the one named, at its N-th passing."""
    target = _target()
    if target is not None and target.point == point and next(_passings) == target.passing:
        os.kill(os.getpid(), target.signal)


_passings = itertools.count(1)


@cache
def _target() -> _Target | None:
    """What is named, read once: a process that is to die is started for it."""
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    consumer, place, *rest = value.split(":")
    passing = int(rest[0]) if rest else 1
    return _Target(f"{consumer}:{place}", passing, signal.SIGSTOP if rest[1:] == ["stop"] else signal.SIGKILL)
